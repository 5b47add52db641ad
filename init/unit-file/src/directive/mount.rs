//! `[Mount]`, `[Automount]`, `[Swap]`: systemd.mount(5), systemd.automount(5), systemd.swap(5)

use super::table;
use crate::{
    config::{AutomountConfig, MountConfig, SwapConfig},
    value::{Input, Outcome, boolean, bounded, mode, path, text, timeout},
};

table! { MOUNT: MountConfig {
    "What" => [what] text,
    "Where" => [r#where] path,
    "Type" => [fs_type] text,
    "Options" => [options] options,
    "SloppyOptions" => [sloppy_options] boolean,
    "LazyUnmount" => [lazy_unmount] boolean,
    "ForceUnmount" => [force_unmount] boolean,
    "ReadWriteOnly" => [read_write_only] boolean,
    "DirectoryMode" => [directory_mode] mode,
    "TimeoutSec" => [timeout] timeout,
} accepted { "FsckPassNo", } }

table! { AUTOMOUNT: AutomountConfig {
    "Where" => [r#where] path,
    "ExtraOptions" => [extra_options] text,
    "DirectoryMode" => [directory_mode] mode,
    "TimeoutIdleSec" => [timeout_idle] timeout,
} accepted {} }

table! { SWAP: SwapConfig {
    "What" => [what] path,
    "Priority" => [priority] bounded::<-1, 32767>,
    "Options" => [options] options,
    "TimeoutSec" => [timeout] timeout,
} accepted {} }

/// `Options=` of several lines are joined by commas.
fn options(field: &mut String, input: &mut Input<'_>) -> Outcome {
    let more = input.expand(input.text)?;
    if more.is_empty() {
        field.clear();
    } else {
        if !field.is_empty() {
            field.push(',');
        }
        field.push_str(&more);
    }
    Ok(())
}
