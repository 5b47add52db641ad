//! Randomness kept from one boot to the next.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

const FILE: &str = "/var/lib/systemd/random-seed";
const BYTES: usize = 512;

/// Gives the stored seed to the kernel, and replaces it at once: no seed is ever used twice.
pub(crate) fn load() {
    if let Ok(seed) = fs::read(FILE) {
        let credited = File::open("/dev/urandom").and_then(|pool| {
            let part = seed.get(..BYTES.min(seed.len())).unwrap_or_default();
            init_sys::random::add_entropy(pool.as_fd(), part)
        });
        super::note("cannot use the stored random seed", credited);
    }
    super::note("cannot store a random seed", save());
}

/// Stores a fresh seed.
pub(crate) fn save() -> io::Result<()> {
    let mut seed = vec![0u8; BYTES];
    let got = rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::NONBLOCK)?;
    seed.truncate(got);
    fs::create_dir_all("/var/lib/systemd")?;
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(FILE)?;
    file.write_all(&seed)?;
    file.sync_all()
}
