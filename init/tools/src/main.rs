//! One multi-call program: systemctl, journalctl, hostnamectl and the small tools.

fn main() {}
