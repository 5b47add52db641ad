//! image-builder: Debian packages and our programs to a bootable qcow2, in numbered cached stages.

fn main() {}
