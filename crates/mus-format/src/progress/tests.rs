//! The work is linear. It is counted, not timed.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use std::thread_local;

use super::scanner::{Scan, Scanner};
use super::*;
use crate::{Encode, Fault, Reader, Shape, Stopped, to_vec};

thread_local! {
    /// The number of [`Seen`] values decoded.
    static DECODED: Cell<usize> = const { Cell::new(0) };
}

/// A string whose decoding is counted.
#[derive(Debug)]
struct Seen;

impl<'de> Decode<'de> for Seen {
    const SHAPE: Shape = <&str>::SHAPE;

    fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
        DECODED.set(DECODED.get() + 1);
        <&str>::decode(reader).map(|_| Self)
    }
}

/// A linked list: each element is two levels deeper than the one before.
struct Chain(usize);

impl Encode for Chain {
    fn encode<O: crate::Output + ?Sized>(&self, out: &mut O) {
        if self.0 == 0 {
            return out.byte(1);
        }
        out.byte(0);
        Self(self.0 - 1).encode(out);
    }
}

#[derive(Debug)]
struct Link(#[expect(dead_code, reason = "it is only decoded")] Option<Box<Self>>);

impl<'de> Decode<'de> for Link {
    const SHAPE: Shape = Shape::fields(const { &[<Option<Box<Self>>>::SHAPE] });

    fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
        Decode::decode(reader).map(Self)
    }
}

/// Scans bytes that arrive in pieces and counts the items examined and the calls. `next` is given the bytes that are
/// there and those missing, and returns how many are there next.
fn items<T: for<'de> Decode<'de>>(
    bytes: &[u8],
    mut next: impl FnMut(usize, usize) -> usize,
) -> (usize, usize) {
    let mut scanner = Scanner::new(const { &[T::SHAPE] }, &Limits::new());
    let (mut there, mut calls) = (0, 0);
    loop {
        calls += 1;
        match scanner.scan(&bytes[..there.min(bytes.len())]) {
            Scan::Incomplete(missing) => there = next(there, missing.get()),
            Scan::End => return (scanner.items, calls),
            Scan::Fault => panic!("these bytes are a value"),
        }
    }
}

fn scans_each_item_once<T: for<'de> Decode<'de>>(value: &impl Encode, most_calls: usize) {
    let bytes = to_vec(value).unwrap();
    let (whole, once) = items::<T>(&bytes, |_, _| bytes.len());
    assert_eq!(once, 2);
    assert!(whole > 0);
    // Only the item at which a scan stopped may be examined again.
    for step in [1, 2, 7, 100, 16 << 10] {
        let (pieces, calls) = items::<T>(&bytes, |there, _| there + step);
        assert!(pieces <= whole + calls, "{pieces} items instead of {whole} in {calls} pieces");
    }
    let (pieces, calls) = items::<T>(&bytes, |there, missing| there + missing);
    assert!(pieces <= whole + calls);
    assert!(calls <= most_calls, "asked {calls} times");
}

#[test]
fn a_scan_looks_at_no_item_twice_but_at_the_one_where_it_stopped() {
    let strings: Vec<_> = (0..5000_usize).map(|length| "x".repeat(length % 60)).collect();
    // Each call asks at least for what all strings to come need.
    scans_each_item_once::<Vec<String>>(&strings, 300);
    let nested: Vec<_> = strings.chunks(10).map(|some| ((1_u64, Some(2.5)), some.to_vec())).collect();
    scans_each_item_once::<Vec<((u64, Option<f64>), Vec<String>)>>(&nested, 700);
    scans_each_item_once::<Vec<u32>>(&(0..10_000).collect::<Vec<u32>>(), 200);
    scans_each_item_once::<Vec<Vec<f64>>>(&Vec::from([Vec::from([0.5; 1000]), Vec::from([1.5; 1000])]), 8);
    scans_each_item_once::<String>(&"x".repeat(1 << 20), 8);
    scans_each_item_once::<Vec<Link>>(&(0..100).map(|_| Chain(63)).collect::<Vec<_>>(), 6500);
}

#[test]
fn a_value_is_decoded_when_it_begins_and_when_it_is_whole() {
    let strings: Vec<_> = (0..1000_usize).map(|length| "x".repeat(length % 60)).collect();
    let bytes = to_vec(&strings).unwrap();
    let limits = Limits::new();
    // The first attempt decodes what has arrived by then, and only the last one decodes it again.
    for first in [0, 100, 20_000, bytes.len() - 1] {
        let mut progress = Progress::default();
        DECODED.set(0);
        assert!(matches!(progress.decode::<Vec<Seen>>(&bytes[..first], &limits), Decoded::Incomplete(_)));
        for there in first..bytes.len() {
            assert!(matches!(progress.decode::<Vec<Seen>>(&bytes[..there], &limits), Decoded::Incomplete(_)));
        }
        assert!(DECODED.get() <= strings.len());
        DECODED.set(0);
        assert!(
            matches!(progress.decode::<Vec<Seen>>(&bytes, &limits), Decoded::Value(_, taken) if taken == bytes.len())
        );
        assert_eq!(DECODED.get(), strings.len());
    }
    // A value that arrives whole is decoded once.
    DECODED.set(0);
    assert!(matches!(Progress::default().decode::<Vec<Seen>>(&bytes, &limits), Decoded::Value(..)));
    assert_eq!(DECODED.get(), strings.len());
}

#[test]
fn after_a_value_or_a_fault_the_next_value_begins() {
    let limits = Limits::new();
    let mut progress = Progress::default();
    for _ in 0..2 {
        assert!(matches!(progress.decode::<(u16, bool)>(&[0x80], &limits), Decoded::Incomplete(_)));
        assert!(matches!(
            progress.decode::<(u16, bool)>(&[0x80, 1, 1], &limits),
            Decoded::Value((128, true), 3)
        ));
        assert!(matches!(progress.decode::<(u16, bool)>(&[0x80], &limits), Decoded::Incomplete(_)));
        assert!(matches!(
            progress.decode::<(u16, bool)>(&[0x80, 1, 2], &limits),
            Decoded::Invalid(error) if matches!(error.fault, Fault::InvalidBool(2)) && error.at == 3
        ));
    }
    assert!(matches!(progress.decode::<Link>(&[], &limits), Decoded::Incomplete(_)));
    assert!(matches!(progress.decode::<Link>(&[0, 1], &limits), Decoded::Value(_, 2)));
}
