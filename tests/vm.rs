//! The image under test, and nodes of it as the tests want them. Knows paths and user-data, and no program's insides.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use qemu_harness::accel::{self, Accel, Cache};
use qemu_harness::disk::boot_files;
use qemu_harness::user_data::{self, Discovery};
use qemu_harness::{ClusterSpec, HarnessError, Lab, Machine, MachineBuilder, RunDir};

/// The tutorial's cloud-config, as its author wrote it.
pub const TUTORIAL: &str = include_str!("testdata/tutorial.yaml");

/// The image under test: `GARBOARD_IMAGE`, or where `make image` puts it.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn image() -> PathBuf {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/image/garboard.qcow2");
    let image = std::env::var_os("GARBOARD_IMAGE").map_or(usual, PathBuf::from);
    assert!(
        image.exists(),
        "no image at {}: make it with `make image`, or name one in GARBOARD_IMAGE",
        image.display()
    );
    image
}

/// The accelerator for this run: the probe's choice, made once.
#[must_use]
pub fn accel() -> Accel {
    static CHOICE: OnceLock<Accel> = OnceLock::new();
    *CHOICE.get_or_init(|| {
        accel::choose(&Cache::of_the_user(), || {
            boot_files(&image()).map(|files| files.kernel)
        })
        .accel
    })
}

/// A machine of the image, not started yet.
#[must_use]
pub fn node(lab: &Lab, name: &str) -> MachineBuilder {
    lab.machine(name).image(&image()).accel(accel())
}

/// Our etcd2 as a program of this host: `GARBOARD_ETCD2`, or what cargo built beside the test.
#[must_use]
pub fn etcd2() -> Option<PathBuf> {
    if let Some(program) = std::env::var_os("GARBOARD_ETCD2") {
        return Some(PathBuf::from(program));
    }
    let own = std::env::current_exe().ok()?;
    let built = own.ancestors().nth(3)?;
    ["release/etcd2", "debug/etcd2"]
        .iter()
        .map(|name| built.join(name))
        .find(|program| program.exists())
}

/// A discovery service on this host for a cluster of one, and the tutorial's user-data that names it.
///
/// # Errors
/// When etcd2 does not start.
///
/// # Panics
/// When etcd2 was not built.
pub fn tutorial(folder: &RunDir, key: &str) -> Result<(Discovery, Vec<u8>), HarnessError> {
    let program =
        etcd2().expect("etcd2 for this host: cargo build -p etcd2, or name it in GARBOARD_ETCD2");
    let discovery = Discovery::start(&program, folder, 1)?;
    let user_data = user_data::fill(TUTORIAL.as_bytes(), key, Some(&discovery.url()));
    Ok((discovery, user_data))
}

/// The tutorial's first machine, started from the tutorial's user-data.
///
/// # Errors
/// When it cannot be started.
pub fn tutorial_node(lab: &Lab) -> Result<(Discovery, Machine), HarnessError> {
    let (discovery, user_data) = tutorial(lab.folder(), lab.public_key())?;
    let machine = node(lab, "node1")
        .hostname("coreos")
        .uuid("0682a8f2-5a5b-4c1d-9d3e-8a4b5c6d7e8f")
        .forward(user_data::DISCOVERY_PORT, discovery.address())
        .user_data(user_data)
        .start(lab)?;
    Ok((discovery, machine))
}

/// The tutorial's three machines, as its user-data makes them.
///
/// # Panics
/// When etcd2 was not built for this host.
#[must_use]
pub fn stage() -> ClusterSpec {
    let program = etcd2();
    assert!(
        program.is_some(),
        "etcd2 for this host: cargo build -p etcd2, or name it in GARBOARD_ETCD2"
    );
    ClusterSpec {
        user_data: Some(TUTORIAL.as_bytes().to_vec()),
        etcd2: program,
        memory: 512,
        accel: accel(),
        ..ClusterSpec::stage(image())
    }
}
