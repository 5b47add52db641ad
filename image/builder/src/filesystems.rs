//! The two file systems, made from archives by the locked tools: erofs for `/usr`, ext4 for the root.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::manifest::Disk;
use crate::tools::{Tools, run};

const MIB: u64 = 1024 * 1024;

/// `/usr`: lz4hc in 16 KiB clusters; larger clusters or zstd are smaller, but slow down the start of
/// programs (docs/decisions/0010-partition-layout.md).
///
/// # Errors
/// When the tool fails or the result does not fit its slot.
pub fn usr(tools: &Tools, epoch: u64, disk: &Disk, archive: &Path, out: &Path) -> Result<()> {
    let mut make = tools.command("mkfs.erofs", epoch)?;
    make.arg(format!("-T{epoch}"))
        .arg("--all-time")
        .arg(format!("-U{}", disk.usr_uuid))
        .args([
            "-x-1",
            "--quiet",
            "-zlz4hc,level=12",
            "-C16384",
            "-Eztailpacking",
            "--tar=f",
        ])
        .args([out, archive]);
    run(&mut make)?;
    let size = fs::metadata(out)?.len();
    anyhow::ensure!(
        size <= disk.usr_mib * MIB,
        "/usr has {size} bytes; its slot has {} MiB",
        disk.usr_mib
    );
    Ok(())
}

/// The root: features and inode ratio of a disk that grows, not those that mke2fs picks for 96 MiB.
///
/// # Errors
/// When the tool fails, for one because the content does not fit.
pub fn root(tools: &Tools, epoch: u64, disk: &Disk, archive: &Path, out: &Path) -> Result<()> {
    fs::File::create(out)?.set_len(disk.root_mib * MIB)?;
    let mut make = tools.command("mke2fs", epoch)?;
    make.args(["-q", "-t", "ext4", "-b", "4096", "-I", "256", "-i", "16384", "-L", "ROOT", "-J", "size=32", "-m", "1"])
        .args(["-U", &disk.root_uuid])
        .args([
            "-O",
            "has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,\
             huge_file,dir_nlink,extra_isize,metadata_csum,orphan_file,metadata_csum_seed",
        ])
        .arg("-E")
        .arg(format!(
            "root_owner=0:0,hash_seed={},lazy_itable_init=0,lazy_journal_init=0,nodiscard,resize=4294967295",
            disk.root_hash_seed
        ))
        .arg("-d")
        .args([archive, out]);
    run(&mut make).context("cannot make the root file system")?;
    Ok(())
}
