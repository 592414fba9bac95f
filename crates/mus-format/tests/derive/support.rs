//! Ways to compare values with bytes, which are written as hex.

use std::fmt::Debug;

use mus_format::{Decode, Decoded, Encode, Error, Limits, Progress, decode, from_slice, size, to_vec};

/// The value is written as these bytes and read from them, at once and byte by byte; without its last bytes it is
/// incomplete.
#[track_caller]
pub(crate) fn same<'de, T>(value: &T, bytes: &'de [u8])
where
    T: Encode + Decode<'de> + PartialEq + Debug,
{
    assert_eq!(hex(&to_vec(value).expect("a value that can be written")), hex(bytes));
    assert_eq!(size(value).expect("a value that can be written"), bytes.len());
    assert_eq!(&from_slice::<T>(bytes).expect("a value"), value);
    let mut progress = Progress::default();
    for end in 0..bytes.len() {
        let Decoded::Incomplete(missing) = decode::<T>(&bytes[..end]) else {
            panic!("a value of {end} bytes")
        };
        assert!(missing.get() <= bytes.len() - end, "{missing} are missing after {end} bytes");
        let piece = progress.decode::<T>(&bytes[..end], &Limits::new());
        assert!(matches!(piece, Decoded::Incomplete(missing) if missing.get() <= bytes.len() - end));
    }
    match progress.decode::<T>(bytes, &Limits::new()) {
        Decoded::Value(piecewise, taken) => assert_eq!((&piecewise, taken), (value, bytes.len())),
        other => panic!("{other:?}"),
    }
}

/// [`same`] for bytes in hex.
#[track_caller]
pub(crate) fn stands_as<T>(value: &T, hex: &str)
where
    T: Encode + for<'de> Decode<'de> + PartialEq + Debug,
{
    same(value, &unhex(hex));
}

/// What is wrong with these bytes, whether they come at once or not.
#[track_caller]
pub(crate) fn fault<T: for<'de> Decode<'de> + Debug>(hex: &str) -> Error {
    let bytes = unhex(hex);
    let Decoded::Invalid(error) = decode::<T>(&bytes) else { panic!("{hex} is taken for a value") };
    let mut progress = Progress::default();
    let piecewise =
        (0..=bytes.len()).find_map(|end| match progress.decode::<T>(&bytes[..end], &Limits::new()) {
            Decoded::Invalid(error) => Some(error),
            Decoded::Incomplete(_) => None,
            Decoded::Value(..) => panic!("{hex} is taken for a value in pieces"),
        });
    let piecewise = piecewise.expect("an error");
    assert_eq!((piecewise.fault.to_string(), piecewise.at), (error.fault.to_string(), error.at));
    error
}

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| *byte != b' ').collect();
    testkit::unhex(std::str::from_utf8(&digits).expect("hex"))
}

fn hex(bytes: &[u8]) -> String {
    testkit::hex(bytes)
}
