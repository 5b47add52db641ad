//! An ISO 9660 image with Rock Ridge names: one volume descriptor, path tables, folders, files. Enough for Linux and
//! for what a cloud puts on a config drive; folders hold at most one sector of entries each.

use std::collections::BTreeMap;

const SECTOR: usize = 2048;
/// A fixed moment, 2016-06-20 08:00 UTC: images must not depend on when they are made.
const WHEN: [u8; 7] = [116, 6, 20, 8, 0, 0, 0];
const WHEN_TEXT: &[u8; 17] = b"2016062008000000\0";
const ROCK_RIDGE: &[u8] =
    b"THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE SYSTEM SEMANTICS";

/// A folder: its path, its number in the path table, where it lies.
struct Folder {
    path: String,
    parent: usize,
    sector: u32,
}

/// The image.
pub(super) fn image(label: &str, files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut folders = folders(files);
    let mut next = 20;
    for folder in &mut folders {
        folder.sector = next;
        next += 1;
    }
    let mut places = BTreeMap::new();
    for (path, bytes) in files {
        places.insert(path.as_str(), next);
        next += u32::try_from(bytes.len().div_ceil(SECTOR)).unwrap_or(0);
    }
    let mut image = vec![0; 16 * SECTOR];
    image.extend(descriptor(label, next, &folders));
    image.extend(terminator());
    for big in [false, true] {
        let mut table = path_table(&folders, big);
        table.resize(SECTOR, 0);
        image.extend(table);
    }
    for (number, folder) in folders.iter().enumerate() {
        image.extend(entries(number, folder, &folders, files, &places));
    }
    for (_, bytes) in files {
        image.extend(bytes);
        image.resize(image.len().next_multiple_of(SECTOR), 0);
    }
    image
}

/// All folders, parents first, in the order that a path table wants.
fn folders(files: &[(String, Vec<u8>)]) -> Vec<Folder> {
    let mut paths: Vec<String> = vec![String::new()];
    for (path, _) in files {
        for (at, _) in path.match_indices('/') {
            paths.push(path[..at].to_owned());
        }
    }
    paths.sort_by_key(|path| (depth(path), path.clone()));
    paths.dedup();
    let parent = |path: &str| {
        path.rsplit_once('/')
            .map_or("", |(parent, _)| parent)
            .to_owned()
    };
    let number = |path: &str| paths.iter().position(|known| known == path).unwrap_or(0);
    paths
        .iter()
        .map(|path| Folder {
            path: path.clone(),
            parent: number(&parent(path)),
            sector: 0,
        })
        .collect()
}

fn depth(path: &str) -> usize {
    if path.is_empty() {
        0
    } else {
        1 + path.matches('/').count()
    }
}

fn both32(value: u32) -> Vec<u8> {
    [value.to_le_bytes(), value.to_be_bytes()].concat()
}

fn both16(value: u16) -> Vec<u8> {
    [value.to_le_bytes(), value.to_be_bytes()].concat()
}

fn size(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn byte(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(u8::MAX)
}

fn padded(text: &str, length: usize) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(length, b' ');
    bytes
}

fn descriptor(label: &str, sectors: u32, folders: &[Folder]) -> Vec<u8> {
    let table = path_table(folders, false).len();
    let mut d = b"\x01CD001\x01\0".to_vec();
    d.extend(padded("LINUX", 32));
    d.extend(padded(label, 32));
    d.extend([0; 8]);
    d.extend(both32(sectors));
    d.extend([0; 32]);
    d.extend(both16(1));
    d.extend(both16(1));
    d.extend(both16(2048));
    d.extend(both32(size(table)));
    d.extend(18_u32.to_le_bytes());
    d.extend([0; 4]);
    d.extend(19_u32.to_be_bytes());
    d.extend([0; 4]);
    d.extend(record(&[0], folders[0].sector, 2048, true, &[]));
    d.extend(padded("", 128 * 4 + 37 * 3));
    for _ in 0..2 {
        d.extend(WHEN_TEXT);
    }
    d.extend(b"0000000000000000\0");
    d.extend(WHEN_TEXT);
    d.push(1);
    d.resize(SECTOR, 0);
    d
}

fn terminator() -> Vec<u8> {
    let mut t = b"\xffCD001\x01".to_vec();
    t.resize(SECTOR, 0);
    t
}

fn path_table(folders: &[Folder], big: bool) -> Vec<u8> {
    let mut table = Vec::new();
    for folder in folders {
        let name = if folder.path.is_empty() {
            vec![0]
        } else {
            iso_name(last(&folder.path), false)
        };
        let parent = u16::try_from(folder.parent + 1).unwrap_or(1);
        table.push(byte(name.len()));
        table.push(0);
        table.extend(if big {
            folder.sector.to_be_bytes()
        } else {
            folder.sector.to_le_bytes()
        });
        table.extend(if big {
            parent.to_be_bytes()
        } else {
            parent.to_le_bytes()
        });
        table.extend(&name);
        if name.len() % 2 == 1 {
            table.push(0);
        }
    }
    table
}

fn entries(
    number: usize,
    folder: &Folder,
    folders: &[Folder],
    files: &[(String, Vec<u8>)],
    places: &BTreeMap<&str, u32>,
) -> Vec<u8> {
    let mut own = Vec::new();
    if number == 0 {
        own.extend([b'S', b'P', 7, 1, 0xbe, 0xef, 0]);
    }
    own.extend(mode(true));
    if number == 0 {
        own.extend([
            b'E',
            b'R',
            byte(8 + 10 + ROCK_RIDGE.len()),
            1,
            10,
            byte(ROCK_RIDGE.len()),
            0,
            1,
        ]);
        own.extend(b"RRIP_1991A");
        own.extend(ROCK_RIDGE);
    }
    let mut bytes = record(&[0], folder.sector, 2048, true, &own);
    bytes.extend(record(
        &[1],
        folders[folder.parent].sector,
        2048,
        true,
        &mode(true),
    ));
    let mut below: Vec<(String, Vec<u8>)> = Vec::new();
    for child in folders
        .iter()
        .skip(1)
        .filter(|child| folders[child.parent].path == folder.path)
    {
        let name = last(&child.path);
        let system = [mode(true), rock_name(name)].concat();
        below.push((
            name.to_owned(),
            record(&iso_name(name, false), child.sector, 2048, true, &system),
        ));
    }
    for (path, content) in files
        .iter()
        .filter(|(path, _)| path.rsplit_once('/').map_or("", |p| p.0) == folder.path)
    {
        let name = last(path);
        let system = [mode(false), rock_name(name)].concat();
        let at = places.get(path.as_str()).copied().unwrap_or(0);
        below.push((
            name.to_owned(),
            record(
                &iso_name(name, true),
                at,
                size(content.len()),
                false,
                &system,
            ),
        ));
    }
    below.sort();
    for (_, record) in below {
        bytes.extend(record);
    }
    bytes.resize(SECTOR, 0);
    bytes
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn iso_name(name: &str, file: bool) -> Vec<u8> {
    let mut plain: Vec<u8> = name
        .to_uppercase()
        .bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b == b'.' {
                b
            } else {
                b'_'
            }
        })
        .take(30)
        .collect();
    if file {
        if !plain.contains(&b'.') {
            plain.push(b'.');
        }
        plain.extend(b";1");
    }
    plain
}

fn rock_name(name: &str) -> Vec<u8> {
    let mut entry = vec![b'N', b'M', byte(5 + name.len()), 1, 0];
    entry.extend(name.as_bytes());
    entry
}

fn mode(folder: bool) -> Vec<u8> {
    let mut entry = vec![b'P', b'X', 36, 1];
    entry.extend(both32(if folder { 0o040_555 } else { 0o100_444 }));
    entry.extend(both32(1));
    entry.extend(both32(0));
    entry.extend(both32(0));
    entry
}

fn record(name: &[u8], sector: u32, length: u32, folder: bool, system: &[u8]) -> Vec<u8> {
    let mut record = vec![0, 0];
    record.extend(both32(sector));
    record.extend(both32(length));
    record.extend(WHEN);
    record.extend([if folder { 2 } else { 0 }, 0, 0]);
    record.extend(both16(1));
    record.push(byte(name.len()));
    record.extend(name);
    if name.len().is_multiple_of(2) {
        record.push(0);
    }
    record.extend(system);
    if record.len() % 2 == 1 {
        record.push(0);
    }
    record[0] = byte(record.len());
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_volume_says_its_label_and_size_and_every_file_lies_where_its_entry_says() {
        let files = vec![
            (
                "openstack/latest/meta_data.json".to_owned(),
                vec![b'a'; 3000],
            ),
            (
                "openstack/latest/user_data".to_owned(),
                b"#cloud-config\n".to_vec(),
            ),
        ];
        let image = image("config-2", &files);
        assert_eq!(image.len() % SECTOR, 0);
        assert_eq!(&image[16 * SECTOR + 40..16 * SECTOR + 48], b"config-2");
        let sectors = u32::from_le_bytes(image[16 * SECTOR + 80..][..4].try_into().expect("four"));
        assert_eq!(
            usize::try_from(sectors).expect("small"),
            image.len() / SECTOR
        );
        let name = b"USER_DATA.;1";
        let at = image
            .windows(name.len())
            .position(|window| window == name)
            .expect("an entry");
        let start = u32::from_le_bytes(image[at - 31..][..4].try_into().expect("four"));
        let start = usize::try_from(start).expect("small") * SECTOR;
        assert_eq!(&image[start..start + 14], b"#cloud-config\n");
    }
}
