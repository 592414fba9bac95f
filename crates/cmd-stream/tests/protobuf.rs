//! What the Protobuf Format makes of messages that are not as our own encoder writes them: of another version of the
//! type, of another encoder, or of an attacker. (What it makes of the golden vectors: `wire_vectors/`.)

use std::collections::BTreeMap;
use std::fmt::Debug;

use cmd_stream::Protobuf;
use cmd_stream::format::protobuf::Length;
use cmd_stream::format::{Decode, Encode};
use cmd_stream::proto::{DecodeError, Decoded, Fault, varint};
use proptest::prelude::*;
use prost::Message;
use prost::bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType};
use testkit::unhex;

/// Fields of each kind that has a choice.
#[derive(Clone, PartialEq, Message)]
struct Fields {
    #[prost(int64, tag = "1")]
    number: i64,
    #[prost(string, tag = "2")]
    text: String,
    #[prost(int64, repeated, tag = "3")]
    packed: Vec<i64>,
    #[prost(int64, repeated, packed = "false", tag = "4")]
    unpacked: Vec<i64>,
    #[prost(message, optional, tag = "5")]
    message: Option<Pair>,
    #[prost(enumeration = "Color", tag = "6")]
    color: i32,
    #[prost(bool, tag = "7")]
    bool: bool,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Pair {
    #[prost(int64, tag = "1")]
    a: i64,
    #[prost(int64, tag = "2")]
    b: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, prost::Enumeration)]
#[repr(i32)]
enum Color {
    Red = 0,
    Blue = 1,
}

/// A message that holds itself, in each way that there is.
#[derive(Clone, PartialEq, Message)]
struct Tree {
    #[prost(message, optional, boxed, tag = "1")]
    message: Option<Box<Self>>,
    #[prost(message, repeated, tag = "2")]
    list: Vec<Self>,
    #[prost(btree_map = "int64, message", tag = "3")]
    map: BTreeMap<i64, Self>,
    #[prost(group, optional, boxed, tag = "4")]
    group: Option<Box<Self>>,
}

/// The levels below the outermost message that `prost` decodes.
const LEVELS: usize = 100;

fn frame(body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    varint::encode(body.len() as u64, &mut frame);
    frame.extend_from_slice(body);
    frame
}

/// Decodes a body with its length before it, and other bytes behind it.
fn decode<T>(body: &[u8]) -> Result<T, String>
where
    Protobuf: Decode<T, Progress = Length>,
{
    let mut bytes = frame(body);
    let end = bytes.len();
    bytes.extend([0xff; 20]);
    match Protobuf.decode(&bytes, &mut Length::default()) {
        Decoded::Value(value, taken) => {
            assert_eq!(taken, end);
            Ok(value)
        }
        Decoded::Invalid(DecodeError { fault: Fault::Body(error), at, .. }) => {
            assert_eq!(at, end, "certain when all of the body is there");
            Err(error.to_string())
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
}

fn encode<T: Debug>(value: &T) -> Vec<u8>
where
    Protobuf: Encode<T>,
{
    let mut out = b"before".to_vec();
    Protobuf.encode(value, &mut out).expect("any message can be written");
    out.split_off(6)
}

#[test]
fn other_encoders_and_other_versions_of_a_message_are_understood() {
    let fields = Fields::default();
    for (case, hex, expected) in [
        ("nothing", "", fields.clone()),
        (
            "any order",
            "3801 1201 61 0807",
            Fields { number: 7, text: "a".into(), bool: true, ..fields.clone() },
        ),
        ("the last number wins", "0801 0802", Fields { number: 2, ..fields.clone() }),
        ("the last text wins", "1202 6162 1201 63", Fields { text: "c".into(), ..fields.clone() }),
        (
            "messages are merged",
            "2a04 0801 1002 2a02 0803",
            Fields { message: Some(Pair { a: 3, b: 2 }), ..fields.clone() },
        ),
        ("packed, as declared", "1a03 01 8001", Fields { packed: vec![1, 128], ..fields.clone() }),
        ("unpacked instead", "1801 188001", Fields { packed: vec![1, 128], ..fields.clone() }),
        ("both ways", "1801 1a02 0203 1804", Fields { packed: vec![1, 2, 3, 4], ..fields.clone() }),
        ("unpacked, as declared", "2001 208001", Fields { unpacked: vec![1, 128], ..fields.clone() }),
        ("packed instead", "2203 01 8001", Fields { unpacked: vec![1, 128], ..fields.clone() }),
        ("packed, and empty", "1a00 2200", fields.clone()),
        ("an enum with a number that has no name", "3007", Fields { color: 7, ..fields.clone() }),
        ("any number but 0 is true", "388002", Fields { bool: true, ..fields.clone() }),
        ("an over-long key and number", "88 80 00 87 00", Fields { number: 7, ..fields.clone() }),
        ("unknown fields: a number", "f801 96 01 0807", Fields { number: 7, ..fields.clone() }),
        ("unknown fields: 8 bytes", "f901 0102030405060708 0807", Fields { number: 7, ..fields.clone() }),
        ("unknown fields: bytes", "fa01 03 010203 0807", Fields { number: 7, ..fields.clone() }),
        ("unknown fields: a group", "fb01 0805 fc01 0807", Fields { number: 7, ..fields.clone() }),
        ("unknown fields: 4 bytes", "fd01 01020304 0807", Fields { number: 7, ..fields.clone() }),
        ("the highest field number", "f8ffffff0f 01 0807", Fields { number: 7, ..fields }),
    ] {
        assert_eq!(decode(&unhex(&hex.replace(' ', ""))), Ok(expected), "{case}");
    }
}

#[test]
fn what_is_no_message_is_refused_with_the_field_it_is_about() {
    for (case, hex, said) in [
        ("text that is not UTF-8", "1201 ff", "Fields.text: "),
        ("text with a surrogate", "1203 eda080", "Fields.text: "),
        ("text past the end", "1202 61", "Fields.text: "),
        ("text of 2^63 - 1 bytes", "12ffffffffffffffff7f", "Fields.text: "),
        ("text of 2^64 - 1 bytes", "12ffffffffffffffffff01", "Fields.text: "),
        ("packed numbers past the end", "1aff7f 01", "Fields.packed: "),
        ("a message past its end", "2a02 0880", "Fields.message: "),
        ("a message that reaches over its end", "2a03 0801 08 05", "Fields.message: "),
        ("a number without an end", "0880", "Fields.number: "),
        ("a number of 65 bits", "08ffffffffffffffffff02", "Fields.number: "),
        ("a number of 11 bytes", "08ffffffffffffffffffff01", "Fields.number: "),
        // Go takes these two for unknown fields.
        ("a text instead of a number", "0a01 61", "Fields.number: "),
        ("a number instead of a text", "1001", "Fields.text: "),
        ("a key without a value", "08", "Fields.number: "),
        ("field number 0", "0001", ""),
        ("a key of over 32 bits", "8080808010 01", ""),
        ("a kind that does not exist", "0e01", ""),
        ("the end of no group", "0c", ""),
        ("the end of another group", "fb01 f402", ""),
        ("a group without an end", "fb01 0805", ""),
        ("an unknown field past the end", "fa01 02 61", ""),
    ] {
        let error = decode::<Fields>(&unhex(&hex.replace(' ', ""))).expect_err(case);
        assert!(error.contains(said), "{case}: {error}");
    }
}

/// A field that the message does not declare is lost when it is decoded, as the docs say; Go keeps it.
#[test]
fn unknown_fields_are_dropped() {
    let pair: Pair = decode(&unhex("0801100218031a0161")).expect("a pair and two fields more");
    assert_eq!(encode(&pair), frame(&unhex("08011002")));
}

/// So many levels below an outermost message, each of them by `wrap`.
fn nested(levels: usize, wrap: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    (0..levels).fold(Vec::new(), |inner, _| wrap(&inner))
}

/// A field with a length, of bytes.
fn field(key: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![key];
    bytes.extend(frame(content));
    bytes
}

#[test]
fn nesting_is_read_up_to_its_limit_and_refused_past_it_however_it_is_made() {
    type Wrap = fn(&[u8]) -> Vec<u8>;
    let ways: [(&str, Wrap, usize); 5] = [
        ("messages", |inner| field(0x0a, inner), 1),
        ("lists", |inner| field(0x12, inner), 1),
        ("maps, whose entries are a level too", |inner| field(0x1a, &field(0x12, inner)), 2),
        ("groups", |inner| [&[0x23], inner, &[0x24]].concat(), 1),
        ("groups in an unknown field", |inner| [&[0x2b], inner, &[0x2c]].concat(), 1),
    ];
    for (way, wrap, levels_of_each) in ways {
        let most = LEVELS / levels_of_each;
        let read = decode::<Tree>(&nested(most, wrap));
        assert!(read.is_ok(), "{way}: {read:?}");
        let error = decode::<Tree>(&nested(most + 1, wrap)).expect_err(way);
        assert!(error.contains("recursion limit reached"), "{way}: {error}");
    }
    // Within the default limit of a frame: a stack that went along would overflow.
    let groups = [vec![0x23; 2 << 20], vec![0x24; 2 << 20]].concat();
    for deep in [groups, vec![0x2b; 4 << 20]] {
        assert!(decode::<Tree>(&deep).expect_err("deep").contains("recursion limit reached"));
    }
}

#[test]
fn a_value_past_the_limit_is_written_only_unchecked_and_not_read_back() {
    let tree = |levels| {
        let wrap = |inner, _| Tree { message: Some(Box::new(inner)), ..Tree::default() };
        (0..levels).fold(Tree::default(), wrap)
    };
    for (levels, reads) in [(LEVELS, true), (LEVELS + 1, false)] {
        let tree = tree(levels);
        assert_eq!(Protobuf.encode(&tree, &mut Vec::new()).is_ok(), reads, "{levels} levels");
        let mut bytes = Vec::new();
        Protobuf.check_nesting(false).encode(&tree, &mut bytes).expect("any message can be written");
        assert_eq!(bytes, frame(&tree.encode_to_vec()));
        let decoded: Decoded<Tree> = Protobuf.decode(&bytes, &mut Length::default());
        assert_eq!(matches!(decoded, Decoded::Value(ref back, _) if *back == tree), reads, "{levels} levels");
        assert_eq!(matches!(decoded, Decoded::Invalid(_)), !reads, "{levels} levels");
    }
}

/// A message that is implemented by hand, and says another length than it writes.
#[derive(Debug, Default)]
struct Liar {
    says: usize,
}

impl Message for Liar {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        buf.put_slice(b"\x08\x07");
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), prost::DecodeError> {
        prost::encoding::skip_field(wire_type, tag, buf, ctx)
    }

    fn encoded_len(&self) -> usize {
        self.says
    }

    fn clear(&mut self) {}
}

/// What follows on the connection would be read at the wrong place.
#[test]
fn a_message_that_writes_another_length_than_it_says_is_not_sent() {
    for says in [0, 1, 2, 3] {
        let encoded = Protobuf.encode(&Liar { says }, &mut Vec::new()).map_err(|error| error.to_string());
        let expected = match says {
            2 => Ok(()),
            _ => Err(format!("the message wrote 2 bytes, but its `encoded_len` was {says}")),
        };
        assert_eq!(encoded, expected);
    }
}

#[test]
fn the_maximum_length_holds_for_writing_and_for_reading() {
    let pair = Pair { a: 1, b: 2 };
    let bytes = encode(&pair);
    for (max_len, passes) in [(5, true), (4, true), (3, false), (0, false)] {
        let format = Protobuf.max_len(max_len);
        assert_eq!(format.encode(&pair, &mut Vec::new()).is_ok(), passes, "{max_len}");
        // It is known from the length alone.
        match (format.decode(&bytes[..1], &mut Length::default()) as Decoded<Pair>, passes) {
            (Decoded::Incomplete(missing), true) => assert_eq!(missing.get(), 4),
            (
                Decoded::Invalid(DecodeError { fault: Fault::TooLong { length: 4, limit }, at: 1, .. }),
                false,
            ) => {
                assert_eq!(limit, max_len);
            }
            (other, _) => panic!("{max_len}: {other:?}"),
        }
    }
    assert_eq!(encode(&Pair::default()), [0], "a message of defaults has no bytes");
    assert!(Protobuf.max_len(0).encode(&Pair::default(), &mut Vec::new()).is_ok());
    assert_eq!(Protobuf, Protobuf::default());
}

/// The types that `prost` has messages for: those of `google.protobuf` of one value.
#[test]
fn single_values_stand_as_the_wrappers_of_protobuf() {
    assert_eq!(encode(&"a".to_owned()), [3, 0x0a, 1, b'a']);
    assert_eq!(decode::<String>(&[0x0a, 1, b'a']), Ok("a".to_owned()));
    assert_eq!(encode(&()), [0]);
    assert_eq!(decode::<()>(&[]), Ok(()));
}

prop_compose! {
    fn any_fields()(
        number: i64,
        text: String,
        packed: Vec<i64>,
        unpacked: Vec<i64>,
        pair: Option<(i64, i64)>,
        color: i32,
        bool: bool,
    ) -> Fields {
        Fields { number, text, packed, unpacked, message: pair.map(|(a, b)| Pair { a, b }), color, bool }
    }
}

proptest! {
    #[test]
    fn any_message_round_trips_whole_and_cut_anywhere(fields in any_fields(), cut: prop::sample::Index) {
        let bytes = encode(&fields);
        prop_assert_eq!(&bytes, &frame(&fields.encode_to_vec()));
        let cut = cut.index(bytes.len());
        let mut progress = Length::default();
        match Protobuf.decode(&bytes[..cut], &mut progress) as Decoded<Fields> {
            Decoded::Incomplete(missing) => prop_assert!(missing.get() <= bytes.len() - cut),
            other => prop_assert!(false, "{:?} of {} bytes", other, cut),
        }
        match Protobuf.decode(&bytes, &mut progress) {
            Decoded::Value(back, taken) => prop_assert_eq!((back, taken), (fields, bytes.len())),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn any_bytes_under_any_limit_are_a_message_or_incomplete_or_refused(bytes: Vec<u8>, max_len in 0..64_usize) {
        match Protobuf.max_len(max_len).decode(&bytes, &mut Length::default()) as Decoded<Fields> {
            Decoded::Value(fields, taken) => {
                prop_assert!(taken <= bytes.len().min(varint::MAX_LEN + max_len));
                prop_assert_eq!(decode::<Fields>(&fields.encode_to_vec()), Ok(fields));
            }
            Decoded::Incomplete(missing) => prop_assert!(missing.get() <= varint::MAX_LEN + max_len),
            Decoded::Invalid(error) => prop_assert!(error.at <= bytes.len()),
        }
    }
}
