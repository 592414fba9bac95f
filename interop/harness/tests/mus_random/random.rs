//! Random values from a seed. Numbers have all sizes equally often, and the edges of each size more often.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

/// SplitMix64: any seed will do.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn any<T: Any>(&mut self) -> T {
        T::any(self)
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A number of elements: mostly small, and sometimes so large that the length takes two bytes.
    pub(crate) fn length(&mut self) -> usize {
        if self.one_in(100) { 120 + self.below(20) } else { self.below(6) }
    }

    /// Values for this many elements.
    pub(crate) fn collect<T: Any, C: FromIterator<T>>(&mut self, length: usize) -> C {
        (0..length).map(|_| self.any()).collect()
    }

    /// Up to 64 bits: every number of bits is equally likely, and one number in eight is all ones or a power of two.
    fn sized_bits(&mut self) -> u64 {
        let ones = u64::MAX.checked_shr(self.below(65) as u32).unwrap_or(0);
        match self.below(16) {
            0 => ones,
            1 => ones.wrapping_add(1),
            _ => self.bits() & ones,
        }
    }
}

/// A type that has random values.
pub(crate) trait Any {
    fn any(random: &mut Random) -> Self;
}

macro_rules! unsigned {
    ($($type:ty)*) => { $(
        impl Any for $type {
            fn any(random: &mut Random) -> Self {
                random.sized_bits() as $type
            }
        }
    )* };
}

unsigned! { u8 u16 u32 u64 usize }

macro_rules! signed {
    ($($type:ty)*) => { $(
        impl Any for $type {
            fn any(random: &mut Random) -> Self {
                let number = random.sized_bits() as $type;
                if random.one_in(2) { !number } else { number }
            }
        }
    )* };
}

signed! { i8 i16 i32 i64 isize }

macro_rules! floats {
    ($($type:ty: $bits:ty)*) => { $(
        /// All bit patterns, including those of NaN, and simple numbers.
        impl Any for $type {
            fn any(random: &mut Random) -> Self {
                const SPECIAL: [$type; 8] =
                    [0.0, -0.0, 1.0, -1.5, <$type>::INFINITY, <$type>::NEG_INFINITY, <$type>::NAN, <$type>::MIN];
                if random.one_in(4) { random.pick(&SPECIAL) } else { Self::from_bits(random.bits() as $bits) }
            }
        }
    )* };
}

floats! { f32: u32 f64: u64 }

impl Any for bool {
    fn any(random: &mut Random) -> Self {
        random.one_in(2)
    }
}

impl Any for () {
    fn any(_: &mut Random) -> Self {}
}

/// Mostly ASCII, and characters of two, three and four bytes.
impl Any for char {
    fn any(random: &mut Random) -> Self {
        let end = random.pick(&[0x80, 0x80, 0x80, 0x800, 0x1_0000, 0x11_0000]);
        Self::from_u32(random.below(end) as u32).unwrap_or(Self::REPLACEMENT_CHARACTER)
    }
}

impl Any for String {
    fn any(random: &mut Random) -> Self {
        let length = random.length();
        random.collect::<char, _>(length)
    }
}

impl<T: Any> Any for Vec<T> {
    fn any(random: &mut Random) -> Self {
        let length = random.length();
        random.collect(length)
    }
}

impl<T: Any, const N: usize> Any for [T; N] {
    fn any(random: &mut Random) -> Self {
        std::array::from_fn(|_| random.any())
    }
}

impl<T: Any> Any for Option<T> {
    fn any(random: &mut Random) -> Self {
        (!random.one_in(4)).then(|| random.any())
    }
}

impl<K: Any, V: Any> Any for (K, V) {
    fn any(random: &mut Random) -> Self {
        (random.any(), random.any())
    }
}

impl<K: Any + Ord, V: Any> Any for BTreeMap<K, V> {
    fn any(random: &mut Random) -> Self {
        let length = random.length();
        random.collect(length)
    }
}

impl<T: Any + Ord> Any for BTreeSet<T> {
    fn any(random: &mut Random) -> Self {
        let length = random.length();
        random.collect(length)
    }
}

/// The range of Go's type.
impl Any for Duration {
    fn any(random: &mut Random) -> Self {
        Self::from_nanos(random.any::<u64>() >> 1)
    }
}

/// Within 292 years of 1970, so that 64 bits of nanoseconds hold it.
impl Any for SystemTime {
    fn any(random: &mut Random) -> Self {
        let distance = random.any::<Duration>();
        if random.one_in(2) { Self::UNIX_EPOCH + distance } else { Self::UNIX_EPOCH - distance }
    }
}
