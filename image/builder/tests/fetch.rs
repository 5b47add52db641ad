//! I08: a damaged package and one that is gone both stop the build and say which.

#![cfg(test)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use image_builder::cache::hex;
use image_builder::lock::{Package, print};
use sha2::{Digest as _, Sha256};

const BYTES: &[u8] = b"a package, as far as fetching cares";

fn work_tree(folder: &Path) -> Package {
    let package = Package {
        name: "hello".into(),
        version: "1:2-3".into(),
        arch: "amd64".into(),
        size: BYTES.len() as u64,
        sha256: hex(&Sha256::digest(BYTES)),
        groups: vec!["base".into()],
        path: "pool/main/h/hello/hello.deb".into(),
    };
    fs::create_dir_all(folder.join("image")).unwrap();
    fs::write(folder.join("image/manifest.toml"), "").unwrap();
    fs::write(
        folder.join("image/packages.lock"),
        print(std::slice::from_ref(&package)),
    )
    .unwrap();
    package
}

fn fetch(folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_image-builder"))
        .args(["fetch", "--source"])
        .arg(folder)
        .arg("--cache")
        .arg(folder.join("cache"))
        .env(
            "GARBOARD_MIRROR",
            format!("file:{}", folder.join("mirror").display()),
        )
        .output()
        .unwrap()
}

fn said(answer: &Output) -> String {
    String::from_utf8_lossy(&answer.stderr).into_owned()
}

#[test]
fn i08_one_flipped_byte_in_the_cache_stops_the_build_and_names_the_package() {
    let folder = tempfile::tempdir().unwrap();
    let package = work_tree(folder.path());
    fs::create_dir_all(folder.path().join("cache/packages")).unwrap();
    let cached = folder.path().join("cache/packages").join(&package.sha256);
    fs::write(&cached, BYTES).unwrap();
    assert!(fetch(folder.path()).status.success());
    let mut flipped = BYTES.to_vec();
    flipped[3] ^= 1;
    fs::write(&cached, flipped).unwrap();
    let answer = fetch(folder.path());
    assert!(!answer.status.success());
    assert!(
        said(&answer).contains("hello 1:2-3 is damaged"),
        "{}",
        said(&answer)
    );
}

#[test]
fn i08_a_package_that_is_gone_stops_the_build_with_the_advice_to_lock_again() {
    let folder = tempfile::tempdir().unwrap();
    work_tree(folder.path());
    let answer = fetch(folder.path());
    assert!(!answer.status.success());
    let said = said(&answer);
    assert!(
        said.contains("hello 1:2-3 is gone from the mirror; run `image-builder lock`"),
        "{said}"
    );
}

#[test]
fn a_package_with_other_bytes_than_the_locked_ones_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let package = work_tree(folder.path());
    let there = folder.path().join("mirror").join(&package.path);
    fs::create_dir_all(there.parent().unwrap()).unwrap();
    fs::write(&there, b"something newer").unwrap();
    let answer = fetch(folder.path());
    assert!(!answer.status.success());
    assert!(
        said(&answer).contains("hello 1:2-3 is not fetched"),
        "{}",
        said(&answer)
    );
    fs::write(&there, BYTES).unwrap();
    let answer = fetch(folder.path());
    assert!(answer.status.success(), "{}", said(&answer));
    assert_eq!(
        fs::read(folder.path().join("cache/packages").join(&package.sha256)).unwrap(),
        BYTES
    );
}
