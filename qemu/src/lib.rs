//! QEMU machines for people and tests: console, QMP, network, metadata, config drive.
