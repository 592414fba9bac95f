//! Integers and floats, in each of their encodings. The default ones are listed at the end.

use alloc::vec::Vec;

use super::{DecodeAs, EncodeAs, Positive, Raw, Varint};
use crate::decode::Decode;
use crate::encode::Encode;
use crate::error::Fault;
use crate::output::Output;
use crate::reader::{Reader, Stopped};
use crate::shape::Shape;

/// Fixed width, little-endian.
macro_rules! raw {
    ($($type:ident)*) => {$(
        impl EncodeAs<$type> for Raw {
            const HAS_BYTES: bool = true;

            #[inline]
            fn encode_as<O: Output + ?Sized>(value: &$type, out: &mut O) {
                out.fixed(value.to_le_bytes());
            }

            #[inline]
            fn encode_slice_as<O: Output + ?Sized>(slice: &[$type], out: &mut O) {
                out.all_fixed(slice.iter().map(|value| value.to_le_bytes()));
            }
        }

        impl<'de> DecodeAs<'de, $type> for Raw {
            const SHAPE: Shape = Shape::fixed(size_of::<$type>());

            #[inline]
            fn decode_as(reader: &mut Reader<'de>) -> Result<$type, Stopped> {
                reader.fixed().map($type::from_le_bytes)
            }

            #[inline]
            fn decode_vec_as(reader: &mut Reader<'de>, count: usize) -> Result<Vec<$type>, Stopped> {
                let bytes = reader.take(count.saturating_mul(size_of::<$type>()))?;
                Ok(bytes.as_chunks().0.iter().map(|bytes| $type::from_le_bytes(*bytes)).collect())
            }

            #[inline]
            fn decode_array_as<const N: usize>(reader: &mut Reader<'de>) -> Result<[$type; N], Stopped> {
                let bytes = reader.take(N * size_of::<$type>())?.as_chunks().0;
                Ok(core::array::from_fn(|at| $type::from_le_bytes(bytes[at])))
            }
        }
    )*};
}
raw!(i8 u16 i16 u32 i32 u64 i64 f32 f64);

impl EncodeAs<u8> for Raw {
    const HAS_BYTES: bool = true;

    #[inline]
    fn encode_as<O: Output + ?Sized>(value: &u8, out: &mut O) {
        out.byte(*value);
    }

    #[inline]
    fn encode_slice_as<O: Output + ?Sized>(slice: &[u8], out: &mut O) {
        out.bytes(slice);
    }
}

impl<'de> DecodeAs<'de, u8> for Raw {
    const SHAPE: Shape = Shape::fixed(1);

    #[inline]
    fn decode_as(reader: &mut Reader<'de>) -> Result<u8, Stopped> {
        reader.byte()
    }

    #[inline]
    fn decode_vec_as(reader: &mut Reader<'de>, count: usize) -> Result<Vec<u8>, Stopped> {
        reader.take(count).map(<[u8]>::to_vec)
    }

    #[inline]
    fn decode_array_as<const N: usize>(reader: &mut Reader<'de>) -> Result<[u8; N], Stopped> {
        reader.fixed()
    }
}

/// Encodes a type through another one: `write` converts to it, `read` converts back.
macro_rules! through {
    ($($encoding:ident $type:ty: $wire:ident of $unsigned:ident, $write:expr, $read:expr;)*) => {$(
        impl EncodeAs<$type> for $encoding {
            const HAS_BYTES: bool = true;

            #[inline]
            fn encode_as<O: Output + ?Sized>(value: &$type, out: &mut O) {
                out.$wire($write(*value));
            }
        }

        impl<'de> DecodeAs<'de, $type> for $encoding {
            const SHAPE: Shape = Shape::varint::<$unsigned>();

            #[inline]
            fn decode_as(reader: &mut Reader<'de>) -> Result<$type, Stopped> {
                reader.$wire::<$unsigned>().map($read)
            }
        }
    )*};
}

macro_rules! varint {
    ($($unsigned:ident $signed:ident)*) => {through! {$(
        Varint $unsigned: varint of $unsigned, u64::from, |value| value;
        Varint $signed: zigzag of $unsigned, i64::from, |value| value as $signed;
        Positive $unsigned: varint of $unsigned, u64::from, |value| value;
        Positive $signed: varint of $unsigned, |value: $signed| value.cast_unsigned().into(), $unsigned::cast_signed;
    )*}};
}
varint!(u8 i8 u16 i16 u32 i32 u64 i64);

through! {
    Varint f32: varint of u32, |value: f32| value.to_bits().into(), f32::from_bits;
    Varint f64: varint of u64, f64::to_bits, f64::from_bits;
}

/// Encodes `usize` and `isize` in 64 bits.
macro_rules! address_sized {
    ($($type:ident as $wire:ident: $($encoding:ident)*;)*) => {$($(
        impl EncodeAs<$type> for $encoding {
            const HAS_BYTES: bool = true;

            #[inline]
            fn encode_as<O: Output + ?Sized>(value: &$type, out: &mut O) {
                Self::encode_as(&(*value as $wire), out);
            }
        }

        impl<'de> DecodeAs<'de, $type> for $encoding {
            const SHAPE: Shape = <Self as DecodeAs<'de, $wire>>::SHAPE;

            #[inline]
            fn decode_as(reader: &mut Reader<'de>) -> Result<$type, Stopped> {
                let value: $wire = Self::decode_as(reader)?;
                $type::try_from(value).map_err(|_| reader.invalid(Fault::OutOfRange))
            }
        }
    )*)*};
}
address_sized! {
    usize as u64: Raw Varint Positive;
    isize as i64: Raw Varint Positive;
}

/// Implements `Encode` and `Decode` by an encoding, and the part of [`AllRaw`](super::AllRaw) by another.
macro_rules! by_default {
    ($($encoding:ident $raw:ident: $($type:ty)*;)*) => {$($(
        impl $crate::Encode for $type {
            const HAS_BYTES: bool = <$encoding as $crate::encoding::EncodeAs<Self>>::HAS_BYTES;

            #[inline]
            fn encode<O: $crate::Output + ?Sized>(&self, out: &mut O) {
                <$encoding as $crate::encoding::EncodeAs<Self>>::encode_as(self, out);
            }

            #[inline]
            fn encode_slice<O: $crate::Output + ?Sized>(slice: &[Self], out: &mut O) {
                <$encoding as $crate::encoding::EncodeAs<Self>>::encode_slice_as(slice, out);
            }

            #[inline]
            fn encode_raw<O: $crate::Output + ?Sized>(&self, out: &mut O) {
                <$raw as $crate::encoding::EncodeAs<Self>>::encode_as(self, out);
            }

            #[inline]
            fn encode_raw_slice<O: $crate::Output + ?Sized>(slice: &[Self], out: &mut O) {
                <$raw as $crate::encoding::EncodeAs<Self>>::encode_slice_as(slice, out);
            }
        }

        impl<'de> $crate::Decode<'de> for $type {
            const SHAPE: $crate::Shape = <$encoding as $crate::encoding::DecodeAs<'de, Self>>::SHAPE;

            #[inline]
            fn decode(reader: &mut $crate::Reader<'de>) -> Result<Self, $crate::Stopped> {
                $encoding::decode_as(reader)
            }

            #[inline]
            fn decode_vec(
                reader: &mut $crate::Reader<'de>,
                count: usize,
            ) -> Result<alloc::vec::Vec<Self>, $crate::Stopped> {
                $encoding::decode_vec_as(reader, count)
            }

            #[inline]
            fn decode_array<const N: usize>(reader: &mut $crate::Reader<'de>) -> Result<[Self; N], $crate::Stopped> {
                $encoding::decode_array_as(reader)
            }

            const RAW_SHAPE: $crate::Shape = <$raw as $crate::encoding::DecodeAs<'de, Self>>::SHAPE;

            #[inline]
            fn decode_raw(reader: &mut $crate::Reader<'de>) -> Result<Self, $crate::Stopped> {
                $raw::decode_as(reader)
            }

            #[inline]
            fn decode_raw_vec(
                reader: &mut $crate::Reader<'de>,
                count: usize,
            ) -> Result<alloc::vec::Vec<Self>, $crate::Stopped> {
                $raw::decode_vec_as(reader, count)
            }

            #[inline]
            fn decode_raw_array<const N: usize>(
                reader: &mut $crate::Reader<'de>,
            ) -> Result<[Self; N], $crate::Stopped> {
                $raw::decode_array_as(reader)
            }
        }
    )*)*};
}
pub(crate) use by_default;

by_default! {
    Raw Raw: u8 i8 f32 f64;
    Varint Raw: u16 u32 u64 usize i16 i32 i64 isize;
}

impl Encode for bool {
    const HAS_BYTES: Self = true;

    #[inline]
    fn encode<O: Output + ?Sized>(&self, out: &mut O) {
        out.byte(u8::from(*self));
    }
}

impl<'de> Decode<'de> for bool {
    const SHAPE: Shape = Shape::boolean();

    #[inline]
    fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
        match reader.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            byte => Err(reader.invalid(Fault::InvalidBool(byte))),
        }
    }
}
