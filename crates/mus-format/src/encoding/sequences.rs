//! Sequences: a length, then that many elements. Slices, vectors, arrays, and bytes, which are encoded like other
//! elements but can be borrowed.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
#[cfg(target_has_atomic = "ptr")]
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::lengths::write_length;
use super::{DecodeAs, Elements, EncodeAs, Length, Of, RawInside, Unsaid, decode_raw_as, encode_raw_as};
use crate::decode::{Decode, is_large};
use crate::encode::Encode;
use crate::error::Fault;
use crate::output::Output;
use crate::reader::{Reader, Stopped};
use crate::shape::Shape;

/// Writes a length, and then the elements by `write`, one level deeper. `T` is the type of an element, as large as one is in
/// memory. `has_bytes` says whether each surely takes bytes.
#[inline]
pub(super) fn write<T, L: Length, const MAX: usize, O: Output + ?Sized>(
    length: usize,
    has_bytes: bool,
    out: &mut O,
    write: impl FnOnce(&mut O),
) {
    out.nest(|out| {
        write_length::<L, MAX, O>(length, out);
        let start = out.written();
        write(out);
        if !has_bytes {
            charge_if_empty::<T, O>(length, start, out);
        }
    });
}

/// Charges elements of type `T` to the budget for elements without bytes, if nothing was written since `start`.
#[inline]
pub(super) fn charge_if_empty<T, O: Output + ?Sized>(count: usize, start: usize, out: &mut O) {
    if out.written() == start && count > 0 {
        out.state().charge(count, size_of::<T>());
    }
}

/// Reads a length, and then that many elements by `read`, one level deeper.
#[inline]
fn read<'de, L: Length, const MAX: usize, E: DecodeAs<'de, T>, T, S>(
    reader: &mut Reader<'de>,
    read: impl FnOnce(&mut Reader<'de>, usize) -> Result<S, Stopped>,
) -> Result<S, Stopped> {
    reader.nest(|reader| {
        let count = reader.length::<L>(MAX)?;
        reader.expect_elements(count, &const { E::SHAPE }, size_of::<T>())?;
        read(reader, count)
    })
}

impl<T, L: Length, const MAX: usize, E: EncodeAs<T>, K: Unsaid> EncodeAs<[T]> for Of<L, MAX, E, K> {
    const HAS_BYTES: bool = true;

    #[inline]
    fn encode_as<O: Output + ?Sized>(value: &[T], out: &mut O) {
        write::<T, L, MAX, O>(value.len(), E::HAS_BYTES, out, |out| E::encode_slice_as(value, out));
    }
}

impl<T: Encode> Encode for [T] {
    const HAS_BYTES: bool = true;

    #[inline]
    fn encode<O: Output + ?Sized>(&self, out: &mut O) {
        <Of>::encode_as(self, out);
    }

    encode_raw_as!(RawInside);
}

impl<T> Elements for [T] {
    type Element = T;
    type Key = ();
}

/// Types that own a slice.
macro_rules! slices {
    ($($type:ident)*) => {$(
        impl<T, L: Length, const MAX: usize, E: EncodeAs<T>, K: Unsaid> EncodeAs<$type<[T]>> for Of<L, MAX, E, K> {
            const HAS_BYTES: bool = true;

            #[inline]
            fn encode_as<O: Output + ?Sized>(value: &$type<[T]>, out: &mut O) {
                <Self as EncodeAs<[T]>>::encode_as(value, out);
            }
        }

        impl<'de, T, L: Length, const MAX: usize, E: DecodeAs<'de, T>, K: Unsaid> DecodeAs<'de, $type<[T]>> for Of<L, MAX, E, K> {
            const SHAPE: Shape = <Self as DecodeAs<'de, Vec<T>>>::SHAPE;

            #[inline]
            fn decode_as(reader: &mut Reader<'de>) -> Result<$type<[T]>, Stopped> {
                <Self as DecodeAs<'de, Vec<T>>>::decode_as(reader).map(<$type<[T]>>::from)
            }
        }

        impl<T: Encode> Encode for $type<[T]> {
            const HAS_BYTES: bool = true;

            #[inline]
            fn encode<O: Output + ?Sized>(&self, out: &mut O) {
                <[T]>::encode(self, out);
            }

            encode_raw_as!(RawInside);
        }

        impl<'de, T: Decode<'de>> Decode<'de> for $type<[T]> {
            const SHAPE: Shape = <Vec<T>>::SHAPE;

            #[inline]
            fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
                <Vec<T>>::decode(reader).map(Self::from)
            }

            decode_raw_as!('de RawInside);
        }

        impl<T> Elements for $type<[T]> {
            type Element = T;
            type Key = ();
        }
    )*};
}
slices!(Box Rc);
#[cfg(target_has_atomic = "ptr")]
slices!(Arc);

/// The length must be that of the type.
impl<T, L: Length, const MAX: usize, E: EncodeAs<T>, const N: usize, K: Unsaid> EncodeAs<[T; N]>
    for Of<L, MAX, E, K>
{
    const HAS_BYTES: bool = true;

    #[inline]
    fn encode_as<O: Output + ?Sized>(value: &[T; N], out: &mut O) {
        <Self as EncodeAs<[T]>>::encode_as(value, out);
    }
}

impl<'de, T, L: Length, const MAX: usize, E: DecodeAs<'de, T>, const N: usize, K: Unsaid>
    DecodeAs<'de, [T; N]> for Of<L, MAX, E, K>
{
    const SHAPE: Shape = Shape::array::<L>(MAX, N, size_of::<T>(), || const { &[E::SHAPE] });

    #[inline]
    fn decode_as(reader: &mut Reader<'de>) -> Result<[T; N], Stopped> {
        // Each way is a function of its own: without optimization, a function has stack for all ways that it could take.
        match is_large::<[Option<T>; N]>() {
            true => Self::decode_boxed_as(reader).map(|values| *values),
            false => small_array::<L, MAX, E, T, N>(reader),
        }
    }

    /// Collected on the heap, where it stays.
    #[inline]
    fn decode_boxed_as(reader: &mut Reader<'de>) -> Result<Box<[T; N]>, Stopped> {
        reader.nest(|reader| {
            begin_array::<L, MAX, E, T, N>(reader)?;
            let values = E::decode_vec_as(reader, N)?;
            match values.into_boxed_slice().try_into() {
                Ok(values) => Ok(values),
                Err(_) => unreachable!("that many were read"),
            }
        })
    }
}

#[inline]
fn small_array<'de, L: Length, const MAX: usize, E: DecodeAs<'de, T>, T, const N: usize>(
    reader: &mut Reader<'de>,
) -> Result<[T; N], Stopped> {
    reader.nest(|reader| {
        begin_array::<L, MAX, E, T, N>(reader)?;
        E::decode_array_as(reader)
    })
}

/// Reads the length of an array, and checks that its elements can follow.
#[inline]
fn begin_array<'de, L: Length, const MAX: usize, E: DecodeAs<'de, T>, T, const N: usize>(
    reader: &mut Reader<'de>,
) -> Result<(), Stopped> {
    let count = reader.length::<L>(MAX)?;
    if count != N {
        return Err(wrong_length(reader, count, N));
    }
    reader.expect_elements(count, &const { E::SHAPE }, size_of::<T>())
}

#[cold]
fn wrong_length(reader: &mut Reader<'_>, count: usize, expected: usize) -> Stopped {
    let length = count as u64;
    reader.invalid(match count > expected {
        true => Fault::TooLong { length, limit: expected },
        false => Fault::WrongLength { length, expected },
    })
}

impl<T: Encode, const N: usize> Encode for [T; N] {
    const HAS_BYTES: bool = true;

    #[inline]
    fn encode<O: Output + ?Sized>(&self, out: &mut O) {
        <[T]>::encode(self, out);
    }

    encode_raw_as!(RawInside);
}

impl<'de, T: Decode<'de>, const N: usize> Decode<'de> for [T; N] {
    const SHAPE: Shape = <Of as DecodeAs<'de, Self>>::SHAPE;

    #[inline]
    fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
        <Of>::decode_as(reader)
    }

    #[inline]
    fn decode_boxed(reader: &mut Reader<'de>) -> Result<Box<Self>, Stopped> {
        <Of>::decode_boxed_as(reader)
    }

    decode_raw_as!('de RawInside);
}

impl<T, const N: usize> Elements for [T; N] {
    type Element = T;
    type Key = ();
}

/// Sequences that can grow, and the slices that make up their contents.
macro_rules! growing {
    ($($type:ident: $slices:expr;)*) => {$(
        impl<T, L: Length, const MAX: usize, E: EncodeAs<T>, K: Unsaid> EncodeAs<$type<T>> for Of<L, MAX, E, K> {
            const HAS_BYTES: bool = true;

            #[inline]
            fn encode_as<O: Output + ?Sized>(value: &$type<T>, out: &mut O) {
                write::<T, L, MAX, O>(value.len(), E::HAS_BYTES, out, |out| {
                    for slice in $slices(value) {
                        E::encode_slice_as(slice, out);
                    }
                });
            }
        }

        impl<'de, T, L: Length, const MAX: usize, E: DecodeAs<'de, T>, K: Unsaid> DecodeAs<'de, $type<T>> for Of<L, MAX, E, K> {
            const SHAPE: Shape = Shape::sequence::<L>(MAX, size_of::<T>(), || const { &[E::SHAPE] });

            #[inline]
            fn decode_as(reader: &mut Reader<'de>) -> Result<$type<T>, Stopped> {
                read::<L, MAX, E, T, _>(reader, E::decode_vec_as).map($type::from)
            }
        }

        impl<T: Encode> Encode for $type<T> {
            const HAS_BYTES: bool = true;

            #[inline]
            fn encode<O: Output + ?Sized>(&self, out: &mut O) {
                <Of>::encode_as(self, out);
            }

            encode_raw_as!(RawInside);
        }

        impl<'de, T: Decode<'de>> Decode<'de> for $type<T> {
            const SHAPE: Shape = <Of as DecodeAs<'de, Self>>::SHAPE;

            #[inline]
            fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
                <Of>::decode_as(reader)
            }

            decode_raw_as!('de RawInside);
        }

        impl<T> Elements for $type<T> {
            type Element = T;
            type Key = ();
        }
    )*};
}
growing! {
    Vec: |value| [Vec::as_slice(value)];
    VecDeque: |value| <[_; 2]>::from(VecDeque::as_slices(value));
}

/// Bytes that need not be copied. `read` creates them from the bytes that are decoded.
macro_rules! bytes {
    ($([$($generics:tt)*] $type:ty: $read:expr;)*) => {$(
        impl<'de $($generics)*, L: Length, const MAX: usize, E: Unsaid, K: Unsaid> DecodeAs<'de, $type> for Of<L, MAX, E, K> {
            const SHAPE: Shape = Shape::sequence::<L>(MAX, 1, || const { &[Shape::fixed(1)] });

            #[inline]
            fn decode_as(reader: &mut Reader<'de>) -> Result<$type, Stopped> {
                reader.nest(|reader| reader.bytes::<L>(MAX)).map($read)
            }
        }

        impl<'de $($generics)*> Decode<'de> for $type {
            const SHAPE: Shape = <Of as DecodeAs<'de, Self>>::SHAPE;

            #[inline]
            fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
                <Of>::decode_as(reader)
            }
        }
    )*};
}
bytes!([: 'a, 'a] &'a [u8]: |bytes| bytes;);

#[cfg(feature = "bytes")]
mod shared {
    use bytes::Bytes;

    use super::*;

    bytes!([] Bytes: Bytes::copy_from_slice;);

    impl<L: Length, const MAX: usize, E: Unsaid, K: Unsaid> EncodeAs<Bytes> for Of<L, MAX, E, K> {
        const HAS_BYTES: bool = true;

        #[inline]
        fn encode_as<O: Output + ?Sized>(value: &Bytes, out: &mut O) {
            <Of<L, MAX> as EncodeAs<[u8]>>::encode_as(value, out);
        }
    }

    impl Encode for Bytes {
        const HAS_BYTES: bool = true;

        #[inline]
        fn encode<O: Output + ?Sized>(&self, out: &mut O) {
            <[u8]>::encode(self, out);
        }
    }
}
