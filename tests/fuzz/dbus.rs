//! D-Bus: any bytes decode or are refused, and what was decoded is stable through encoding.
#![no_main]

use dbus::sasl::{Client, Server};
use dbus::{Limits, Message, Signature, Value, frame_length};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    match kind % 4 {
        0 => frame(rest),
        1 => lines(rest),
        2 => {
            if let Ok(signature) = Signature::parse(&String::from_utf8_lossy(rest)) {
                let joined: String = signature.types().collect();
                assert_eq!(joined, signature.as_str());
            }
        }
        _ => body(*kind, rest),
    }
});

fn frame(bytes: &[u8]) {
    let limits = Limits::default();
    let length = frame_length(bytes, &limits);
    let Ok(message) = Message::decode(bytes, &limits) else {
        return;
    };
    assert_eq!(length, Ok(Some(bytes.len())));
    stable(&message, &limits);
}

fn stable(message: &Message, limits: &Limits) {
    let once = message.encode().expect("what was decoded can be sent");
    // Another order of bytes and fields that nobody knows may make a message longer, never by much.
    let wide = Limits {
        message: limits.message + 1024,
        ..*limits
    };
    assert_eq!(frame_length(&once, &wide), Ok(Some(once.len())));
    let back = Message::decode(&once, &wide).expect("what was sent can be decoded");
    // As text: a number that is none differs from itself.
    assert_eq!(format!("{back:?}"), format!("{message:?}"));
    assert_eq!(back.encode().as_ref(), Ok(&once));
    let _ = (message.error_text(), message.wants_reply());
    for value in &message.body {
        touch(value);
    }
}

fn touch(value: &Value) {
    let _ = (
        value.plain(),
        value.as_str(),
        value.as_u64(),
        value.as_i64(),
        value.as_bytes(),
    );
    let _ = (
        value.as_bool(),
        value.as_u32(),
        value.as_strings(),
        value.entries().count(),
    );
}

/// A call whose header is sound; its body's signature and bytes are the input.
fn body(kind: u8, rest: &[u8]) {
    let Some((length, rest)) = rest.split_first() else {
        return;
    };
    let Some((signature, body)) = rest.split_at_checked(usize::from(*length)) else {
        return;
    };
    let big = kind & 4 != 0;
    let number = |n: usize| {
        let n = u32::try_from(n).expect("a short input");
        if big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    };
    let mut fields = Vec::new();
    for (code, text) in [(1, "/a"), (3, "M")] {
        let kind = if code == 1 { b'o' } else { b's' };
        fields.extend([code, 1, kind, 0]);
        fields.extend(number(text.len()));
        fields.extend(text.bytes().chain([0]));
        fields.resize(fields.len().next_multiple_of(8), 0);
    }
    fields.extend([8, 1, b'g', 0, *length]);
    fields.extend(signature.iter().chain(&[0]));
    let mut bytes = vec![if big { b'B' } else { b'l' }, 1, 0, 1];
    bytes.extend(number(body.len()));
    bytes.extend(number(1));
    bytes.extend(number(fields.len()));
    bytes.append(&mut fields);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend(body);
    frame(&bytes);
}

/// Both sides of the authentication, fed in pieces.
fn lines(bytes: &[u8]) {
    let mut server = Server::new(1000, "0123456789abcdef0123456789abcdef");
    let mut client = Client::default();
    let (mut to_server, mut to_client, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for piece in bytes.chunks(7) {
        to_server.extend(piece);
        to_client.extend(piece);
        let served = server.feed(&mut to_server, &mut answers);
        let answered = client.feed(&mut to_client);
        if served.is_err() && answered.is_err() {
            return;
        }
    }
}
