//! Where a Debian host has the UEFI firmware: the same pair of 4 MiB files on 12 and 13, an older pair on 12 only.

use std::path::{Path, PathBuf};

use crate::error::HarnessError;

/// Code and an empty variable store that belong together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) code: PathBuf,
    pub(super) vars: PathBuf,
}

const PAIRS: [(&str, &str); 3] = [
    (
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/OVMF/OVMF_VARS_4M.fd",
    ),
    (
        "/usr/share/OVMF/OVMF_CODE.fd",
        "/usr/share/OVMF/OVMF_VARS.fd",
    ),
    (
        "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "/usr/share/edk2/x64/OVMF_VARS.4m.fd",
    ),
];

/// The first pair that is there.
pub(super) fn find(root: &Path) -> Result<Pair, HarnessError> {
    PAIRS
        .iter()
        .map(|(code, vars)| Pair {
            code: root.join(code.trim_start_matches('/')),
            vars: root.join(vars.trim_start_matches('/')),
        })
        .find(|pair| pair.code.exists() && pair.vars.exists())
        .ok_or_else(|| HarnessError::Missing {
            program: "UEFI firmware for QEMU (OVMF)".into(),
            package: "ovmf",
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(root.path().join("usr/share/OVMF")).expect("made");
        for file in files {
            std::fs::write(root.path().join("usr/share/OVMF").join(file), "").expect("written");
        }
        root
    }

    #[test]
    fn the_files_of_both_debian_releases_are_found_and_never_mixed() {
        let twelve = host(&[
            "OVMF_CODE.fd",
            "OVMF_VARS.fd",
            "OVMF_CODE_4M.fd",
            "OVMF_VARS_4M.fd",
        ]);
        assert!(
            find(twelve.path())
                .expect("found")
                .vars
                .ends_with("OVMF_VARS_4M.fd")
        );
        let thirteen = host(&["OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"]);
        assert!(
            find(thirteen.path())
                .expect("found")
                .code
                .ends_with("OVMF_CODE_4M.fd")
        );
        let mixed = host(&["OVMF_CODE_4M.fd", "OVMF_VARS.fd"]);
        find(mixed.path()).unwrap_err();
    }

    #[test]
    fn missing_firmware_is_told_with_the_name_of_its_package() {
        let error = find(host(&[]).path()).expect_err("nothing there");
        assert_eq!(
            error.to_string(),
            "UEFI firmware for QEMU (OVMF) is not installed: apt install ovmf"
        );
    }
}
