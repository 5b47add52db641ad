//! Folders of the work tree as trees, and trees as folders. Of a file's mode git keeps only whether it
//! may be executed, so only that is read: the mask of whoever cloned must not reach the image.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::manifest::Attributes;
use crate::tree::{Kind, Node, Tree};

/// Reads a folder: modes 0755 and 0644, all of root's.
///
/// # Errors
/// When something in it cannot be read.
pub fn read(folder: &Path) -> Result<Tree> {
    let mut tree = Tree::default();
    walk(folder, "", &mut tree).with_context(|| format!("cannot read {}", folder.display()))?;
    Ok(tree)
}

fn walk(folder: &Path, prefix: &str, tree: &mut Tree) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|name| anyhow::anyhow!("{name:?} is no UTF-8"))?;
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if kind.is_dir() {
            tree.put(&path, Node::folder(0o755));
            walk(&entry.path(), &format!("{path}/"), tree)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path())?;
            tree.put(
                &path,
                Node::link(target.to_str().context("link target is no UTF-8")?),
            );
        } else {
            let mode = if entry.metadata()?.permissions().mode() & 0o100 == 0 {
                0o644
            } else {
                0o755
            };
            tree.put(&path, Node::file(fs::read(entry.path())?, mode));
        }
    }
    Ok(())
}

/// Lays one tree over another; its folders keep the mode that is already there.
pub fn lay(over: &Tree, onto: &mut Tree, prefix: &str) {
    for (path, node) in over.iter() {
        let path = format!("{prefix}{path}");
        let kept = matches!(node.kind, Kind::Folder)
            && onto
                .get(&path)
                .is_some_and(|there| matches!(there.kind, Kind::Folder));
        if !kept {
            onto.put(&path, node.clone());
        }
    }
}

/// Sets modes and owners that the manifest states.
///
/// # Errors
/// When a path is not there or a mode is no octal number.
pub fn set_attributes(tree: &mut Tree, attributes: &BTreeMap<String, Attributes>) -> Result<()> {
    for (path, wanted) in attributes {
        let Some(node) = tree.get_mut(path) else {
            bail!("manifest [attributes]: the image has no {path}");
        };
        if let Some(mode) = &wanted.mode {
            node.mode = u32::from_str_radix(mode, 8).with_context(|| {
                format!("manifest [attributes]: mode of {path} wants octal digits, got {mode:?}")
            })?;
        }
        (node.uid, node.gid) = (wanted.uid, wanted.gid);
    }
    Ok(())
}

/// Writes a tree into a folder, without owners: for tools that run here, not for the image.
///
/// # Errors
/// When the disk refuses.
pub fn write(tree: &Tree, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (path, node) in tree.iter() {
        let to = folder.join(path);
        match &node.kind {
            Kind::Folder => fs::create_dir_all(&to),
            Kind::File(_) | Kind::Hard(_) => {
                let bytes = tree
                    .bytes(path)
                    .with_context(|| format!("{path} has no content"))?;
                fs::write(&to, bytes).and_then(|()| {
                    fs::set_permissions(&to, fs::Permissions::from_mode(node.mode | 0o600))
                })
            }
            Kind::Link(target) => symlink(target, &to),
        }
        .with_context(|| format!("cannot write {}", to.display()))?;
    }
    Ok(())
}
