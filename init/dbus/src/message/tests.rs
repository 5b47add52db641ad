//! Round trips, foreign byte order, and bytes that must be refused.

use super::*;
use proptest::prelude::*;

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u8>().prop_map(Value::Byte),
        any::<bool>().prop_map(Value::Bool),
        any::<i16>().prop_map(Value::Int16),
        any::<u16>().prop_map(Value::Uint16),
        any::<i32>().prop_map(Value::Int32),
        any::<u32>().prop_map(Value::Uint32),
        any::<i64>().prop_map(Value::Int64),
        any::<u64>().prop_map(Value::Uint64),
        (-1e9f64..1e9).prop_map(Value::Double),
        "[^\\x00]{0,12}".prop_map(Value::Str),
        "(/[a-z0-9_]{1,5}){1,3}".prop_map(Value::Path),
        Just(Value::Signature(Signature::trusted("a{sv}".into()))),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(Value::Bytes),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(Value::variant),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Value::Struct),
            (inner.clone(), 0usize..4).prop_map(|(v, n)| match v {
                Value::Byte(b) => Value::Bytes(vec![b; n]),
                v => Value::Array(Signature::trusted(v.signature()), vec![v; n]),
            }),
            proptest::collection::vec(("[a-z]{0,5}", inner), 0..4).prop_map(Value::dict),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same_message(body in proptest::collection::vec(value(), 0..4), serial in 1u32..) {
        let mut message = Message::call("/a/b", "c.d", "E").to("f.g").with(body);
        message.serial = serial;
        prop_assume!(message.signature().len() <= 255);
        let bytes = message.encode().unwrap();
        prop_assert_eq!(frame_length(&bytes, &Limits::default()).unwrap(), Some(bytes.len()));
        prop_assert_eq!(Message::decode(&bytes, &Limits::default()).unwrap(), message);
    }

    #[test]
    fn random_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), little in any::<bool>()) {
        let _ = Message::decode(&bytes, &Limits::default());
        if let Some(head) = bytes.get_mut(..16) {
            head[0] = if little { b'l' } else { b'B' };
            head[1] = 1;
            head[3] = 1;
            head[4..8].copy_from_slice(&[0; 4]);
            head[12..16].copy_from_slice(&[0; 4]);
        }
        let _ = Message::decode(&bytes, &Limits::default());
    }

    #[test]
    fn a_flipped_byte_never_panics(body in proptest::collection::vec(value(), 0..4), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut message = Message::call("/a/b", "c.d", "E").with(body);
        message.serial = 7;
        prop_assume!(message.signature().len() <= 255);
        let mut bytes = message.encode().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let _ = Message::decode(&bytes, &Limits::default());
    }
}

#[test]
fn a_big_endian_message_is_understood() {
    let mut bytes = vec![b'B', 1, 0, 1, 0, 0, 0, 4, 0, 0, 0, 9];
    // Fields: path "/", member "M", signature "u".
    let fields = [
        1, 1, b'o', 0, 0, 0, 0, 1, b'/', 0, 0, 0, 0, 0, 0, 0, 3, 1, b's', 0, 0, 0, 0, 1, b'M', 0,
        0, 0, 0, 0, 0, 0, 8, 1, b'g', 0, 1, b'u', 0, 0,
    ];
    bytes.extend_from_slice(&[0, 0, 0, 39]);
    bytes.extend_from_slice(&fields);
    bytes.extend_from_slice(&[0, 0, 1, 2]);
    let message = Message::decode(&bytes, &Limits::default()).unwrap();
    assert_eq!((message.serial, message.member.as_deref()), (9, Some("M")));
    assert_eq!(message.body, [Value::Uint32(258)]);
}

#[test]
fn a_message_over_the_limit_is_refused_by_its_header() {
    let mut head = vec![b'l', 1, 0, 1];
    head.extend_from_slice(&(2u32 << 20).to_le_bytes());
    head.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
    assert!(matches!(
        frame_length(&head, &Limits::default()),
        Err(DbusError::TooLarge { .. })
    ));
    head[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    head[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(
        frame_length(&head, &Limits::client()),
        Err(DbusError::TooLarge { .. })
    ));
}

#[test]
fn nesting_is_bounded() {
    let mut value = Value::Byte(1);
    for _ in 0..100 {
        value = Value::variant(value);
    }
    let mut message = Message::signal("/a", "b.c", "D").with(vec![value]);
    message.serial = 1;
    let bytes = message.encode().unwrap();
    assert!(matches!(
        Message::decode(&bytes, &Limits::default()),
        Err(DbusError::TooLarge { .. })
    ));
}

#[test]
fn an_array_of_other_types_is_not_sent() {
    let message =
        Message::signal("/a", "b.c", "D").with(vec![Value::array("s", vec![Value::Byte(1)])]);
    assert!(matches!(message.encode(), Err(DbusError::Mixed { .. })));
}
