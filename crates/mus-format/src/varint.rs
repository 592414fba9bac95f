//! Varints: LEB128, seven bits per byte, least significant first. Knows nothing of readers and outputs.
//!
//! A number that does not fit its type is refused at the last byte it could have. Longer forms than necessary are
//! accepted within that limit, as in Go. (Go accepts 8-bit numbers of any length and drops their high bits. Here they
//! have a limit like the others.)

/// The unsigned integers that are encoded as varints: `u8`, `u16`, `u32` and `u64`.
///
/// Signed integers are mapped to these first: by zigzag, or as their unchanged bits in the encoding called *positive*.
pub trait Unsigned: Copy + sealed::Sealed {
    /// The number of bits of the type.
    const BITS: u32;

    /// Returns the lowest bits of a number.
    #[doc(hidden)]
    fn truncated(value: u64) -> Self;
}

mod sealed {
    #[expect(unnameable_types, reason = "only this crate implements or reads it")]
    pub trait Sealed {}
}

macro_rules! unsigned {
    ($($type:ident),*) => {$(
        impl sealed::Sealed for $type {}
        impl Unsigned for $type {
            const BITS: u32 = <$type>::BITS;

            #[inline]
            fn truncated(value: u64) -> Self {
                value as Self
            }
        }
    )*};
}
unsigned!(u8, u16, u32, u64);

/// What was found at the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A number, and the bytes it takes.
    Number(u64, usize),
    /// The bytes end inside it.
    Cut,
    /// The number has more bits than its type, which is certain after this many bytes.
    Overflow(usize),
}

/// Returns the most bytes that a number of `bits` bits takes.
pub(crate) const fn max_len(bits: u32) -> usize {
    bits.div_ceil(7) as usize
}

/// Returns the number of bytes that a number takes.
#[inline]
pub(crate) const fn len(value: u64) -> usize {
    // The bits divided by 7, rounded up. 9/64 is close enough to 1/7 for 1 to 64 bits, and avoids a division.
    let bits = u64::BITS - (value | 1).leading_zeros();
    ((bits * 9 + 64) >> 6) as usize
}

/// Returns the length of the number at the start of `bytes`, if it is shorter than the longest number of `bits` bits.
/// Shorter ones cannot overflow.
#[inline]
pub(crate) const fn short_len(bytes: [u8; 8], bits: u32) -> Option<usize> {
    let ends = !u64::from_le_bytes(bytes) & CONTINUES;
    let len = (ends.trailing_zeros() as usize + 1) / 8;
    if ends != 0 && len < max_len(bits) { Some(len) } else { None }
}

/// The bit in each of eight bytes that says that another byte follows.
const CONTINUES: u64 = 0x8080_8080_8080_8080;

/// Finds a number of `bits` bits, looking at eight bytes at once, so that its length hardly matters. Needs ten bytes,
/// which surely hold all of it, and returns `None` if there are fewer; [`find`] does without.
#[inline]
pub(crate) fn find_at_once(bytes: &[u8], bits: u32) -> Option<Found> {
    let Some((first, [ninth, tenth, ..])) = bytes.split_first_chunk() else { return None };
    let word = u64::from_le_bytes(*first);
    let ends = !word & CONTINUES;
    let most = max_len(bits);
    let (value, taken, last) = if ends != 0 {
        // Keep the bytes of the number.
        let word = word & (ends ^ (ends - 1));
        let taken = (ends.trailing_zeros() as usize + 1) / 8;
        (groups(word), taken, (word >> (8 * (taken - 1))) as u8)
    } else if *ninth < 0x80 {
        (groups(word) | u64::from(*ninth) << 56, 9, *ninth)
    } else {
        (groups(word) | u64::from(ninth & 0x7f) << 56 | u64::from(*tenth) << 63, 10, *tenth)
    };
    // Only some bits of the last possible byte belong to the number.
    let fits = taken < most || taken == most && u32::from(last) >> (bits - 7 * (most as u32 - 1)) == 0;
    Some(if fits { Found::Number(value, taken) } else { Found::Overflow(most) })
}

/// Finds a number of `bits` bits at the start of `bytes`, byte by byte.
#[inline(never)]
pub(crate) fn find(bytes: &[u8], bits: u32) -> Found {
    let most = max_len(bits);
    let mut value = 0;
    for (at, &byte) in bytes.iter().enumerate().take(most) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if at + 1 == most && u32::from(byte) >> (bits - 7 * at as u32) != 0 {
            return Found::Overflow(most);
        }
        if byte < 0x80 {
            return Found::Number(value, at + 1);
        }
    }
    Found::Cut
}

/// Joins the lowest seven bits of each of eight bytes.
#[inline]
const fn groups(word: u64) -> u64 {
    let word = word & 0x7f7f_7f7f_7f7f_7f7f;
    let word = (word & 0x007f_007f_007f_007f) | ((word & 0x7f00_7f00_7f00_7f00) >> 1);
    let word = (word & 0x0000_3fff_0000_3fff) | ((word & 0x3fff_0000_3fff_0000) >> 2);
    (word & 0x0fff_ffff) | ((word & 0x0fff_ffff_0000_0000) >> 4)
}

/// The room that the bytes of a number are written with, of which as many are kept as it has.
pub(crate) const ROOM: usize = 16;

/// Returns the bytes of a number of 15 to 28 bits, and how many there are.
#[inline]
pub(crate) const fn bytes_of_28_bits(value: u32) -> ([u8; 4], usize) {
    let has_four = (value >> 21) as usize != 0;
    // As in `spread`, of half as many bits.
    let halves = value + 3 * (value & 0x0fff_c000);
    let groups = halves + (halves & 0x3f80_3f80);
    ((groups | 0x8080 | (has_four as u32) << 23).to_le_bytes(), 3 + has_four as usize)
}

/// Returns the bytes of a number, and how many there are.
///
/// Where lengths are mixed, branches would be mispredicted: there is one, at 56 bits, as few numbers are near it.
#[inline]
pub(crate) const fn bytes(value: u64) -> ([u8; ROOM], usize) {
    const LOW: u64 = (1 << 56) - 1;
    if value <= LOW {
        let groups = spread(value);
        // The bits of the empty bytes before the last one.
        let empty = (groups | 1).leading_zeros() & !7;
        let continues = (CONTINUES >> 8) >> empty;
        return (((groups | continues) as u128).to_le_bytes(), 8 - empty as usize / 8);
    }
    // The ninth byte ends with the highest bit, which also says that there is a tenth.
    let last = (value >> 56) | ((value >> 63) << 8);
    let first = spread(value & LOW) | CONTINUES;
    ((first as u128 | (last as u128) << 64).to_le_bytes(), 9 + (value >> 63) as usize)
}

/// Spreads a number of 56 bits over eight bytes, seven in each.
#[inline]
const fn spread(value: u64) -> u64 {
    // Makes room in the middle, of each half, and of each quarter. To add 15 times the upper part moves it by 4 bits.
    let value = value + 15 * (value & 0x00ff_ffff_f000_0000);
    let value = value + 3 * (value & 0x0fff_c000_0fff_c000);
    value + (value & 0x3f80_3f80_3f80_3f80)
}

/// Maps a signed number to an unsigned one so that small numbers of either sign stay small: 0, -1, 1, -2 become 0, 1,
/// 2, 3. The result fits the width of the original type.
#[inline]
pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// Reverses [`zigzag`].
#[inline]
pub(crate) const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WIDTHS: [u32; 4] = [8, 16, 32, 64];

    proptest! {
        #[test]
        fn a_number_of_any_size_round_trips_in_the_length_that_len_says(value: u64, shift in 0..64) {
            let value = value >> shift;
            let (bytes, taken) = bytes(value);
            prop_assert_eq!(taken, len(value));
            prop_assert_eq!(bytes[taken - 1] >> 7, 0);
            if (1 << 14..1 << 28).contains(&value) {
                let (short, taken_by_short) = bytes_of_28_bits(value as u32);
                prop_assert_eq!((&short[..], taken_by_short), (&bytes[..4], taken));
            }
            for bits in WIDTHS {
                let found = find(&bytes[..taken], bits);
                if bits == 64 || value >> bits == 0 {
                    prop_assert_eq!(found, Found::Number(value, taken));
                } else {
                    prop_assert_eq!(found, Found::Overflow(max_len(bits)));
                }
            }
            for cut in 0..taken {
                prop_assert_eq!(find(&bytes[..cut], 64), Found::Cut);
            }
        }

        #[test]
        fn eight_bytes_at_once_are_read_like_single_ones(bytes: [u8; 10], continued in 0_usize..11) {
            let mut bytes = bytes;
            for byte in &mut bytes[..continued] {
                *byte |= 0x80;
            }
            for bits in WIDTHS {
                prop_assert_eq!(find_at_once(&bytes, bits), Some(find(&bytes, bits)));
                prop_assert_eq!(find_at_once(&bytes[1..], bits), None);
                let [a, b, c, d, e, f, g, h, ..] = bytes;
                let short = match find(&bytes, bits) {
                    Found::Number(_, len) if len < max_len(bits).min(9) => Some(len),
                    _ => None,
                };
                prop_assert_eq!(short_len([a, b, c, d, e, f, g, h], bits), short);
            }
        }

        #[test]
        fn zigzag_round_trips(value: i64) {
            prop_assert_eq!(unzigzag(zigzag(value)), value);
        }
    }

    #[test]
    fn zigzag_of_a_narrow_number_fits_its_width() {
        for value in i8::MIN..=i8::MAX {
            assert!(zigzag(value.into()) <= u8::MAX.into());
        }
        assert_eq!(zigzag(i16::MIN.into()), u16::MAX.into());
        assert_eq!(zigzag(i32::MIN.into()), u32::MAX.into());
    }
}
