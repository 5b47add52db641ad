//! PID 1, and by argv[0] the exec helper, the shutdown program and the initramfs's /init.

fn main() {}
