//! The loader: GRUB for both firmwares, and the EFI system partition with kernel and initrd.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Result;

use crate::tools::{Tools, run};

const MIB: u64 = 1024 * 1024;
/// GRUB's environment block has exactly this size: it is rewritten in place.
const ENVIRONMENT_SIZE: usize = 1024;

/// Makes `core.img` (BIOS) and `BOOTX64.EFI` in a folder.
///
/// # Errors
/// When grub-mkimage fails.
pub fn grub(tools: &Tools, epoch: u64, early: &Path, out: &Path) -> Result<()> {
    const BOTH: [&str; 6] = [
        "part_gpt",
        "fat",
        "search_label",
        "configfile",
        "loadenv",
        "test",
    ];
    for (platform, file, own) in [
        ("i386-pc", "core.img", &["biosdisk", "linux16"][..]),
        ("x86_64-efi", "BOOTX64.EFI", &["linux"][..]),
    ] {
        let mut make = tools.command("grub-mkimage", epoch)?;
        make.arg("-d")
            .arg(tools.path("usr/lib/grub").join(platform));
        make.args(["-O", platform, "-p", "/grub", "-c"])
            .arg(early)
            .arg("-o")
            .arg(out.join(file));
        run(make.args(own).args(BOTH))?;
    }
    fs::copy(
        tools.path("usr/lib/grub/i386-pc/boot.img"),
        out.join("boot.img"),
    )?;
    Ok(())
}

/// GRUB's environment: which slot, and no try of another one.
#[must_use]
pub fn environment() -> Vec<u8> {
    let mut block = b"# GRUB Environment Block\nslot=A\nnext=\ntries=\nonce=\nkargs=\n".to_vec();
    block.resize(ENVIRONMENT_SIZE, b'#');
    block
}

/// Makes the partition: FAT16 with 8 KiB clusters, one clock, one order of files.
///
/// # Errors
/// When a tool fails.
pub fn esp(
    tools: &Tools,
    epoch: u64,
    mib: u64,
    files: &[(&str, Vec<u8>)],
    work: &Path,
    out: &Path,
) -> Result<()> {
    fs::File::create(out)?.set_len(mib * MIB)?;
    let mut format = tools.command("mkfs.fat", epoch)?;
    format.args([
        "-F",
        "16",
        "-s",
        "16",
        "-S",
        "512",
        "-n",
        "ESP",
        "-i",
        "6a7b0001",
        "--invariant",
    ]);
    run(format.arg(out))?;
    let mut made: Vec<&str> = Vec::new();
    let clock = SystemTime::UNIX_EPOCH + Duration::from_secs(epoch);
    for (path, bytes) in files {
        for (at, _) in path.match_indices('/') {
            if !made.contains(&&path[..at]) {
                run(tools
                    .command("mmd", epoch)?
                    .arg("-i")
                    .arg(out)
                    .arg(format!("::{}", &path[..at])))?;
                made.push(&path[..at]);
            }
        }
        let source = work.join(path.replace('/', "-"));
        fs::write(&source, bytes)?;
        fs::File::options()
            .append(true)
            .open(&source)?
            .set_modified(clock)?;
        run(tools
            .command("mcopy", epoch)?
            .args(["-m", "-i"])
            .arg(out)
            .arg(&source)
            .arg(format!("::{path}")))?;
        fs::remove_file(&source)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_block_has_the_size_that_grub_rewrites_in_place() {
        let block = environment();
        assert_eq!(block.len(), 1024);
        assert!(block.starts_with(b"# GRUB Environment Block\nslot=A\n"));
        assert!(block.ends_with(b"####"));
    }
}
