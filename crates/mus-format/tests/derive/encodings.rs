//! Options that choose an encoding.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mus_format::encoding::{DecodeAs, DescribeAs, EncodeAs, Of, Raw, Via};
use mus_format::{Description, EncodeError, Fault, Mus, Output, Reader, Shape, Stopped, from_slice, to_vec};

use crate::support::{fault, same, stands_as};

#[test]
fn raw_numbers_have_the_width_of_their_type() {
    #[derive(Mus, Debug, PartialEq)]
    struct Numbers {
        #[mus(raw)]
        a: u8,
        #[mus(raw)]
        b: i16,
        #[mus(raw)]
        c: u32,
        #[mus(raw)]
        d: i64,
        #[mus(raw)]
        e: usize,
        #[mus(raw)]
        f: f32,
        #[mus(raw)]
        g: Duration,
    }
    stands_as(
        &Numbers { a: 1, b: -2, c: 3, d: -4, e: 5, f: 1.5, g: Duration::from_nanos(6) },
        "01 feff 03000000 fcffffffffffffff 0500000000000000 0000c03f 0600000000000000",
    );
}

#[test]
fn varints_are_zigzag_where_signed() {
    #[derive(Mus, Debug, PartialEq)]
    struct Numbers {
        #[mus(varint)]
        a: u8,
        #[mus(varint)]
        b: i8,
        #[mus(varint)]
        c: i32,
        #[mus(varint)]
        d: f32,
        #[mus(varint)]
        e: Duration,
    }
    stands_as(
        &Numbers { a: 200, b: -1, c: -150, d: 1.5, e: Duration::from_nanos(150) },
        "c801 01 ab02 808080fe03 ac02",
    );
}

#[test]
fn positive_varints_are_the_bits() {
    #[derive(Mus, Debug, PartialEq)]
    struct Numbers {
        #[mus(positive)]
        a: i32,
        #[mus(positive)]
        b: i32,
        #[mus(positive)]
        c: i64,
    }
    stands_as(&Numbers { a: 300, b: -1, c: -1 }, "ac02 ffffffff0f ffffffffffffffffff01");
}

#[test]
fn times_count_the_unit_that_is_chosen_and_are_floored() {
    #[derive(Mus, Debug, PartialEq)]
    struct Times {
        default: SystemTime,
        #[mus(seconds)]
        seconds: SystemTime,
        #[mus(milliseconds)]
        milliseconds: SystemTime,
        #[mus(microseconds)]
        microseconds: SystemTime,
        #[mus(nanoseconds)]
        nanoseconds: SystemTime,
    }
    let times = |time: SystemTime| Times {
        default: time,
        seconds: time,
        milliseconds: time,
        microseconds: time,
        nanoseconds: time,
    };
    stands_as(
        &times(UNIX_EPOCH + Duration::from_secs(2)),
        "0200000000000000 0200000000000000 d007000000000000 80841e0000000000 0094357700000000",
    );
    let floored = to_vec(&times(UNIX_EPOCH + Duration::from_nanos(1_999_999_999))).expect("a value");
    let floored: Times = from_slice(&floored).expect("a value");
    let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).expect("later").as_nanos();
    assert_eq!(since(floored.default), 1_000_000_000);
    assert_eq!(since(floored.seconds), 1_000_000_000);
    assert_eq!(since(floored.milliseconds), 1_999_000_000);
    assert_eq!(since(floored.microseconds), 1_999_999_000);
    assert_eq!(since(floored.nanoseconds), 1_999_999_999);
}

#[test]
fn a_cow_borrows_only_if_told_to() {
    #[derive(Mus, Debug, PartialEq)]
    struct Texts<'a> {
        owned: Cow<'a, str>,
        #[mus(borrow)]
        borrowed: Cow<'a, str>,
        #[mus(borrow)]
        bytes: Cow<'a, [u8]>,
        #[mus(elem(borrow))]
        all: Vec<Cow<'a, str>>,
    }
    let bytes = b"\x01a\x02bc\x01\xff\x01\x01d";
    let texts = Texts {
        owned: "a".into(),
        borrowed: "bc".into(),
        bytes: Cow::Borrowed(b"\xff"),
        all: vec!["d".into()],
    };
    same(&texts, bytes);
    let texts: Texts<'_> = from_slice(bytes).expect("a value");
    assert!(matches!(texts.owned, Cow::Owned(_)));
    assert!(matches!(texts.borrowed, Cow::Borrowed(_)));
    assert!(matches!(texts.bytes, Cow::Borrowed(_)));
    assert!(matches!(texts.all[0], Cow::Borrowed(_)));
}

/// Makes new pointers each time it is written.
#[derive(Clone, Debug, PartialEq)]
struct Named(Vec<String>);

#[derive(Mus)]
struct Shared(#[mus(elem(mapped))] Vec<Rc<String>>);

#[derive(Mus)]
struct SharedByThreads(#[mus(mapped)] Arc<String>);

impl From<Named> for Shared {
    fn from(named: Named) -> Self {
        Self(named.0.into_iter().map(Rc::new).collect())
    }
}

impl From<Shared> for Named {
    fn from(shared: Shared) -> Self {
        Self(shared.0.iter().map(|name| String::clone(name)).collect())
    }
}

impl From<Named> for SharedByThreads {
    fn from(named: Named) -> Self {
        Self(Arc::new(named.0.concat()))
    }
}

impl From<SharedByThreads> for Named {
    fn from(shared: SharedByThreads) -> Self {
        Self(vec![String::clone(&shared.0)])
    }
}

#[test]
fn a_pointer_that_is_dropped_while_its_value_is_written_is_not_taken_for_a_later_one() {
    #[derive(Mus, Debug, PartialEq)]
    struct Rows {
        #[mus(elem(with = Via<Shared>))]
        rows: Vec<Named>,
        #[mus(elem(with = Via<SharedByThreads>))]
        single: Vec<Named>,
    }
    let named = |name: usize| Named(vec![format!("number {name}")]);
    let rows = Rows { rows: (0..50).map(named).collect(), single: (50..99).map(named).collect() };
    let bytes = to_vec(&rows).unwrap();
    assert_eq!(from_slice::<Rows>(&bytes).unwrap(), rows);
}

#[test]
fn what_is_kept_of_mapped_pointers_is_let_go_when_the_value_is_written() {
    #[derive(Mus)]
    struct Twice(#[mus(elem(mapped))] Vec<Rc<String>>);
    let shared = Rc::new(String::from("shared"));
    let twice = Twice(vec![shared.clone(), shared.clone()]);
    assert_eq!(to_vec(&twice).unwrap().len(), 1 + 2 + 7 + 2);
    assert_eq!(Rc::strong_count(&shared), 3);
}

#[test]
fn mapped_pointers_are_written_once_and_are_one_when_decoded() {
    #[derive(Mus, Debug, PartialEq)]
    struct Family {
        #[mus(mapped)]
        first: Rc<String>,
        #[mus(mapped)]
        second: Rc<String>,
        #[mus(mapped)]
        third: Option<Rc<String>>,
        #[mus(mapped)]
        fourth: Option<Rc<String>>,
        #[mus(elem(mapped))]
        numbers: Vec<Arc<u8>>,
    }
    let (name, number) = (Rc::new("a".to_owned()), Arc::new(7));
    let family = Family {
        first: Rc::clone(&name),
        second: Rc::new("b".to_owned()),
        third: Some(name),
        fourth: None,
        numbers: vec![Arc::clone(&number), number],
    };
    let bytes = "02 00 0161  02 01 0162  02 00  01  02 02 02 07 02 02";
    stands_as(&family, bytes);
    let family: Family = from_slice(&crate::support::unhex(bytes)).expect("a value");
    assert!(Rc::ptr_eq(&family.first, family.third.as_ref().expect("a pointer")));
    assert!(Arc::ptr_eq(&family.numbers[0], &family.numbers[1]));
}

#[test]
fn lengths_are_written_as_chosen() {
    #[derive(Mus, Debug, PartialEq)]
    struct Lengths {
        default: String,
        #[mus(len = positive)]
        positive: String,
        #[mus(len = varint)]
        varint: String,
        #[mus(len = raw)]
        raw: String,
        #[mus(len = varint)]
        list: Vec<u8>,
        #[mus(len = raw)]
        map: BTreeMap<u8, bool>,
    }
    let text = || "hi".to_owned();
    stands_as(
        &Lengths {
            default: text(),
            positive: text(),
            varint: text(),
            raw: text(),
            list: vec![9],
            map: BTreeMap::from([(1, true)]),
        },
        "02 6869  02 6869  04 6869  0200000000000000 6869  02 09  0100000000000000 01 01",
    );
}

const MOST: usize = 2;

#[derive(Mus, Debug, PartialEq, Default)]
struct Limited {
    #[mus(max_len = 3)]
    text: String,
    #[mus(max_len = MOST * 2 - 1)]
    list: Vec<u16>,
    #[mus(max_len = Self::MAX, len = varint)]
    map: BTreeMap<u8, u8>,
    #[mus(elem(max_len = MOST))]
    texts: Vec<String>,
}

impl Limited {
    const MAX: usize = 1;
}

#[test]
fn a_length_at_the_limit_is_fine() {
    let limited = Limited {
        text: "abc".into(),
        list: vec![1, 2, 3],
        map: BTreeMap::from([(1, 2)]),
        texts: vec!["ab".into(), "cd".into(), "ef".into()],
    };
    stands_as(&limited, "03 616263  03 01 02 03  02 01 02  03 02 6162 02 6364 02 6566");
}

#[test]
fn a_length_over_the_limit_is_refused_before_anything_of_it_is_read() {
    for (bytes, over, most) in [
        ("04", 4, 3),
        ("00 04", 4, 3),
        ("00 00 04", 2, 1),
        ("00 00 00 01 03", 3, 2),
        ("00 ffffffffffffffff7f", i64::MAX as u64, 3),
    ] {
        let error = fault::<Limited>(bytes);
        assert!(
            matches!(error.fault, Fault::TooLong { length, limit } if length == over && limit == most),
            "{error}"
        );
        assert_eq!(error.at, crate::support::unhex(bytes).len());
    }
}

#[test]
fn a_length_over_the_limit_cannot_be_written() {
    let too_long = [
        Limited { text: "abcd".into(), ..Limited::default() },
        Limited { list: vec![0; 4], ..Limited::default() },
        Limited { map: BTreeMap::from([(1, 1), (2, 2)]), ..Limited::default() },
        Limited { texts: vec!["abc".into()], ..Limited::default() },
    ];
    for (value, over, most) in
        too_long.iter().zip([4, 4, 2, 3]).zip([3, 3, 1, 2]).map(|((a, b), c)| (a, b, c))
    {
        let result = to_vec(value);
        assert!(
            matches!(result, Err(EncodeError::TooLong { length, limit }) if length == over && limit == most),
            "{result:?}"
        );
    }
}

#[test]
fn elements_are_written_as_chosen() {
    #[derive(Mus, Debug, PartialEq)]
    struct Elements {
        #[mus(elem(raw))]
        list: Vec<u16>,
        #[mus(elem(positive))]
        queue: VecDeque<i16>,
        #[mus(elem(varint))]
        array: [u8; 2],
        #[mus(elem(raw))]
        set: BTreeSet<u16>,
        #[mus(elem(raw))]
        option: Option<u16>,
        #[mus(elem(raw))]
        boxed: Box<u16>,
        #[mus(elem(raw))]
        shared: Arc<u16>,
        #[mus(len = varint, elem(len = raw, elem(elem(raw))))]
        nested: Vec<Vec<Option<u16>>>,
    }
    stands_as(
        &Elements {
            list: vec![1, 2],
            queue: VecDeque::from([-1]),
            array: [200, 1],
            set: BTreeSet::from([3, 4]),
            option: Some(5),
            boxed: Box::new(6),
            shared: Arc::new(7),
            nested: vec![vec![None, Some(8)]],
        },
        "02 0100 0200  01 ffff03  02 c801 01  02 0300 0400  00 0500  0600  0700  02 0200000000000000 01 00 0800",
    );
}

#[test]
fn keys_and_values_are_written_as_chosen() {
    #[derive(Mus, Debug, PartialEq)]
    struct Maps {
        #[mus(key(raw))]
        keys: BTreeMap<u16, u16>,
        #[mus(elem(raw))]
        values: BTreeMap<u16, u16>,
        #[mus(key(len = varint), elem(elem(raw)), max_len = 2, len = raw)]
        both: BTreeMap<String, Vec<u16>>,
    }
    stands_as(
        &Maps {
            keys: BTreeMap::from([(1, 2)]),
            values: BTreeMap::from([(1, 2)]),
            both: BTreeMap::from([("a".into(), vec![3])]),
        },
        "01 0100 02  01 01 0200  0100000000000000 0261 01 0300",
    );
}

/// A number in big-endian order.
struct BigEndian;

impl EncodeAs<u16> for BigEndian {
    fn encode_as<O: Output + ?Sized>(value: &u16, out: &mut O) {
        out.fixed(value.to_be_bytes());
    }
}

impl<'de> DecodeAs<'de, u16> for BigEndian {
    const SHAPE: Shape = Shape::fixed(2);

    fn decode_as(reader: &mut Reader<'de>) -> Result<u16, Stopped> {
        reader.fixed().map(u16::from_be_bytes)
    }
}

impl DescribeAs<u16> for BigEndian {
    fn describe_as() -> Description {
        Description::leaf("u16 big-endian")
    }
}

#[test]
fn an_encoding_of_ones_own_can_be_chosen() {
    #[derive(Mus, Debug, PartialEq)]
    struct Numbers {
        #[mus(with = BigEndian)]
        one: u16,
        #[mus(elem(with = self::BigEndian))]
        list: Vec<u16>,
        #[mus(with = Of<Raw, 5, BigEndian>)]
        other: Vec<u16>,
    }
    stands_as(
        &Numbers { one: 1, list: vec![2, 3], other: vec![4] },
        "0001  02 0002 0003  0100000000000000 0004",
    );
}
