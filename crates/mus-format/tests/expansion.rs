//! How much memory values take, measured, and what their shapes say about it.

#![allow(unsafe_code, reason = "the allocator that counts is the system's, with a counter before it")]

#[path = "support/memory.rs"]
mod memory;

use std::any::type_name;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use mus_format::{DecodeOwned, Decoded, Encode, Expansion, Limits, Mus, Progress, from_slice, to_vec};

#[global_allocator]
static COUNTING: memory::Counting = memory::Counting;

#[derive(Mus, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Node {
    children: Vec<Self>,
    next: Option<Box<Self>>,
}

#[derive(Mus)]
struct Shared(#[mus(elem(mapped))] Vec<Rc<[u64; 8]>>);

#[derive(Mus)]
enum Either {
    #[mus(dtm = 0)]
    Nothing,
    #[mus(dtm = 1)]
    Large(Box<[Option<u8>; 200]>),
}

#[derive(Mus)]
struct Nested(Box<Inner>);

#[derive(Mus)]
struct Inner(Box<u8>);

/// What decoding this value takes, and what its type says that it takes at most. Memory that a vector has for elements to come
/// is up to as much again.
fn taken_and_bound<T: Encode + DecodeOwned>(value: &T) -> (usize, usize) {
    let bytes = to_vec(value).expect("it is small");
    let Expansion { per_byte, fixed } = T::SHAPE.expansion(&Limits::new());
    memory::start();
    let decoded = from_slice::<T>(&bytes).expect("it was encoded so");
    let peak = memory::peak();
    drop(decoded);
    (peak, fixed + per_byte * bytes.len())
}

#[track_caller]
fn is_bounded<T: Encode + DecodeOwned>(value: &T) {
    let (taken, bound) = taken_and_bound(value);
    assert!(taken <= 2 * bound + 4096, "{}: {taken} bytes, {bound} are said", type_name::<T>());
}

/// Also bounded below: by a bound that is far too high, honest Commands would be held up.
#[track_caller]
fn is_bounded_closely<T: Encode + DecodeOwned>(value: &T, factor: usize) {
    is_bounded(value);
    let (taken, bound) = taken_and_bound(value);
    assert!(bound <= factor * taken + 4096, "{}: {bound} are said, {taken} bytes", type_name::<T>());
}

#[test]
fn what_a_shape_says_bounds_what_the_worst_values_take() {
    const MANY: usize = 100_000;
    is_bounded_closely(&vec![None::<[u64; 17]>; MANY], 1);
    is_bounded_closely(&vec![String::new(); MANY], 2);
    is_bounded_closely(&vec!["a".to_owned(); MANY], 3);
    is_bounded_closely(&vec![Vec::<Vec<u8>>::new(); MANY], 4);
    is_bounded_closely(&vec![vec![vec![7_u8]]; MANY], 4);
    is_bounded_closely(&vec![7_u64; MANY], 2);
    is_bounded_closely(&"a".repeat(MANY), 2);
    is_bounded_closely(&(1..=MANY as u32).collect::<BTreeSet<_>>(), 8);
    is_bounded_closely(&(1..=100_u8).map(|n| (n, None::<[u64; 17]>)).collect::<HashMap<_, _>>(), 4);
    is_bounded(&(1..=MANY as u32).map(|n| (n, String::new())).collect::<BTreeMap<_, _>>());
    is_bounded_closely(&vec![Box::new(7_u8); MANY], 5);
    is_bounded(&(0..MANY).map(|_| Nested(Box::new(Inner(Box::new(1))))).collect::<Vec<_>>());
    is_bounded(&(0..MANY).map(|_| Either::Large(Box::new([None; 200]))).collect::<Vec<_>>());
    is_bounded_closely(&(0..MANY).map(|_| Either::Nothing).collect::<Vec<_>>(), 4);
    is_bounded(&Shared((0..1000).map(|_| Rc::new([0; 8])).collect()));
    is_bounded(&vec![vec![[1_u8; 32]]; MANY]);
}

#[test]
fn a_type_that_contains_itself_has_a_bound() {
    let leaf = || Node { children: Vec::new(), next: None };
    is_bounded_closely(&Node { children: (0..10_000).map(|_| leaf()).collect(), next: None }, 4);
    let chain = (0..50).fold(leaf(), |next, _| Node { children: Vec::new(), next: Some(Box::new(next)) });
    is_bounded_closely(&chain, 8);
    let tree =
        (0..12).fold(leaf(), |node, _| Node { children: vec![node, leaf()], next: Some(Box::new(leaf())) });
    is_bounded_closely(&tree, 8);
}

#[test]
fn what_a_type_takes_once_does_not_count_for_each_byte() {
    let of = |shape: mus_format::Shape| shape.expansion(&Limits::new());
    use mus_format::Decode;
    assert_eq!(of(u64::SHAPE), Expansion { per_byte: 1, fixed: 0 });
    assert_eq!(of(String::SHAPE).per_byte, 1);
    assert_eq!(of(<Vec<u8>>::SHAPE).per_byte, 1);
    assert_eq!(of(<Box<[u8; 4096]>>::SHAPE).per_byte, 1);
    assert!((4096..4200).contains(&of(<Box<[u8; 4096]>>::SHAPE).fixed));
    // Each has a bound of its own.
    assert_eq!(of(<Vec<()>>::SHAPE), Expansion { per_byte: 1, fixed: 32 });
    assert!(of(<Vec<Box<()>>>::SHAPE).fixed > Limits::EMPTY_ELEMENTS);
}

#[test]
fn a_value_is_measured_before_it_is_decoded() {
    let (value, limits) = (vec![vec!["one".to_owned()], vec![], vec!["two".to_owned()]], Limits::new());
    let len = to_vec(&value).expect("it is small").len();
    let bytes = [to_vec(&value).expect("it is small"), vec![7; 100]].concat();
    let mut progress = Progress::default();
    for there in 0..len {
        assert_eq!(progress.measure::<Vec<Vec<String>>>(&bytes[..there], &limits), None);
        let answer = progress.decode::<Vec<Vec<String>>>(&bytes[..there], &limits);
        assert!(matches!(answer, Decoded::Incomplete(_)), "{there}: {answer:?}");
    }
    for _ in 0..2 {
        assert_eq!(progress.measure::<Vec<Vec<String>>>(&bytes, &limits), Some(len));
    }
    let answer = progress.decode::<Vec<Vec<String>>>(&bytes, &limits);
    assert!(matches!(answer, Decoded::Value(decoded, taken) if decoded == value && taken == len));
    // Whoever asks reckons with all that is there.
    let nothing = [0xff; 30];
    assert_eq!(progress.measure::<Vec<Vec<String>>>(&nothing, &limits), Some(30));
    assert!(matches!(progress.decode::<Vec<Vec<String>>>(&nothing, &limits), Decoded::Invalid(_)));
}
