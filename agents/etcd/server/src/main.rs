//! etcd2: the v2 API over HTTP, raft, members and the discovery service.

fn main() {}
