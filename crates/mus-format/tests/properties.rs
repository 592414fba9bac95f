//! What holds for any value and for any bytes, checked for many types.

#[path = "support/pieces.rs"]
mod pieces;
#[path = "properties/types.rs"]
mod types;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mus_format::{
    DecodeOwned, Decoded, Encode, Fault, Limits, Progress, append, decode, encode, size, to_vec,
};
use pieces::in_pieces;
use proptest::prelude::*;
use proptest::sample::Index;
#[cfg(any(feature = "chrono", feature = "time"))]
use types::Times;
use types::{AllRaw, Float, Floats, Numbers, Options, Shared, TextOf, Tree, Typed, ViaU32};

/// A type that the properties hold for.
trait Value: Encode + DecodeOwned + PartialEq + Debug {}

impl<T: Encode + DecodeOwned + PartialEq + Debug> Value for T {}

/// A value is decoded as it was encoded, from as many bytes as its size says.
fn round_trips<T: Value>(value: &T) -> Result<(), TestCaseError> {
    let bytes = to_vec(value).expect("encodes");
    prop_assert_eq!(size(value).expect("encodes"), bytes.len());
    let mut behind = vec![7];
    encode(value, &mut behind).expect("encodes");
    append(value, &mut behind).expect("encodes");
    // A hash table may be written in any order, so all three are decoded.
    prop_assert_eq!(behind.len(), 1 + 2 * bytes.len());
    for start in [&bytes, &behind[1..], &behind[1 + bytes.len()..]] {
        let answer = decode::<T>(start);
        prop_assert!(
            matches!(&answer, Decoded::Value(back, taken) if back == value && *taken == bytes.len()),
            "{:?}",
            answer
        );
    }
    Ok(())
}

/// A value is written in the same bytes, behind what was there, whatever room the buffer has.
fn fits_any_room<T: Value>(value: &T) -> Result<(), TestCaseError> {
    const BEFORE: [u8; 3] = [7, 8, 9];
    let bytes = to_vec(value).expect("encodes");
    let near = bytes.len().saturating_sub(24)..=bytes.len() + 24; // the longest number is written with 16 bytes
    for room in (0..bytes.len().min(24)).chain(near) {
        let mut out = Vec::with_capacity(BEFORE.len() + room);
        out.extend_from_slice(&BEFORE);
        append(value, &mut out).expect("encodes");
        prop_assert_eq!(&out[..BEFORE.len()], BEFORE);
        prop_assert_eq!(&out[BEFORE.len()..], &bytes, "with room for {}", room);
    }
    // Only of such a type it is not looked at whether an element has bytes.
    prop_assert!(!T::HAS_BYTES || T::SHAPE.min_size() > 0);
    Ok(())
}

/// While bytes of a value are missing it is incomplete, and what is asked for is not more than what is missing.
fn prefixes_are_incomplete<T: Value>(value: &T) -> Result<(), TestCaseError> {
    let bytes = to_vec(value).expect("encodes");
    let (mut progress, limits) = (Progress::default(), Limits::new());
    for cut in 0..bytes.len() {
        let start = &bytes[..cut];
        let begun = progress.decode(start, &limits);
        for answer in [decode::<T>(start), Progress::default().decode(start, &limits), begun] {
            prop_assert!(
                matches!(&answer, Decoded::Incomplete(missing) if missing.get() <= bytes.len() - cut),
                "{:?} of {} of {:?}",
                answer,
                cut,
                bytes
            );
        }
    }
    Ok(())
}

/// Whatever bytes decode to is a value: it round-trips.
fn bytes_are_a_value_or_refused<T: Value>(bytes: &[u8]) -> Result<(), TestCaseError> {
    match decode::<T>(bytes) {
        Decoded::Value(value, taken) => {
            prop_assert!(taken <= bytes.len());
            round_trips(&value)
        }
        Decoded::Invalid(error) => {
            prop_assert!(error.at <= bytes.len());
            Ok(())
        }
        Decoded::Incomplete(_) => Ok(()),
    }
}

/// However bytes are cut, the answer is the one to the whole. `beyond`: how many more than those that were asked for
/// arrive each time, again and again.
fn pieces_are_answered_like_the_whole<T: Value>(bytes: &[u8], beyond: &[u8]) -> Result<(), TestCaseError> {
    let mut beyond = beyond.iter().cycle().map(|more| usize::from(*more));
    let pieces = in_pieces::<T>(bytes, &Limits::new(), || beyond.next().unwrap_or(0));
    let whole = decode::<T>(bytes);
    let alike = match (&pieces, &whole) {
        (Decoded::Value(piecewise, a), Decoded::Value(value, b)) => piecewise == value && a == b,
        (Decoded::Incomplete(_), Decoded::Incomplete(_)) => true,
        (Decoded::Invalid(a), Decoded::Invalid(b)) => a.at == b.at && format!("{a}") == format!("{b}"),
        // What is wrong with the content alone is told once the value is whole.
        (Decoded::Incomplete(_), Decoded::Invalid(error)) => matches!(
            error.fault,
            Fault::InvalidUtf8 | Fault::OutOfRange | Fault::Validation(_) | Fault::UnknownPointer(0..)
        ),
        _ => false,
    };
    prop_assert!(alike, "{:?} in pieces, {:?} whole: {:?}", pieces, whole, bytes);
    Ok(())
}

/// Changes to the bytes of a value: at a place, to a byte; or what follows is cut off.
type Changes = Vec<(Index, Option<u8>)>;

fn changed(mut bytes: Vec<u8>, changes: &Changes) -> Vec<u8> {
    for (at, to) in changes {
        if bytes.is_empty() {
            break;
        }
        let at = at.index(bytes.len());
        match to {
            Some(byte) => bytes[at] = *byte,
            None => bytes.truncate(at),
        }
    }
    bytes
}

/// Bytes that are often small numbers: short lengths, flags, tags.
fn some_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![0_u8..4, any::<u8>()], 0..64)
}

fn some_changes() -> impl Strategy<Value = Changes> {
    let to = prop_oneof![4 => (0_u8..4).prop_map(Some), 4 => any::<u8>().prop_map(Some), 1 => Just(None)];
    prop::collection::vec((any::<Index>(), to), 1..4)
}

macro_rules! properties {
    ($($name:ident: $type:ty = $strategy:expr;)*) => {$(
        proptest! {
            #[test]
            fn $name(
                value in $strategy,
                bytes in some_bytes(),
                changes in some_changes(),
                beyond in prop::collection::vec(0_u8..24, 1..8),
            ) {
                round_trips::<$type>(&value)?;
                fits_any_room::<$type>(&value)?;
                prefixes_are_incomplete::<$type>(&value)?;
                let encoded = to_vec(&value).expect("encodes");
                for bytes in [bytes, changed(encoded.clone(), &changes), encoded] {
                    bytes_are_a_value_or_refused::<$type>(&bytes)?;
                    pieces_are_answered_like_the_whole::<$type>(&bytes, &beyond)?;
                    pieces_are_answered_like_the_whole::<$type>(&bytes, &[0])?;
                }
            }
        }
    )*};
}
properties! {
    booleans: bool = any::<bool>();
    numbers: Numbers = any::<Numbers>();
    text: String = any::<String>();
    byte_sequences: Vec<u8> = any::<Vec<u8>>();
    single_floats: Floats = any::<Floats>();
    floats: Vec<Float> = prop::collection::vec(any::<Float>(), 0..12);
    texts: Vec<String> = prop::collection::vec(".{0,20}", 0..12);
    nothings: Vec<()> = prop::collection::vec(any::<()>(), 0..200);
    nested_sequences: Vec<Vec<Vec<u16>>> =
        prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u16>(), 0..5), 0..5), 0..5);
    queues: VecDeque<u32> = any::<VecDeque<u32>>();
    arrays: [Option<String>; 3] = any::<[Option<String>; 3]>();
    arrays_of_bytes: ([u8; 4], [i8; 3], [(); 5], [u32; 0]) = any::<([u8; 4], [i8; 3], [(); 5], [u32; 0])>();
    nested_options: Vec<Option<Option<bool>>> = any::<Vec<Option<Option<bool>>>>();
    owners: (Box<u16>, Rc<String>, Arc<i64>, Box<()>) = any::<(Box<u16>, Rc<String>, Arc<i64>, Box<()>)>();
    trees_of_maps: BTreeMap<String, Vec<Option<i64>>> =
        prop::collection::btree_map(".{0,6}", prop::collection::vec(any::<Option<i64>>(), 0..4), 0..6);
    hash_maps: HashMap<u16, String> = prop::collection::hash_map(any::<u16>(), ".{0,6}", 0..12);
    maps_to_fixed: BTreeMap<u8, Float> = prop::collection::btree_map(any::<u8>(), any::<Float>(), 0..12);
    sets: (BTreeSet<i16>, HashSet<String>) =
        (any::<BTreeSet<i16>>(), prop::collection::hash_set(".{0,6}", 0..6));
    durations: Duration = (0..=i64::MAX.cast_unsigned()).prop_map(Duration::from_nanos);
    recursive: Tree = Tree::any();
    recursive_sequences: Vec<Tree> = prop::collection::vec(Tree::any(), 0..4);
    shared: Shared = Shared::any();
    options: Options = any::<Options>();
    all_raw: AllRaw = AllRaw::any();
    typed: Vec<Typed> = prop::collection::vec(any::<Typed>(), 0..8);
}

// Types of other crates.
#[cfg(feature = "chrono")]
properties! {
    chrono_times: (chrono::DateTime<chrono::Utc>, Times<chrono::DateTime<chrono::Utc>>) = (
        (-8_334_601_228_800_i64..8_210_266_876_800).prop_map(|at| chrono::DateTime::from_timestamp(at, 0).expect("in range")),
        Times::any(|at, nanoseconds| chrono::DateTime::from_timestamp(at, nanoseconds).expect("in range")),
    );
}
#[cfg(feature = "time")]
properties! {
    times: (time::UtcDateTime, Times<time::UtcDateTime>, Times<time::OffsetDateTime>) = (
        (-377_705_116_800_i64..253_402_300_800).prop_map(|at| time::UtcDateTime::from_unix_timestamp(at).expect("in range")),
        Times::any(|at, nanoseconds| {
            let at = i128::from(at) * 1_000_000_000 + i128::from(nanoseconds);
            time::UtcDateTime::from_unix_timestamp_nanos(at).expect("in range")
        }),
        Times::any(|at, nanoseconds| {
            let at = i128::from(at) * 1_000_000_000 + i128::from(nanoseconds);
            time::OffsetDateTime::from_unix_timestamp_nanos(at).expect("in range")
        }),
    );
}
#[cfg(feature = "uuid")]
properties! {
    uuids: Vec<uuid::Uuid> = prop::collection::vec(any::<u128>().prop_map(uuid::Uuid::from_u128), 0..4);
}
#[cfg(feature = "rust_decimal")]
properties! {
    decimals: Vec<rust_decimal::Decimal> = prop::collection::vec(
        (any::<[u32; 3]>(), any::<bool>(), 0..=28_u32).prop_map(|([low, mid, high], negative, scale)| {
            rust_decimal::Decimal::from_parts(low, mid, high, negative, scale)
        }),
        0..4,
    );
}
properties! {
    texts_of_values: Vec<TextOf<std::net::SocketAddr>> =
        prop::collection::vec(any::<std::net::SocketAddrV4>().prop_map(|at| TextOf(at.into())), 0..4);
    conversions: Vec<ViaU32<char>> = prop::collection::vec(any::<char>().prop_map(ViaU32), 0..8);
}

proptest! {
    #[test]
    fn borrowed_values_are_those_that_own(text: String, bytes: Vec<u8>) {
        let encoded = to_vec(&(&*text, &*bytes)).expect("encodes");
        prop_assert_eq!(&encoded, &to_vec(&(&text, &bytes)).expect("encodes"));
        let answer = decode::<(&str, &[u8])>(&encoded);
        prop_assert!(matches!(answer, Decoded::Value((a, b), _) if a == text && b == bytes));
        for cut in 0..encoded.len() {
            prop_assert!(matches!(decode::<(&str, &[u8])>(&encoded[..cut]), Decoded::Incomplete(_)));
        }
    }
}
