//! What the system tests share: where the image and the host's own etcd2 are, and the tutorial's node.

pub mod etcd;
pub mod flannel;
pub mod netns;
pub mod vm;
