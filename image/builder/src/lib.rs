//! image-builder: Debian packages and our programs to a bootable qcow2, in numbered cached stages.
//!
//! It takes files from packages and never runs a package's script, needs no rights and, once the
//! cache is warm, no network. What goes into the image is data (`image/manifest.toml`,
//! `image/packages.lock`, `image/rootfs/`, `image/units/`); this crate only carries it out, and must
//! put nothing of the machine it runs on (users, clock, folder names) into the result.
//!
//! The main type is [`tree::Tree`]: every entry of the image's root by its path, in memory. The
//! stages of [`stages::build`] fill it, cut it into `/usr` and the rest, and turn both into a disk.
//!
//! ```
//! use image_builder::tree::{Node, Tree};
//! let mut root = Tree::default();
//! root.put("usr/bin/hello", Node::file(b"#!/bin/sh\necho hello\n".to_vec(), 0o755));
//! assert_eq!(root.get("usr").map(|node| node.mode), Some(0o755), "folders above are made");
//! ```

pub mod apt;
pub mod cache;
pub mod deb;
pub mod disk;
pub mod elf;
pub mod esp;
pub mod fetch;
pub mod filesystems;
pub mod fixups;
pub mod initrd;
pub mod kernel;
pub mod lock;
pub mod manifest;
pub mod merge;
pub mod overlay;
pub mod pattern;
pub mod programs;
pub mod qcow2;
pub mod stages;
pub mod status;
pub mod tar;
pub mod tools;
pub mod tree;
pub mod units;
pub mod unpack;
