//! What a block device holds, by its first 68 KiB: file system, label, UUID (pure).

/// What was recognised.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Name for mount(2).
    pub fs_type: &'static str,
    /// Label, if one is set.
    pub label: Option<String>,
    /// UUID in the form that the file system uses.
    pub uuid: Option<String>,
    /// ext: the superblock says that errors were seen.
    pub errors: bool,
}

/// Bytes from the start of the device that [`recognise`] wants to see.
pub(crate) const WANTED: usize = 0x1_1000;

fn bytes(image: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    image.get(at..at.checked_add(length)?)
}

fn u16_at(image: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes(image, at, 2)?.try_into().ok()?))
}

fn text(image: &[u8], at: usize, length: usize) -> Option<String> {
    let raw = bytes(image, at, length)?;
    let end = raw.iter().position(|b| *b == 0).unwrap_or(raw.len());
    let text = String::from_utf8_lossy(raw.get(..end)?)
        .trim_end()
        .to_owned();
    (!text.is_empty()).then_some(text)
}

fn uuid(image: &[u8], at: usize) -> Option<String> {
    let raw = bytes(image, at, 16)?;
    if raw.iter().all(|b| *b == 0) {
        return None;
    }
    let hex: Vec<String> = raw.iter().map(|b| format!("{b:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).map(|part| part.concat());
    Some(
        [
            part(0, 4)?,
            part(4, 6)?,
            part(6, 8)?,
            part(8, 10)?,
            part(10, 16)?,
        ]
        .join("-"),
    )
}

/// Looks at the start of a device.
pub(crate) fn recognise(image: &[u8]) -> Option<Found> {
    ext(image)
        .or_else(|| erofs(image))
        .or_else(|| xfs(image))
        .or_else(|| iso9660(image))
        .or_else(|| swap(image))
        .or_else(|| squashfs(image))
        .or_else(|| btrfs(image))
        .or_else(|| vfat(image))
}

fn ext(image: &[u8]) -> Option<Found> {
    if u16_at(image, 1024 + 0x38)? != 0xEF53 {
        return None;
    }
    let state = u16_at(image, 1024 + 0x3A)?;
    let incompat = u16_at(image, 1024 + 0x60)?;
    // Extents (0x40) mean ext4; what else there is mounts as ext4 too.
    let _ = incompat;
    Some(Found {
        fs_type: "ext4",
        label: text(image, 1024 + 0x78, 16),
        uuid: uuid(image, 1024 + 0x68),
        errors: state & 2 != 0,
    })
}

fn erofs(image: &[u8]) -> Option<Found> {
    if bytes(image, 1024, 4)? != 0xE0F5_E1E2_u32.to_le_bytes() {
        return None;
    }
    Some(Found {
        fs_type: "erofs",
        label: text(image, 1024 + 64, 16),
        uuid: uuid(image, 1024 + 48),
        errors: false,
    })
}

fn xfs(image: &[u8]) -> Option<Found> {
    if bytes(image, 0, 4)? != b"XFSB" {
        return None;
    }
    Some(Found {
        fs_type: "xfs",
        label: text(image, 108, 12),
        uuid: uuid(image, 32),
        errors: false,
    })
}

fn btrfs(image: &[u8]) -> Option<Found> {
    if bytes(image, 0x1_0040, 8)? != b"_BHRfS_M" {
        return None;
    }
    Some(Found {
        fs_type: "btrfs",
        label: text(image, 0x1_0000 + 299, 256),
        uuid: uuid(image, 0x1_0000 + 32),
        errors: false,
    })
}

fn squashfs(image: &[u8]) -> Option<Found> {
    if bytes(image, 0, 4)? != b"hsqs" {
        return None;
    }
    Some(Found {
        fs_type: "squashfs",
        ..Found::default()
    })
}

fn swap(image: &[u8]) -> Option<Found> {
    if bytes(image, 4096 - 10, 10)? != b"SWAPSPACE2" {
        return None;
    }
    Some(Found {
        fs_type: "swap",
        label: text(image, 1052, 16),
        uuid: uuid(image, 1036),
        errors: false,
    })
}

fn iso9660(image: &[u8]) -> Option<Found> {
    let volume = 0x8000;
    if bytes(image, volume + 1, 5)? != b"CD001" {
        return None;
    }
    let made = bytes(image, volume + 813, 16).map(|raw| String::from_utf8_lossy(raw).into_owned());
    let uuid = made
        .filter(|m| m.chars().all(|c| c.is_ascii_digit()))
        .and_then(|m| {
            let part = |from: usize, to: usize| m.get(from..to).map(str::to_owned);
            Some(
                [
                    part(0, 4)?,
                    part(4, 6)?,
                    part(6, 8)?,
                    part(8, 10)?,
                    part(10, 12)?,
                    part(12, 14)?,
                    part(14, 16)?,
                ]
                .join("-"),
            )
        });
    Some(Found {
        fs_type: "iso9660",
        label: text(image, volume + 40, 32),
        uuid,
        errors: false,
    })
}

fn vfat(image: &[u8]) -> Option<Found> {
    if bytes(image, 510, 2)? != [0x55, 0xAA] {
        return None;
    }
    let (id, label) = if bytes(image, 82, 5)? == b"FAT32" {
        (67, 71)
    } else if bytes(image, 54, 3)? == b"FAT" {
        (39, 43)
    } else {
        return None;
    };
    let id = bytes(image, id, 4)?;
    let number = u32::from_le_bytes(id.try_into().ok()?);
    let label = text(image, label, 11).filter(|label| label != "NO NAME");
    Some(Found {
        fs_type: "vfat",
        label,
        uuid: Some(format!("{:04X}-{:04X}", number >> 16, number & 0xffff)),
        errors: false,
    })
}

#[cfg(test)]
mod tests {
    use super::{WANTED, recognise};

    fn image(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut image = vec![0u8; WANTED];
        for (at, bytes) in parts {
            image[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        image
    }

    #[test]
    fn ext4_gives_label_uuid_and_the_error_flag() {
        let uuid: Vec<u8> = (1..=16).collect();
        let found = recognise(&image(&[
            (1080, &[0x53, 0xEF, 2, 0]),
            (1024 + 0x68, &uuid),
            (1024 + 0x78, b"ROOT"),
        ]))
        .unwrap();
        assert_eq!(
            (found.fs_type, found.label.as_deref(), found.errors),
            ("ext4", Some("ROOT"), true)
        );
        assert_eq!(
            found.uuid.as_deref(),
            Some("01020304-0506-0708-090a-0b0c0d0e0f10")
        );
    }

    #[test]
    fn a_config_drive_is_iso9660_with_its_label() {
        let found = recognise(&image(&[
            (0x8001, b"CD001"),
            (0x8028, b"config-2            "),
        ]))
        .unwrap();
        assert_eq!(
            (found.fs_type, found.label.as_deref()),
            ("iso9660", Some("config-2"))
        );
    }

    #[test]
    fn nothing_is_recognised_in_an_empty_or_short_device() {
        assert_eq!(recognise(&image(&[])), None);
        assert_eq!(recognise(&[0x55; 100]), None);
    }
}
