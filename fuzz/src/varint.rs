//! Varints, compared with an implementation written only for this.

use std::fmt::Debug;

use cmd_stream::proto::frame::{Seq, Tag};
use cmd_stream::proto::varint::{self, Unsigned};
use cmd_stream::proto::{Decoded, Fault};

use super::memory::measure;

/// The meaning of the bytes of a varint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Number {
    /// A number, and the bytes it took.
    Whole(u64, usize),
    /// The bytes end before the number does.
    Cut,
    /// Too large, which is certain after this many bytes.
    Overflow(usize),
}

/// Reads a number of `bits` bits, by the table of how many bytes each width may have on the wire.
pub fn reference(bits: u32, bytes: &[u8]) -> Number {
    let (most, last) = match bits {
        64 => (10, 0x01),
        32 => (5, 0x0f),
        16 => (3, 0x03),
        8 => (2, 0x01),
        _ => panic!("there are no numbers of {bits} bits"),
    };
    let (mut number, mut unit) = (0_u128, 1_u128);
    for (at, byte) in bytes.iter().enumerate() {
        let is_last_allowed = at + 1 == most;
        if is_last_allowed && *byte > last {
            return Number::Overflow(most);
        }
        number += u128::from(byte % 128) * unit;
        unit *= 128;
        if *byte < 128 {
            return Number::Whole(u64::try_from(number).expect("the table allows no more"), at + 1);
        }
    }
    Number::Cut
}

/// Returns the shortest form of a number.
fn reference_encode(mut number: u64) -> Vec<u8> {
    let mut bytes = vec![(number % 128) as u8];
    while number >= 128 {
        *bytes.last_mut().expect("it begins with one byte") += 128;
        number /= 128;
        bytes.push((number % 128) as u8);
    }
    bytes
}

/// Converts the library's result to that of the reference.
fn answer<U: Into<u64>>(decoded: Decoded<U>) -> Number {
    match decoded {
        Decoded::Value(number, taken) => Number::Whole(number.into(), taken),
        Decoded::Incomplete(missing) => {
            assert_eq!(missing.get(), 1, "more may not be missing");
            Number::Cut
        }
        Decoded::Invalid(error) => {
            assert!(matches!(error.fault, Fault::VarintOverflow), "{error:?}");
            Number::Overflow(error.at)
        }
    }
}

fn agree<U: Unsigned + Debug>(bytes: &[u8]) {
    let expected = reference(U::BITS, bytes);
    let (decoded, used) = measure(|| varint::decode::<U>(bytes));
    assert_eq!(used.total, 0);
    assert_eq!(answer(decoded), expected, "{} bits of {bytes:02x?}", U::BITS);

    let (Number::Whole(_, end) | Number::Overflow(end)) = expected else { return };
    for cut in 0..end {
        assert_eq!(answer(varint::decode::<U>(&bytes[..cut])), Number::Cut, "{bytes:02x?} cut at {cut}");
    }
    assert_eq!(answer(varint::decode::<U>(&bytes[..end])), expected, "without what is behind it");

    let Decoded::Value(number, taken) = varint::decode::<U>(bytes) else { return };
    let mut encoded = Vec::new();
    varint::encode(number, &mut encoded);
    assert_eq!(encoded, reference_encode(number.into()));
    assert_eq!(encoded.len(), varint::len(number.into()));
    assert!(encoded.len() <= taken, "the encoded form is the shortest");
    assert_eq!(answer(varint::decode::<U>(&encoded)), Number::Whole(number.into(), encoded.len()));
}

/// Checks numbers of each width at the start of the bytes.
pub fn check(data: &[u8]) {
    agree::<u8>(data);
    agree::<u16>(data);
    agree::<u32>(data);
    agree::<u64>(data);

    let expected = reference(64, data);
    match (varint::decode_length(data), expected) {
        (Decoded::Invalid(error), Number::Whole(number, taken)) => {
            let Fault::NegativeLength(length) = error.fault else { panic!("{error:?}") };
            assert_eq!((length, error.at), (number as i64, taken));
            assert!(length < 0);
        }
        (decoded, _) => {
            if let Decoded::Value(length, _) = decoded {
                assert!(length < 1 << 63);
            }
            assert_eq!(answer(decoded), expected);
        }
    }
    if let (Decoded::Value(tag, taken), Number::Whole(number, end)) = (Tag::decode(data), expected) {
        assert_eq!((tag.get(), taken), (number as i64, end));
        let (mut as_tag, mut as_seq) = (Vec::new(), Vec::new());
        tag.encode(&mut as_tag);
        Seq::new(tag.get()).encode(&mut as_seq);
        assert_eq!(as_tag, reference_encode(number));
        assert_eq!(as_seq, as_tag);
    } else {
        assert!(!matches!(expected, Number::Whole(..)), "a tag is any number of 64 bits");
    }

    let mut number = [0; 8];
    let len = data.len().min(8);
    number[..len].copy_from_slice(&data[..len]);
    let number = i64::from_le_bytes(number);
    let mapped = if number >= 0 { 2 * i128::from(number) } else { -2 * i128::from(number) - 1 };
    assert_eq!(i128::from(varint::zigzag(number)), mapped);
    assert_eq!(varint::unzigzag(varint::zigzag(number)), number);
}
