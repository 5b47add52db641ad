//! Debian 13 with systemd 257.13, cloud-init 25.1.4, OpenSSH 10.0 and etcd 3.5.16 in the same harness's predecessor:
//! QEMU 7.2, emulation, first boot with a config drive and a **direct** kernel (the loader costs it 7 CPU s more),
//! measured in November 2026. Virtual seconds hold on any host; CPU seconds are of a calm two-core machine.

/// Virtual seconds: PID 1, sshd's banner, etcd.
pub(crate) const VIRTUAL: [(&str, f64); 3] = [("PID 1", 5.61), ("ssh", 23.7), ("etcd2", 24.2)];
/// Virtual seconds to the answer of `docker version`: the better of two figures, 27.4 and 29.4.
pub(crate) const DOCKER: [(&str, f64); 1] = [("docker version", 27.4)];
/// CPU seconds with one processor and no icount.
pub(crate) const CPU: [(&str, f64); 3] = [("PID 1", 15.9), ("ssh", 135.0), ("etcd2", 139.0)];
/// The peer's compressed image, with Docker, etcd and cloud-init.
pub(crate) const QCOW2_MIB: f64 = 268.2;
/// Resident memory of PID 1, KiB.
pub(crate) const PID1_KIB: f64 = 14_144.0;
/// Proportional memory of systemd's own processes, KiB.
pub(crate) const SYSTEM_KIB: f64 = 27_856.0;
/// Used memory of the guest, MiB, with Docker idle.
pub(crate) const USED_MIB: f64 = 298.0;

/// One figure beside the peer's.
pub(crate) fn row(what: &str, ours: f64, theirs: f64, note: &str) {
    let ratio = if theirs > 0.0 { ours / theirs } else { 0.0 };
    println!("  {what:<34} {ours:>9.2}   Debian {theirs:>9.2}   ratio {ratio:>5.2}   {note}");
}
