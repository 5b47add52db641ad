//! What the system tests share: where the image and the host's own etcd2 are, the tutorial's node, a container image.

pub mod container;
pub mod etcd;
pub mod flannel;
pub mod netns;
pub mod vm;
