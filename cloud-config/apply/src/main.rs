//! coreos-cloudinit: finds user-data and metadata, and carries the plan out.

fn main() {}
