//! The bytes of each type and encoding, as in the table in the README.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::marker::PhantomData;
use core::time::Duration;

use super::*;
use crate::{Decoded, EncodeError, append, decode, from_slice, size, to_vec};

/// A value whose encoding is `E`.
struct As<T, E>(T, PhantomData<E>);

impl<T, E: EncodeAs<T>> Encode for As<T, E> {
    fn encode<O: Output + ?Sized>(&self, out: &mut O) {
        E::encode_as(&self.0, out);
    }
}

impl<'de, T, E: DecodeAs<'de, T>> Decode<'de> for As<T, E> {
    const SHAPE: Shape = E::SHAPE;

    fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
        Ok(Self(E::decode_as(reader)?, PhantomData))
    }
}

/// Checks that the value encodes to these bytes, and that they decode to the value.
fn is<'de, E, T>(value: T, bytes: &'de [u8])
where
    T: PartialEq + Debug,
    E: EncodeAs<T> + DecodeAs<'de, T>,
{
    assert_eq!(from_slice::<As<T, E>>(bytes).ok().map(|As(value, _)| value).as_ref(), Some(&value));
    let value = As::<T, E>(value, PhantomData);
    assert_eq!(to_vec(&value).unwrap(), bytes, "{:?}", value.0);
    assert_eq!(size(&value).unwrap(), bytes.len());
    assert!(<As<T, E> as Decode>::SHAPE.min_size() <= bytes.len());
}

/// Returns what is wrong with the bytes, and after how many that was certain.
fn fault<'de, E: DecodeAs<'de, T>, T>(bytes: &'de [u8]) -> (Fault, usize) {
    match decode::<As<T, E>>(bytes) {
        Decoded::Invalid(error) => (error.fault, error.at),
        Decoded::Value(..) => panic!("a value"),
        Decoded::Incomplete(missing) => panic!("{missing} more"),
    }
}

#[test]
fn numbers_stand_as_their_encoding_says() {
    is::<Plain, _>(true, &[1]);
    is::<Plain, _>(200_u8, &[200]);
    is::<Varint, _>(200_u8, &[200, 1]);
    is::<Plain, _>(-1_i8, &[255]);
    is::<Varint, _>(-1_i8, &[1]);
    is::<Positive, _>(-1_i8, &[255, 1]);
    is::<Plain, _>(300_u16, &[172, 2]);
    is::<Raw, _>(300_u16, &[44, 1]);
    is::<Plain, _>(-300_i32, &[215, 4]);
    is::<Positive, _>(300_i32, &[172, 2]);
    is::<Positive, _>(-1_i32, &[255, 255, 255, 255, 15]);
    is::<Plain, _>(300_usize, &[172, 2]);
    is::<Raw, _>(-2_isize, &[254, 255, 255, 255, 255, 255, 255, 255]);
    is::<Positive, _>(1_isize, &[1]);
    is::<Plain, _>(1.5_f32, &[0, 0, 192, 63]);
    is::<Varint, _>(1.5_f32, &[128, 128, 128, 254, 3]);
    is::<Plain, _>((), &[]);
    is::<Plain, _>(PhantomData::<String>, &[]);
    is::<Plain, _>((1_u8, (2_u8, 3_u8)), &[1, 2, 3]);
}

#[test]
fn text_of_any_length_is_refused_where_the_standard_library_refuses_it() {
    // Longer text is checked by other code. Parts of it are looked at together: what is wrong may be at any place of them.
    for length in (0..5).chain(60..72).chain(124..132).chain([190]) {
        let text: Vec<u8> = "aé€😀".bytes().cycle().take(length).collect();
        for (at, byte) in (0..length).flat_map(|at| [0x7f, 0x80, 0xc0, 0xe2, 0xff].map(|byte| (at, byte))) {
            let mut text = text.clone();
            text[at] = byte;
            let bytes = to_vec(&text).unwrap();
            let expected = core::str::from_utf8(&text).ok();
            assert_eq!(from_slice::<&str>(&bytes).ok(), expected);
            assert_eq!(from_slice::<String>(&bytes).ok().as_deref(), expected);
            assert_eq!(from_slice::<Box<str>>(&bytes).ok().as_deref(), expected);
            assert_eq!(from_slice::<Rc<str>>(&bytes).ok().as_deref(), expected);
            assert_eq!(from_slice::<Arc<str>>(&bytes).ok().as_deref(), expected);
        }
    }
}

#[test]
fn text_stands_as_its_bytes_behind_their_number() {
    is::<Plain, _>("hi", &[2, b'h', b'i']);
    is::<Plain, _>(String::from("hi"), &[2, b'h', b'i']);
    is::<Plain, Box<str>>("hi".into(), &[2, b'h', b'i']);
    is::<Plain, Rc<str>>("hi".into(), &[2, b'h', b'i']);
    is::<Of<Varint>, Arc<str>>("hi".into(), &[4, b'h', b'i']);
    is::<Of<Raw, 2>, _>("hi", &[2, 0, 0, 0, 0, 0, 0, 0, b'h', b'i']);
    is::<Of<Positive, 2>, Cow<'_, str>>("hi".into(), &[2, b'h', b'i']);
    is::<Borrow, Cow<'_, str>>("hi".into(), &[2, b'h', b'i']);
    is::<Borrow, Cow<'_, [u8]>>([7][..].into(), &[1, 7]);
    assert!(matches!(fault::<Plain, &str>(&[1, 0xff]), (Fault::InvalidUtf8, 2)));
    assert!(matches!(fault::<Plain, Box<str>>(&[1, 0xff]), (Fault::InvalidUtf8, 2)));
    assert!(matches!(fault::<Plain, Rc<str>>(&[1, 0xff]), (Fault::InvalidUtf8, 2)));
}

#[test]
fn a_borrowed_value_is_not_copied_and_an_owned_one_is() {
    let bytes = [2, b'h', b'i'];
    let from = bytes[1..].as_ptr();
    assert_eq!(from_slice::<&str>(&bytes).unwrap().as_ptr(), from);
    assert_eq!(from_slice::<&[u8]>(&bytes).unwrap().as_ptr(), from);
    assert!(matches!(from_slice::<As<Cow<'_, str>, Borrow>>(&bytes), Ok(As(Cow::Borrowed("hi"), _))));
    assert!(matches!(from_slice::<Cow<'_, str>>(&bytes), Ok(Cow::Owned(_))));
}

#[test]
fn sequences_stand_as_their_elements_behind_their_number() {
    let bytes = &[2, 4, 6];
    is::<Plain, _>(Vec::from([2_i64, 3]), bytes);
    is::<Plain, _>(VecDeque::from([2_i64, 3]), bytes);
    is::<Plain, _>([2_i64, 3], bytes);
    is::<Plain, Box<[i64]>>([2, 3].into(), bytes);
    is::<Plain, Rc<[i64]>>([2, 3].into(), bytes);
    is::<Plain, Arc<[i64]>>([2, 3].into(), bytes);
    is::<Plain, _>(BTreeSet::from([2_i64, 3]), bytes);
    is::<Plain, &[u8]>(&[4, 6], bytes);
    is::<Plain, Cow<'_, [i64]>>(Vec::from([2, 3]).into(), bytes);
    is::<Of<Varint, 2, Raw>, _>(Vec::from([2_u16, 3]), &[4, 2, 0, 3, 0]);
    is::<Of<Raw, 1, Of<Varint>>, _>(["hi"], &[1, 0, 0, 0, 0, 0, 0, 0, 4, b'h', b'i']);
    is::<Plain, _>([1.5_f32; 2], &[2, 0, 0, 192, 63, 0, 0, 192, 63]);
    is::<Plain, _>([(); 0], &[0]);
    // A queue whose elements are in two slices.
    let mut queue = VecDeque::with_capacity(2);
    queue.extend([0_i64, 2]);
    queue.pop_front();
    queue.push_back(3);
    is::<Plain, _>(queue, bytes);
}

#[test]
fn maps_stand_as_keys_and_values_and_the_last_value_counts() {
    is::<Plain, _>(BTreeMap::from([(1_u8, "a"), (2, "b")]), &[2, 1, 1, b'a', 2, 1, b'b']);
    is::<Of<Varint, 1, Raw, Varint>, _>(BTreeMap::from([(-1_i8, 5_u16)]), &[2, 1, 5, 0]);
    let twice = [2, 1, 1, b'a', 1, 1, b'b'];
    assert_eq!(from_slice::<BTreeMap<u8, &str>>(&twice).unwrap(), BTreeMap::from([(1, "b")]));
    assert_eq!(from_slice::<BTreeSet<u8>>(&[2, 5, 5]).unwrap(), BTreeSet::from([5]));
}

#[cfg(feature = "std")]
#[test]
fn hash_tables_stand_as_sorted_ones_do() {
    use std::collections::{HashMap, HashSet};

    is::<Plain, _>(HashMap::<_, _>::from([(1_u8, "a")]), &[1, 1, 1, b'a']);
    is::<Of<Raw, 1, Plain, Varint>, _>(
        HashMap::<_, _>::from([(200_u8, ())]),
        &[1, 0, 0, 0, 0, 0, 0, 0, 200, 1],
    );
    is::<Plain, _>(HashSet::<_>::from([7_u8]), &[1, 7]);
    assert_eq!(from_slice::<HashMap<u8, u8>>(&[2, 1, 1, 1, 2]).unwrap(), HashMap::from([(1, 2)]));
}

#[cfg(feature = "bytes")]
#[test]
fn shared_bytes_stand_as_other_bytes_do() {
    is::<Plain, _>(bytes::Bytes::from_static(&[7, 8]), &[2, 7, 8]);
    is::<Of<Varint, 2>, _>(bytes::Bytes::from_static(&[7, 8]), &[4, 7, 8]);
}

#[test]
fn pointers_stand_as_a_flag_or_as_nothing() {
    is::<Plain, _>(None::<u8>, &[1]);
    is::<Plain, _>(Some(5_u8), &[0, 5]);
    is::<Plain, _>(Some(None::<u8>), &[0, 1]);
    is::<Of<Positive, { usize::MAX }, Raw>, _>(Some(5_u16), &[0, 5, 0]);
    is::<Plain, _>((Box::new(5_u8), Rc::new(6_u8), Arc::new(7_u8)), &[5, 6, 7]);
    is::<Of<Positive, { usize::MAX }, Raw>, _>(Box::new(5_u16), &[5, 0]);
    is::<Mapped<Raw>, _>(Rc::new(5_u16), &[2, 0, 5, 0]);
    is::<Mapped, _>(Some(Arc::new(5_u16)), &[2, 0, 5]);
    is::<Mapped, _>(None::<Rc<u16>>, &[1]);
    assert!(matches!(fault::<Plain, Option<u8>>(&[2]), (Fault::InvalidPointer(2), 1)));
    assert!(matches!(fault::<Mapped, Option<Rc<u8>>>(&[0, 0]), (Fault::InvalidPointer(0), 0)));
}

#[test]
fn pointers_of_all_types_share_their_ids() {
    type Pointers = (As<Rc<u8>, Mapped>, As<Arc<u8>, Mapped>, As<Rc<u8>, Mapped>, As<Arc<u8>, Mapped>);
    let (a, b) = (Rc::new(5), Arc::new(6));
    let (c, d) = (Rc::clone(&a), Arc::clone(&b));
    let pointers: Pointers = (As(a, PhantomData), As(b, PhantomData), As(c, PhantomData), As(d, PhantomData));
    let bytes = [2, 0, 5, 2, 1, 6, 2, 0, 2, 1];
    assert_eq!(to_vec(&pointers).unwrap(), bytes);
    // Each encoded value has ids of its own.
    assert_eq!(to_vec(&pointers).unwrap(), bytes);
    let back: Pointers = from_slice(&bytes).unwrap();
    assert!(Rc::ptr_eq(&back.0.0, &back.2.0) && Arc::ptr_eq(&back.1.0, &back.3.0));
}

#[test]
fn a_duration_is_gos_number_of_nanoseconds() {
    let longest = Duration::from_nanos(i64::MAX as u64);
    is::<Plain, _>(Duration::from_nanos(5), &[10]);
    is::<Positive, _>(Duration::from_nanos(5), &[5]);
    is::<Raw, _>(Duration::from_micros(1), &[232, 3, 0, 0, 0, 0, 0, 0]);
    is::<Raw, _>(longest, &[255, 255, 255, 255, 255, 255, 255, 127]);
    assert!(matches!(fault::<Plain, Duration>(&[1]), (Fault::OutOfRange, 1)));
    assert!(matches!(to_vec(&(longest + Duration::from_nanos(1))), Err(EncodeError::OutOfRange)));
}

#[cfg(feature = "std")]
#[test]
fn a_time_is_a_number_of_units_cut_off_towards_the_past() {
    use std::time::{SystemTime, UNIX_EPOCH};

    fn is<E: EncodeAs<SystemTime> + for<'de> DecodeAs<'de, SystemTime>>(
        time: SystemTime,
        count: i64,
        cut: SystemTime,
    ) {
        let bytes = to_vec(&As::<_, E>(time, PhantomData)).unwrap();
        assert_eq!(bytes, count.to_le_bytes());
        assert_eq!(from_slice::<As<SystemTime, E>>(&bytes).unwrap().0, cut);
    }

    let nanosecond = Duration::from_nanos(1);
    let after = UNIX_EPOCH + Duration::new(1, 2_003_004);
    let before = UNIX_EPOCH - nanosecond;
    is::<Seconds>(after, 1, UNIX_EPOCH + Duration::from_secs(1));
    is::<Milliseconds>(after, 1002, UNIX_EPOCH + Duration::from_millis(1002));
    is::<Microseconds>(after, 1_002_003, UNIX_EPOCH + Duration::from_micros(1_002_003));
    is::<Nanoseconds>(after, 1_002_003_004, after);
    is::<Seconds>(before, -1, UNIX_EPOCH - Duration::from_secs(1));
    is::<Milliseconds>(before, -1, UNIX_EPOCH - Duration::from_millis(1));
    is::<Nanoseconds>(before, -1, before);
    is::<Nanoseconds>(UNIX_EPOCH, 0, UNIX_EPOCH);

    let last = UNIX_EPOCH + Duration::from_nanos(i64::MAX as u64);
    is::<Nanoseconds>(last, i64::MAX, last);
    let error = to_vec(&As::<_, Nanoseconds>(last + nanosecond, PhantomData)).unwrap_err();
    assert!(matches!(error, EncodeError::OutOfRange));
}

#[test]
fn more_elements_than_the_maximum_are_neither_written_nor_read() {
    fn refused<'de, E, T>(value: T, bytes: &'de [u8])
    where
        T: PartialEq + Debug,
        E: EncodeAs<T> + DecodeAs<'de, T>,
    {
        let (value, mut out) = (As::<T, E>(value, PhantomData), Vec::from([7]));
        assert!(matches!(append(&value, &mut out), Err(EncodeError::TooLong { length: 3, limit: 2 })));
        assert_eq!(out, [7], "nothing was appended");
        assert!(matches!(size(&value), Err(EncodeError::TooLong { length: 3, limit: 2 })));
        assert!(matches!(fault::<E, T>(bytes), (Fault::TooLong { length: 3, limit: 2 }, 1)));
    }

    is::<Of<Positive, 3>, _>("abc", &[3, b'a', b'b', b'c']);
    refused::<Of<Positive, 2>, _>("abc", &[3]);
    refused::<Of<Positive, 2>, String>("abc".into(), &[3]);
    refused::<Of<Positive, 2>, Cow<'_, str>>("abc".into(), &[3]);
    refused::<Of<Varint, 2>, _>(Vec::from([1_u8, 2, 3]), &[6]);
    refused::<Of<Positive, 2>, &[u8]>(&[1, 2, 3], &[3]);
    refused::<Of<Positive, 2>, _>([1_u8, 2, 3], &[3]);
    refused::<Of<Positive, 2>, _>(BTreeSet::from([1_u8, 2, 3]), &[3]);
    refused::<Of<Positive, 2>, _>(BTreeMap::from([(1_u8, ()), (2, ()), (3, ())]), &[3]);
}

#[test]
fn a_check_runs_when_decoding_and_not_when_encoding() {
    struct Even;

    impl Validate<u8> for Even {
        fn validate(value: &u8) -> Result<(), Refusal> {
            if value.is_multiple_of(2) { Ok(()) } else { Err("odd".into()) }
        }
    }

    is::<Of<Positive, 9, Checked<Plain, Even>>, _>(Vec::from([2_u8, 4]), &[2, 2, 4]);
    assert_eq!(to_vec(&As::<_, Checked<Plain, Even>>(3_u8, PhantomData)).unwrap(), [3]);
    let odd = fault::<Of<Positive, 9, Checked<Plain, Even>>, Vec<u8>>(&[3, 2, 3, 4]);
    assert!(matches!(odd, (Fault::Validation(refusal), 3) if refusal.to_string() == "odd"));
}

#[test]
fn who_goes_on_after_a_fault_is_answered_for_what_came_last() {
    /// Tries a number, then as many bytes as the first one says.
    struct Either;

    impl Decode<'_> for Either {
        const SHAPE: Shape = Shape::fixed(0);

        fn decode(reader: &mut Reader<'_>) -> Result<Self, Stopped> {
            bool::decode(reader).map(drop).or_else(|_| reader.take(3).map(drop))?;
            Ok(Self)
        }
    }

    assert!(matches!(decode::<Either>(&[1]), Decoded::Value(_, 1)));
    assert!(matches!(decode::<Either>(&[9, 9, 9, 9]), Decoded::Value(_, 4)));
    assert!(matches!(decode::<Either>(&[9, 9]), Decoded::Incomplete(missing) if missing.get() == 2));
}
