//! The NBD protocol's bytes, as far as QEMU speaks them: the fixed newstyle handshake and simple replies.
//! (<https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md>)

use std::io::{self, Read, Write};

const IHAVEOPT: u64 = 0x4948_4156_454f_5054;
const OPTION_REPLY: u64 = 0x0003_e889_0455_65a9;
const REQUEST: u32 = 0x2560_9513;
const REPLY: u32 = 0x6744_6698;
/// Flags of an export: there are flags, flush, FUA, trim, write zeroes.
const FLAGS: u16 = 1 | 4 | 8 | 32 | 64;
const LONGEST: u32 = 32 << 20;

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) kind: Kind,
    pub(super) handle: [u8; 8],
    pub(super) at: u64,
    pub(super) length: u32,
    /// Is the answer a promise that it is safe?
    pub(super) through: bool,
    pub(super) data: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
    Disconnect,
    Flush,
    Trim,
    Zero,
    Unknown,
}

/// Agrees with a client on the one export; `false` when it went away in order.
pub(super) fn shake_hands(stream: &mut (impl Read + Write), size: u64) -> io::Result<bool> {
    stream.write_all(b"NBDMAGICIHAVEOPT\0\x03")?;
    let mut client = [0; 4];
    stream.read_exact(&mut client)?;
    let no_zeroes = client[3] & 2 != 0;
    loop {
        let mut head = [0; 16];
        stream.read_exact(&mut head)?;
        if u64::from_be_bytes(part(&head, 0)) != IHAVEOPT {
            return Err(wrong("no option"));
        }
        let option = u32::from_be_bytes(part(&head, 8));
        let length = u32::from_be_bytes(part(&head, 12));
        if length > 4096 {
            return Err(wrong("an option that is too long"));
        }
        let mut data = vec![0; usize::try_from(length).unwrap_or(0)];
        stream.read_exact(&mut data)?;
        let mut export = size.to_be_bytes().to_vec();
        export.extend(FLAGS.to_be_bytes());
        match option {
            1 => {
                export.resize(if no_zeroes { 10 } else { 134 }, 0);
                stream.write_all(&export)?;
                return Ok(true);
            }
            2 => {
                reply(stream, option, 1, &[])?;
                return Ok(false);
            }
            6 | 7 => {
                reply(stream, option, 3, &[&[0, 0], &export[..]].concat())?;
                let blocks = [512_u32, 4096, LONGEST].map(u32::to_be_bytes).concat();
                reply(stream, option, 3, &[&[0, 3], &blocks[..]].concat())?;
                reply(stream, option, 1, &[])?;
                if option == 7 {
                    return Ok(true);
                }
            }
            // Structured replies, contexts, TLS: not here, and the client goes on without them.
            _ => reply(stream, option, 0x8000_0001, &[])?,
        }
    }
}

fn reply(stream: &mut impl Write, option: u32, kind: u32, data: &[u8]) -> io::Result<()> {
    let mut bytes = OPTION_REPLY.to_be_bytes().to_vec();
    bytes.extend(option.to_be_bytes());
    bytes.extend(kind.to_be_bytes());
    bytes.extend(u32::try_from(data.len()).unwrap_or(0).to_be_bytes());
    bytes.extend(data);
    stream.write_all(&bytes)
}

/// Reads the next request.
pub(super) fn read(stream: &mut impl Read) -> io::Result<Request> {
    let mut head = [0; 28];
    stream.read_exact(&mut head)?;
    if u32::from_be_bytes(part(&head, 0)) != REQUEST {
        return Err(wrong("no request"));
    }
    let kind = match u16::from_be_bytes(part(&head, 6)) {
        0 => Kind::Read,
        1 => Kind::Write,
        2 => Kind::Disconnect,
        3 => Kind::Flush,
        4 => Kind::Trim,
        6 => Kind::Zero,
        _ => Kind::Unknown,
    };
    let length = u32::from_be_bytes(part(&head, 24));
    if length > LONGEST && matches!(kind, Kind::Read | Kind::Write) {
        return Err(wrong("a request that is too long"));
    }
    let mut data = Vec::new();
    if kind == Kind::Write {
        data.resize(usize::try_from(length).unwrap_or(0), 0);
        stream.read_exact(&mut data)?;
    }
    Ok(Request {
        kind,
        handle: part(&head, 8),
        at: u64::from_be_bytes(part(&head, 16)),
        length,
        through: u16::from_be_bytes(part(&head, 4)) & 1 != 0,
        data,
    })
}

/// Answers a request: with data, or with an error number of Linux.
pub(super) fn answer(
    stream: &mut impl Write,
    handle: [u8; 8],
    result: Result<&[u8], u32>,
) -> io::Result<()> {
    let mut bytes = REPLY.to_be_bytes().to_vec();
    bytes.extend(result.err().unwrap_or(0).to_be_bytes());
    bytes.extend(handle);
    bytes.extend(result.unwrap_or_default());
    stream.write_all(&bytes)
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut part = [0; N];
    if let Some(found) = bytes.get(at..at + N) {
        part.copy_from_slice(found);
    }
    part
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the NBD client sends {what}"),
    )
}
