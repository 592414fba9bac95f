//! Sets and maps: a length, then that many elements, or keys each followed by its value. If a key repeats, the last
//! value wins.

use alloc::collections::{BTreeMap, BTreeSet};
#[cfg(feature = "std")]
use core::hash::{BuildHasher, Hash};
#[cfg(feature = "std")]
use std::collections::{HashMap, HashSet};

use super::sequences::write;
use super::{DecodeAs, Elements, EncodeAs, Length, Of, RawInside, Unsaid, decode_raw_as, encode_raw_as};
use crate::decode::Decode;
use crate::encode::Encode;
use crate::output::Output;
use crate::reader::{Reader, Stopped};
use crate::shape::Shape;

/// Implements sets, given the bounds of the element and of the other parameters, and an expression that creates a set
/// for a number of elements.
macro_rules! sets {
    ($($type:ident [$($other:ident: $($bound:ident)+),*] where $($element:ident)+, $make:expr;)*) => {$(
        impl<T, $($other,)* L: Length, const MAX: usize, E: EncodeAs<T>, K: Unsaid> EncodeAs<$type<T, $($other)*>> for Of<L, MAX, E, K> {
            #[inline]
            fn encode_as<O: Output + ?Sized>(value: &$type<T, $($other)*>, out: &mut O) {
                write::<T, L, MAX, O>(value.len(), E::HAS_BYTES, out, |out| {
                    for element in value {
                        E::encode_as(element, out);
                    }
                });
            }
        }

        impl<'de, T: $($element +)+, $($other: $($bound +)+,)* L: Length, const MAX: usize, E: DecodeAs<'de, T>, K: Unsaid>
            DecodeAs<'de, $type<T, $($other)*>> for Of<L, MAX, E, K>
        {
            const SHAPE: Shape = Shape::sequence::<L>(MAX, size_of::<T>(), || const { &[E::SHAPE] }).in_table();

            #[inline]
            fn decode_as(reader: &mut Reader<'de>) -> Result<$type<T, $($other)*>, Stopped> {
                reader.nest(|reader| {
                    let count = reader.length::<L>(MAX)?;
                    reader.expect_elements(count, &const { E::SHAPE }, size_of::<T>())?;
                    let mut set: $type<T, $($other)*> = $make(table_capacity::<T>(reader, count));
                    for _ in 0..count {
                        set.insert(E::decode_as(reader)?);
                    }
                    Ok(set)
                })
            }
        }

        impl<T: Encode, $($other)*> Encode for $type<T, $($other)*> {
            const HAS_BYTES: bool = true;

            #[inline]
            fn encode<O: Output + ?Sized>(&self, out: &mut O) {
                <Of>::encode_as(self, out);
            }

            encode_raw_as!(RawInside);
        }

        impl<'de, T: Decode<'de> $(+ $element)+, $($other: $($bound +)+)*> Decode<'de> for $type<T, $($other)*> {
            const SHAPE: Shape = <Of as DecodeAs<'de, Self>>::SHAPE;

            #[inline]
            fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
                <Of>::decode_as(reader)
            }

            decode_raw_as!('de RawInside);
        }

        impl<T, $($other)*> Elements for $type<T, $($other)*> {
            type Element = T;
            type Key = ();
        }
    )*};
}
sets!(BTreeSet [] where Ord, |_| BTreeSet::new(););
#[cfg(feature = "std")]
sets! {
    HashSet [S: BuildHasher Default] where Eq Hash, |count| HashSet::with_capacity_and_hasher(count, S::default());
}

/// Implements maps, like [`sets`].
macro_rules! maps {
    ($($type:ident [$($other:ident: $($bound:ident)+),*] where $($key:ident)+, $make:expr;)*) => {$(
        impl<T, V, $($other,)* L: Length, const MAX: usize, E: EncodeAs<V>, K: EncodeAs<T>>
            EncodeAs<$type<T, V, $($other)*>> for Of<L, MAX, E, K>
        {
            #[inline]
            fn encode_as<O: Output + ?Sized>(value: &$type<T, V, $($other)*>, out: &mut O) {
                write::<(T, V), L, MAX, O>(value.len(), K::HAS_BYTES || E::HAS_BYTES, out, |out| {
                    for (key, value) in value {
                        K::encode_as(key, out);
                        E::encode_as(value, out);
                    }
                });
            }
        }

        impl<'de, T: $($key +)+, V, $($other: $($bound +)+,)* L: Length, const MAX: usize, E, K>
            DecodeAs<'de, $type<T, V, $($other)*>> for Of<L, MAX, E, K>
        where
            E: DecodeAs<'de, V>,
            K: DecodeAs<'de, T>,
        {
            const SHAPE: Shape =
                Shape::sequence::<L>(MAX, size_of::<(T, V)>(), || const { &[K::SHAPE, E::SHAPE] }).in_table();

            #[inline]
            fn decode_as(reader: &mut Reader<'de>) -> Result<$type<T, V, $($other)*>, Stopped> {
                reader.nest(|reader| {
                    let count = reader.length::<L>(MAX)?;
                    let pair = const { Shape::fields(&[K::SHAPE, E::SHAPE]) };
                    reader.expect_elements(count, &pair, size_of::<(T, V)>())?;
                    let mut map: $type<T, V, $($other)*> = $make(table_capacity::<(T, V)>(reader, count));
                    for _ in 0..count {
                        let key = K::decode_as(reader)?;
                        map.insert(key, E::decode_as(reader)?);
                    }
                    Ok(map)
                })
            }
        }

        impl<T: Encode, V: Encode, $($other)*> Encode for $type<T, V, $($other)*> {
            const HAS_BYTES: bool = true;

            #[inline]
            fn encode<O: Output + ?Sized>(&self, out: &mut O) {
                <Of>::encode_as(self, out);
            }

            encode_raw_as!(RawInside);
        }

        impl<'de, T: Decode<'de> $(+ $key)+, V: Decode<'de>, $($other: $($bound +)+)*> Decode<'de>
            for $type<T, V, $($other)*>
        {
            const SHAPE: Shape = <Of as DecodeAs<'de, Self>>::SHAPE;

            #[inline]
            fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
                <Of>::decode_as(reader)
            }

            decode_raw_as!('de RawInside);
        }

        impl<T, V, $($other)*> Elements for $type<T, V, $($other)*> {
            type Element = V;
            type Key = T;
        }
    )*};
}
maps!(BTreeMap [] where Ord, |_| BTreeMap::new(););
#[cfg(feature = "std")]
maps! {
    HashMap [S: BuildHasher Default] where Eq Hash, |count| HashMap::with_capacity_and_hasher(count, S::default());
}

/// Returns for how many elements a hash table may reserve memory. It has up to 16/7 slots per element, and a byte more
/// per slot.
#[inline]
fn table_capacity<T>(reader: &mut Reader<'_>, count: usize) -> usize {
    reader.capacity(count, 3 * (size_of::<T>() + 1))
}
