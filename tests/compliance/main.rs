//! Conformance suites: our programs seen from outside, beside their originals.

#[cfg(test)]
mod cloud_config;
#[cfg(test)]
mod etcd;
#[cfg(test)]
mod flannel;
#[cfg(test)]
mod init;
