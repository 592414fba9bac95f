//! Varints: LEB128, seven bits per byte, least significant first. Knows nothing of frames.
//!
//! A number that does not fit its type is refused at the last byte it could have. Longer forms than necessary are
//! accepted within that limit, as in Go. (Go accepts 8-bit numbers of any length and drops their high bits. Here they
//! have a limit like the others.)

use super::decode::{Decoded, Fault};

/// The most bytes that a 64-bit number takes.
pub const MAX_LEN: usize = max_len(64);

const fn max_len(bits: u32) -> usize {
    bits.div_ceil(7) as usize
}

/// The unsigned integers that are encoded as varints: `u8`, `u16`, `u32` and `u64`.
///
/// Signed integers are mapped to these first: by [`zigzag`], or by a plain cast in the encoding called *positive*.
pub trait Unsigned: Copy + Into<u64> + TryFrom<u64> {
    /// The number of bits of the type.
    const BITS: u32;
}

macro_rules! unsigned {
    ($($type:ident),*) => {$(
        impl Unsigned for $type {
            const BITS: u32 = <$type>::BITS;
        }
    )*};
}
unsigned!(u8, u16, u32, u64);

/// Decodes a number from the start of `bytes`.
///
/// ```
/// use cmd_stream::proto::{varint, Decoded};
///
/// assert!(matches!(varint::decode::<u16>(&[0xac, 0x02, 0xff]), Decoded::Value(300, 2)));
/// assert!(matches!(varint::decode::<u16>(&[0xff, 0xff, 0xff]), Decoded::Invalid(_)));
/// ```
#[inline]
pub fn decode<U: Unsigned>(bytes: &[u8]) -> Decoded<U> {
    let mut value = 0;
    for (at, &byte) in bytes.iter().enumerate().take(max_len(U::BITS)) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        let ends = byte < 0x80;
        if at + 1 == max_len(U::BITS) && (!ends || u64::from(byte) >> (U::BITS - 7 * at as u32) != 0) {
            return Decoded::invalid(Fault::VarintOverflow, at + 1);
        }
        if ends && let Ok(value) = U::try_from(value) {
            return Decoded::Value(value, at + 1);
        }
    }
    Decoded::incomplete(1)
}

/// Decodes a length: a 64-bit number that must not be negative as a signed one.
#[inline]
pub fn decode_length(bytes: &[u8]) -> Decoded<u64> {
    match decode::<u64>(bytes) {
        Decoded::Value(value, taken) if value.cast_signed() < 0 => {
            Decoded::invalid(Fault::NegativeLength(value.cast_signed()), taken)
        }
        other => other,
    }
}

/// Appends `value`.
///
/// ```
/// let mut out = Vec::new();
/// cmd_stream::proto::varint::encode(300_u64, &mut out);
/// assert_eq!(out, [0xac, 0x02]);
/// ```
#[inline]
pub fn encode<U: Unsigned>(value: U, out: &mut Vec<u8>) {
    let mut value: u64 = value.into();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Returns the number of bytes that `value` takes.
#[inline]
pub const fn len(value: u64) -> usize {
    max_len(u64::BITS - (value | 1).leading_zeros())
}

/// Maps a signed number to an unsigned one so that small numbers of either sign stay small: 0, -1, 1, -2 become 0, 1,
/// 2, 3.
#[inline]
pub const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// Reverses [`zigzag`].
#[inline]
pub const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_number_round_trips_in_the_length_that_len_says(value: u64) {
            let mut out = Vec::new();
            encode(value, &mut out);
            prop_assert_eq!(out.len(), len(value));
            prop_assert!(matches!(decode::<u64>(&out), Decoded::Value(back, taken) if back == value && taken == out.len()));
            for cut in 0..out.len() {
                prop_assert!(matches!(decode::<u64>(&out[..cut]), Decoded::Incomplete(_)));
            }
        }

        #[test]
        fn a_number_fits_its_type_or_is_refused(value: u64) {
            let mut out = Vec::new();
            encode(value, &mut out);
            match decode::<u16>(&out) {
                Decoded::Value(back, _) => prop_assert_eq!(u64::from(back), value),
                Decoded::Invalid(error) => prop_assert!(value > u64::from(u16::MAX) && error.at == 3),
                Decoded::Incomplete(_) => prop_assert!(false),
            }
        }

        #[test]
        fn any_bytes_are_a_number_or_incomplete_or_refused_at_the_tenth(bytes: Vec<u8>) {
            match decode::<u64>(&bytes) {
                Decoded::Value(_, taken) => prop_assert!(taken <= MAX_LEN),
                Decoded::Incomplete(_) => prop_assert!(bytes.len() < MAX_LEN),
                Decoded::Invalid(error) => prop_assert_eq!(error.at, MAX_LEN),
            }
        }

        #[test]
        fn zigzag_round_trips(value: i64) {
            prop_assert_eq!(unzigzag(zigzag(value)), value);
        }
    }

    #[test]
    fn lengths_below_zero_are_refused() {
        let minus_one = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert!(matches!(
            decode_length(&minus_one),
            Decoded::Invalid(error) if matches!(error.fault, Fault::NegativeLength(-1)) && error.at == 10
        ));
    }
}
