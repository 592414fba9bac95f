//! What an attacker sends: lengths that nothing backs, nesting without end, elements without bytes. Memory is counted.

#![allow(unsafe_code, reason = "the allocator that counts is the system's, with a counter before it")]

#[path = "support/memory.rs"]
mod memory;
#[path = "support/pieces.rs"]
mod pieces;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Debug;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use mus_format::encoding::{DecodeAs, Of, Raw, Text, Varint, Via};
use mus_format::{
    Decode, DecodeOwned, Decoded, Encode, EncodeError, Fault, Limits, Mus, Output, Progress, Reader, Shape,
    Stopped, append, append_with, decode, decode_with, size, to_vec,
};
use pieces::in_pieces;

#[global_allocator]
static COUNTING: memory::Counting = memory::Counting;

/// Memory that a value may take whose bytes have not arrived: what one level of nesting may reserve, and a little for
/// the decoder itself.
const UNBACKED: usize = (64 << 10) + 4096;

/// The most memory that was taken at once beyond what was there before.
fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    memory::start();
    let result = work();
    (result, memory::peak())
}

/// Checks that a value which begins so is not there, neither at once nor in pieces, and takes no memory that is not
/// backed by bytes.
fn takes_no_memory<T: DecodeOwned>(bytes: &[u8]) {
    let name = std::any::type_name::<T>();
    let (answer, peak) = peak_of(|| decode::<T>(bytes));
    assert!(!matches!(answer, Decoded::Value(..)), "{name}: a value");
    assert!(peak <= UNBACKED, "{name}: {peak} bytes of memory");
    let (answer, peak) = peak_of(|| in_pieces::<T>(bytes, &Limits::new(), || 0));
    assert!(!matches!(answer, Decoded::Value(..)), "{name}: a value in pieces");
    assert!(peak <= UNBACKED, "{name}: {peak} bytes of memory in pieces");
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

const HUGE: [u64; 4] = [i64::MAX as u64, 1 << 40, 1 << 30, 1 << 20];

#[derive(Mus, Debug)]
struct Raws(#[mus(len = raw)] Vec<u64>, #[mus(len = raw)] String);

#[derive(Mus, Debug)]
struct Zigzags(#[mus(len = varint)] Vec<String>);

#[derive(Mus, Debug)]
#[mus(raw)]
struct AllRaw(Vec<u64>);

#[derive(Mus, Debug)]
#[mus(raw)]
struct AllRawInside(BTreeMap<u32, Vec<Option<i16>>>, #[mus(len = raw)] VecDeque<u64>);

#[derive(Mus, Debug)]
struct Words(#[mus(elem(with = Text))] Vec<std::net::SocketAddr>, #[mus(with = Text)] f64);

#[derive(Mus, Debug)]
struct Converted(#[mus(with = Via<Vec<u64>>)] Box<[u64]>);

#[derive(Mus, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Clone)]
struct Large {
    first: u8,
    #[mus(skip)]
    rest: [u64; 32],
}

#[test]
fn a_length_is_believed_as_far_as_bytes_back_it() {
    for length in HUGE {
        for tail in [&[][..], &[0; 3], &[1; 100], &[0xff; 100]] {
            let bytes = [&varint(length), tail].concat();
            takes_no_memory::<String>(&bytes);
            takes_no_memory::<Box<str>>(&bytes);
            takes_no_memory::<Vec<u8>>(&bytes);
            takes_no_memory::<Vec<u64>>(&bytes);
            takes_no_memory::<Vec<f64>>(&bytes);
            takes_no_memory::<Vec<String>>(&bytes);
            takes_no_memory::<Vec<Vec<Vec<u8>>>>(&bytes);
            takes_no_memory::<Vec<Large>>(&bytes);
            takes_no_memory::<Vec<Box<Large>>>(&bytes);
            takes_no_memory::<VecDeque<u32>>(&bytes);
            takes_no_memory::<Box<[i16]>>(&bytes);
            takes_no_memory::<Rc<[String]>>(&bytes);
            takes_no_memory::<Arc<str>>(&bytes);
            takes_no_memory::<[u64; 1000]>(&bytes);
            takes_no_memory::<BTreeMap<u64, u64>>(&bytes);
            takes_no_memory::<HashMap<u64, u64>>(&bytes);
            takes_no_memory::<HashMap<Large, Large>>(&bytes);
            takes_no_memory::<BTreeSet<String>>(&bytes);
            takes_no_memory::<HashSet<Large>>(&bytes);
            takes_no_memory::<Zigzags>(&[&varint(length.saturating_mul(2)), tail].concat());
            takes_no_memory::<Raws>(&[&length.to_le_bytes(), tail].concat());
            takes_no_memory::<AllRaw>(&bytes);
            takes_no_memory::<AllRawInside>(&bytes);
            takes_no_memory::<AllRawInside>(&[&[0], &length.to_le_bytes()[..], tail].concat());
            takes_no_memory::<Words>(&bytes);
            takes_no_memory::<Words>(&[&[0], &bytes[..]].concat());
            takes_no_memory::<Converted>(&bytes);
            takes_no_memory::<Option<Vec<u64>>>(&[&[0], &bytes[..]].concat());
        }
    }
}

#[test]
fn elements_without_bytes_are_counted() {
    for length in &HUGE[..3] {
        let bytes = varint(*length);
        for answer in [decode::<Vec<()>>(&bytes).map(drop), decode::<Vec<PhantomData<u8>>>(&bytes).map(drop)]
        {
            assert!(
                matches!(answer, Decoded::Invalid(error) if matches!(error.fault, Fault::TooManyEmpty { .. }))
            );
        }
        takes_no_memory::<Vec<()>>(&bytes);
        takes_no_memory::<Vec<((), PhantomData<u8>)>>(&bytes);
        takes_no_memory::<Vec<Box<()>>>(&bytes);
        takes_no_memory::<BTreeMap<(), ()>>(&bytes);
        takes_no_memory::<HashMap<(), ()>>(&bytes);
        takes_no_memory::<BTreeSet<()>>(&bytes);
        takes_no_memory::<HashSet<()>>(&bytes);
    }
}

/// Whether a value is refused because of its elements without bytes, at once and in pieces alike.
fn has_too_many_empty<T: DecodeOwned>(bytes: &[u8], limits: &Limits) -> bool {
    [decode_with::<T>(bytes, limits), in_pieces(bytes, limits, || 0)]
        .map(|answer| match answer {
            Decoded::Value(_, taken) if taken == bytes.len() => false,
            Decoded::Invalid(error) if matches!(error.fault, Fault::TooManyEmpty { .. }) => true,
            _ => panic!("neither a value nor too many"),
        })
        .into_iter()
        .reduce(|whole, pieces| if whole == pieces { whole } else { panic!("different in pieces") })
        .expect("two answers")
}

/// A type of 8 bytes in memory and none on the wire.
#[derive(Mus, Debug, PartialEq)]
struct Skipped {
    #[mus(skip)]
    number: u64,
}

#[test]
fn the_limit_on_elements_without_bytes_is_one_for_the_whole_value() {
    let limits = Limits::new();
    assert!(!has_too_many_empty::<Vec<()>>(&varint(4 << 20), &limits));
    assert!(has_too_many_empty::<Vec<()>>(&varint((4 << 20) + 1), &limits));

    let limits = Limits::new().empty_elements(64);
    assert!(!has_too_many_empty::<Vec<()>>(&[64], &limits));
    assert!(has_too_many_empty::<Vec<()>>(&[65], &limits));
    // Two sequences share it, and so do the fields of a struct.
    assert!(!has_too_many_empty::<Vec<Vec<()>>>(&[2, 32, 32], &limits));
    assert!(has_too_many_empty::<Vec<Vec<()>>>(&[2, 32, 33], &limits));
    assert!(!has_too_many_empty::<(Vec<()>, BTreeSet<()>)>(&[60, 4], &limits));
    assert!(has_too_many_empty::<(Vec<()>, BTreeSet<()>)>(&[60, 5], &limits));
    assert!(has_too_many_empty::<BTreeMap<(), ()>>(&[65], &limits));
    assert!(has_too_many_empty::<[(); 65]>(&[65], &limits));
    // Elements are as expensive as the memory that they take.
    assert!(!has_too_many_empty::<Vec<Skipped>>(&[8], &limits));
    assert!(has_too_many_empty::<Vec<Skipped>>(&[9], &limits));
    // A pointer and what it leads to.
    assert!(!has_too_many_empty::<Vec<Box<Skipped>>>(&[4], &limits));
    assert!(has_too_many_empty::<Vec<Box<Skipped>>>(&[5], &limits));
    // What has bytes costs nothing.
    assert!(!has_too_many_empty::<Vec<u8>>(&[&[100], &[0; 100][..]].concat(), &limits));
}

#[derive(Mus, Debug, PartialEq)]
enum List {
    End,
    Next(Box<Self>),
}

#[derive(Mus, Debug, PartialEq)]
struct Nest(Vec<Self>);

#[derive(Mus, Debug, PartialEq)]
struct Maybe(Option<Box<Self>>);

#[derive(Mus, Debug, PartialEq)]
struct Named(BTreeMap<u8, Self>);

#[derive(Mus, Debug, PartialEq)]
struct Counted(Option<Rc<(Self, Arc<()>)>>);

/// The bytes of a value that is nested so deep.
type Bytes = fn(usize) -> Vec<u8>;

fn list(depth: usize) -> Vec<u8> {
    [vec![2; depth], vec![1]].concat()
}

fn nest(depth: usize) -> Vec<u8> {
    [vec![1; depth - 1], vec![0]].concat()
}

/// Each of them is two levels deep.
fn maybe(depth: usize) -> Vec<u8> {
    [vec![0; depth / 2], vec![1]].concat()
}

fn named(depth: usize) -> Vec<u8> {
    [[1, 9].repeat(depth - 1), vec![0]].concat()
}

/// Checks values that are nested as deep as the limit allows, and deeper by `step`, which is the least that there is.
fn depth_is_bounded<T: DecodeOwned + mus_format::Encode + Debug + PartialEq>(bytes: Bytes, step: usize) {
    for limit in [4, 10, 128] {
        let limits = Limits::new().depth(limit);
        let whole = bytes(limit);
        let Decoded::Value(value, _) = decode_with::<T>(&whole, &limits) else {
            panic!("at the limit of {limit}")
        };
        let mut out = Vec::new();
        append_with(&value, &mut out, &limits).expect("encodes at the limit");
        assert_eq!(out, whole);
        let pieces = in_pieces::<T>(&whole, &limits, || 0);
        assert!(matches!(&pieces, Decoded::Value(piecewise, _) if *piecewise == value), "{pieces:?}");

        let deeper = bytes(limit + step);
        for answer in [decode_with::<T>(&deeper, &limits), in_pieces(&deeper, &limits, || 0)] {
            assert!(
                matches!(&answer, Decoded::Invalid(error) if matches!(error.fault, Fault::TooDeep(deep) if deep == limit)),
                "{answer:?}"
            );
        }
        let Decoded::Value(value, _) = decode_with::<T>(&deeper, &limits.depth(limit + step)) else {
            panic!("a value")
        };
        let error = append_with(&value, &mut out, &limits).expect_err("deeper than the limit");
        assert!(matches!(error, EncodeError::TooDeep(deep) if deep == limit));
        assert_eq!(out, whole, "nothing was appended");
    }
    let (at, over) = (bytes(128), bytes(128 + step));
    assert!(matches!(decode::<T>(&at), Decoded::Value(..)));
    assert!(
        matches!(decode::<T>(&over), Decoded::Invalid(error) if matches!(error.fault, Fault::TooDeep(128)))
    );
    // A million levels and no end.
    assert!(matches!(decode::<T>(&bytes(1 << 20)), Decoded::Invalid(_)));
    let mut progress = Progress::default();
    assert!(matches!(progress.decode::<T>(&bytes(1 << 20), &Limits::new()), Decoded::Invalid(_)));
}

#[test]
fn nesting_is_bounded_in_every_direction() {
    depth_is_bounded::<List>(list, 1);
    depth_is_bounded::<Nest>(nest, 1);
    depth_is_bounded::<Maybe>(maybe, 2);
    depth_is_bounded::<Named>(named, 1);
}

#[test]
fn what_lies_side_by_side_is_not_deep() {
    type Wide = Vec<(Option<Vec<Box<u8>>>, BTreeMap<u8, Rc<u8>>)>;
    let value: Wide = vec![(Some(vec![Box::new(1)]), BTreeMap::from([(2, Rc::new(3))])); 1000];
    let bytes = to_vec(&value).expect("encodes");
    assert_eq!(size(&value).expect("encodes"), bytes.len());
    for answer in [decode::<Wide>(&bytes), in_pieces(&bytes, &Limits::new(), || 0)] {
        assert!(matches!(answer, Decoded::Value(back, _) if back == value));
    }
}

#[test]
fn encoding_ends_although_a_value_shares_its_parts() {
    // Written out it would have 2^200 nodes.
    let mut value = Counted(None);
    for _ in 0..3 {
        value = Counted(Some(Rc::new((value, Arc::new(())))));
    }
    assert_eq!(to_vec(&value).expect("encodes"), [0, 0, 0, 1]);

    #[derive(Mus, Clone)]
    struct Twice(Vec<Rc<Self>>);
    let mut twice = Rc::new(Twice(Vec::new()));
    for _ in 0..200 {
        twice = Rc::new(Twice(vec![Rc::clone(&twice), twice]));
    }
    assert!(matches!(to_vec(&twice), Err(EncodeError::TooDeep(128))));
    assert!(matches!(size(&twice), Err(EncodeError::TooDeep(128))));
}

#[derive(Mus, Debug, PartialEq)]
enum Wide {
    Leaf,
    Many(Vec<Self>),
}

#[test]
fn what_each_level_announces_is_backed_once() {
    // Every level announces as many elements as there are bytes.
    let mut bytes = Vec::new();
    for _ in 0..120 {
        bytes.push(2);
        bytes.extend(varint(900_000));
    }
    // A tag that there is not: nothing of what was announced comes.
    bytes.resize(1 << 20, 9);
    let (answer, peak) = peak_of(|| decode::<Wide>(&bytes));
    assert!(matches!(answer, Decoded::Invalid(_)));
    assert!(peak <= bytes.len() + 120 * UNBACKED, "{peak} bytes of memory");
    assert!(peak >= bytes.len() / 2, "{peak} bytes of memory: it was not even tried");
}

#[test]
fn a_large_sequence_reserves_as_much_memory_as_it_has_bytes_and_a_little() {
    struct Probe(usize);

    impl<'de> Decode<'de> for Probe {
        const SHAPE: Shape = <Of<Varint, 10, Raw> as DecodeAs<'de, Vec<u16>>>::SHAPE;

        fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
            Ok(Self(reader.capacity(1 << 20, 1000)))
        }
    }

    let bytes = vec![0; 1 << 20];
    assert!(matches!(decode::<Probe>(&bytes), Decoded::Value(Probe(count), 0) if count == (17 << 16) / 1000));
    assert!(matches!(decode::<Probe>(&bytes[..1000]), Decoded::Value(Probe(66), 0)));
}

#[test]
fn a_bound_from_a_count_is_small_and_one_from_a_length_is_whole() {
    let missing = |answer: Decoded<()>| match answer {
        Decoded::Incomplete(missing) => missing.get(),
        answer => panic!("{answer:?}"),
    };
    let bytes = varint(1 << 40);
    let limits = Limits::new();
    assert_eq!(missing(decode::<String>(&bytes).map(drop)), 1 << 40);
    assert_eq!(missing(decode::<Vec<f64>>(&bytes).map(drop)), 8 << 40);
    assert_eq!(missing(decode::<HashMap<String, String>>(&bytes).map(drop)), 64 << 10);
    assert_eq!(missing(Progress::default().decode::<String>(&bytes, &limits).map(drop)), 1 << 40);
    assert_eq!(missing(Progress::default().decode::<Vec<f64>>(&bytes, &limits).map(drop)), 8 << 40);
    assert_eq!(missing(Progress::default().decode::<Vec<String>>(&bytes, &limits).map(drop)), 64 << 10);
    // The fields that follow are part of what is asked for.
    let bytes = [1, 3];
    assert_eq!(missing(Progress::default().decode::<(u8, String, f64, bool)>(&bytes, &limits).map(drop)), 12);
    assert_eq!(missing(Progress::default().decode::<(Vec<(u8, String)>, f64)>(&bytes, &limits).map(drop)), 9);
}

#[test]
fn pointers_that_are_unknown_are_refused() {
    #[derive(Mus, Debug)]
    struct Two(#[mus(mapped)] Rc<u8>, #[mus(mapped)] Rc<String>);

    #[derive(Mus, Debug)]
    struct Link(#[mus(elem(mapped))] Vec<Option<Rc<Self>>>);

    let fault = |answer: Decoded<()>| match answer {
        Decoded::Invalid(error) => (format!("{}", error.fault), error.at),
        answer => panic!("{answer:?}"),
    };
    let two = |bytes: &[u8]| fault(decode::<Two>(bytes).map(drop));
    // Not the next id; below zero; a known one of another type.
    assert_eq!(two(&[2, 1]), ("unknown pointer 1".into(), 2));
    assert_eq!(two(&[&[2][..], &varint(u64::MAX)].concat()), ("unknown pointer -1".into(), 11));
    assert_eq!(two(&[2, 0, 5, 2, 0]), ("unknown pointer 0".into(), 5));
    assert_eq!(two(&[1]), ("invalid pointer flag 0x01".into(), 0));
    // A pointer to what is not whole yet: a cycle.
    assert_eq!(fault(decode::<Link>(&[1, 2, 0, 1, 2, 0]).map(drop)), ("unknown pointer 0".into(), 6));
}

#[test]
fn elements_without_bytes_are_refused_in_pieces_as_soon_as_they_are_whole() {
    #[derive(Mus, Debug)]
    struct Mark(Box<()>, Box<((), Box<()>)>);

    fn refused<T: for<'de> Decode<'de>>(bytes: &[u8], limits: &Limits) -> (String, usize) {
        let text = |answer: Decoded<T>| match answer {
            Decoded::Invalid(error) => (error.fault.to_string(), error.at),
            Decoded::Incomplete(missing) => (format!("{missing} more"), 0),
            Decoded::Value(..) => ("a value".into(), 0),
        };
        let mut progress = Progress::default();
        assert!(matches!(progress.decode::<T>(&[], limits), Decoded::Incomplete(_)));
        let (whole, pieces) = (text(decode_with(bytes, limits)), text(progress.decode::<T>(bytes, limits)));
        assert_eq!(whole, pieces);
        whole
    }

    // Something follows, so that the value is not complete. An element takes 8 bytes, and each box in it charges 1.
    let limits = |elements| Limits::new().empty_elements(elements);
    let boxes = |elements| refused::<(Vec<Box<()>>, u64)>(&[2], &limits(elements));
    assert_eq!(boxes(18), ("1 more".into(), 0));
    assert_eq!(boxes(17), ("1 elements without bytes exceed the limit of 17".into(), 1));
    // 16 and its three boxes: 1 + 8 + 1.
    let marks = |elements| refused::<(Vec<Mark>, u64)>(&[3], &limits(elements));
    assert_eq!(marks(3 * (16 + 10)), ("1 more".into(), 0));
    assert_eq!(marks(3 * (16 + 10) - 1).0, "1 elements without bytes exceed the limit of 77");
    // The list, and the boxes inside it.
    let depth = |depth| refused::<(Vec<Mark>, u64)>(&[1], &Limits::new().depth(depth));
    assert_eq!(depth(3), ("1 more".into(), 0));
    assert_eq!(depth(2), ("nested deeper than 2".into(), 1));
    assert_eq!(refused::<(Vec<Mark>, u64)>(&[0], &Limits::new().depth(1)), ("1 more".into(), 0));
}

/// Its `Encode` says what is not true.
struct Liar(usize);

impl Encode for Liar {
    const HAS_BYTES: bool = true;

    fn encode<O: Output + ?Sized>(&self, out: &mut O) {
        (0..self.0).for_each(|_| out.varint(u64::MAX));
    }
}

#[test]
fn type_that_is_wrong_about_its_bytes_is_written_as_it_writes_itself() {
    for (length, room) in (0..4).flat_map(|length| (0..64).map(move |room| (length, room))) {
        let mut out = Vec::with_capacity(room);
        append(&vec![Liar(length), Liar(length)], &mut out).unwrap();
        assert_eq!(out, [&[2][..], &[&[255; 9][..], &[1]].concat().repeat(2 * length)].concat());
    }
    // It only escapes the budget for elements without bytes, which is its own program's.
    assert!(append_with(&vec![Liar(0), Liar(0)], &mut Vec::new(), &Limits::new().empty_elements(1)).is_ok());
}

#[test]
fn what_could_not_be_written_leaves_the_buffer_as_it_was() {
    let deep = Some(Some("x".repeat(40_000)));
    for room in [0, 1, 2, 3, 16, 100, 50_000, 100_000] {
        let mut out = Vec::with_capacity(3 + room);
        out.extend_from_slice(&[1, 2, 3]);
        let value = ("text", u64::MAX, "y".repeat(20_000), &deep, [1_u32, 2]);
        let error = append_with(&value, &mut out, &Limits::new().depth(1)).unwrap_err();
        assert!(matches!(error, EncodeError::TooDeep(1)));
        assert_eq!(out, [1, 2, 3]);
    }
}
