//! etcdctl: the command line of the etcd v2 API.

fn main() {}
