//! Pointers. An `Option` is a flag (0 before a value, 1 for none), as Go's pointers may be nil. `Box`, `Rc` and `Arc`
//! are encoded as what they point to. Each is one level deeper.

use alloc::boxed::Box;
use alloc::rc::Rc;
#[cfg(target_has_atomic = "ptr")]
use alloc::sync::Arc;

use super::sequences::charge_if_empty;
use super::{
    DecodeAs, Elements, EncodeAs, Of, Positive, RawInside, Unsaid, decode_pointer, decode_raw_as,
    encode_raw_as,
};
use crate::decode::Decode;
use crate::encode::Encode;
use crate::error::Fault;
use crate::output::Output;
use crate::reader::{Reader, Stopped};
use crate::shape::Shape;

/// Choices for types that have content but no length.
type Content<E, K> = Of<Positive, { usize::MAX }, E, K>;

impl<T, E: EncodeAs<T>, K: Unsaid> EncodeAs<Option<T>> for Content<E, K> {
    const HAS_BYTES: bool = true;

    #[inline]
    fn encode_as<O: Output + ?Sized>(value: &Option<T>, out: &mut O) {
        match value {
            Some(value) => {
                out.byte(0);
                out.nest(|out| E::encode_as(value, out));
            }
            None => out.byte(1),
        }
    }
}

impl<'de, T, E: DecodeAs<'de, T>, K: Unsaid> DecodeAs<'de, Option<T>> for Content<E, K> {
    const SHAPE: Shape = Shape::optional(|| const { &[E::SHAPE] });

    #[inline]
    fn decode_as(reader: &mut Reader<'de>) -> Result<Option<T>, Stopped> {
        match reader.byte()? {
            0 => reader.nest(E::decode_as).map(Some),
            1 => Ok(None),
            flag => Err(reader.invalid(Fault::InvalidPointer(flag))),
        }
    }
}

impl<T: Encode> Encode for Option<T> {
    const HAS_BYTES: bool = true;

    #[inline]
    fn encode<O: Output + ?Sized>(&self, out: &mut O) {
        <Of>::encode_as(self, out);
    }

    encode_raw_as!(RawInside);
}

impl<'de, T: Decode<'de>> Decode<'de> for Option<T> {
    const SHAPE: Shape = <Of as DecodeAs<'de, Self>>::SHAPE;

    #[inline]
    fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
        <Of>::decode_as(reader)
    }

    decode_raw_as!('de RawInside);
}

impl<T> Elements for Option<T> {
    type Element = T;
    type Key = ();
}

macro_rules! owners {
    ($($type:ident)*) => {$(
        impl<T, E: EncodeAs<T>, K: Unsaid> EncodeAs<$type<T>> for Content<E, K> {
            const HAS_BYTES: bool = E::HAS_BYTES;

            #[inline]
            fn encode_as<O: Output + ?Sized>(value: &$type<T>, out: &mut O) {
                out.nest(|out| {
                    let start = out.written();
                    E::encode_as(value, out);
                    if !E::HAS_BYTES {
                        charge_if_empty::<T, O>(1, start, out);
                    }
                });
            }
        }

        impl<'de, T, E: DecodeAs<'de, T>, K: Unsaid> DecodeAs<'de, $type<T>> for Content<E, K> {
            const SHAPE: Shape =
                Shape::nested(E::SHAPE.min_size(), size_of::<T>(), || const { &[E::SHAPE] });

            #[inline]
            fn decode_as(reader: &mut Reader<'de>) -> Result<$type<T>, Stopped> {
                reader.nest_content::<T, _>(&const { E::SHAPE }, |reader| {
                    decode_pointer::<T, E, _>(reader, $type::new, $type::from)
                })
            }
        }

        impl<T: Encode> Encode for $type<T> {
            const HAS_BYTES: bool = T::HAS_BYTES;

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
owners!(Box Rc);
#[cfg(target_has_atomic = "ptr")]
owners!(Arc);

/// References are encoded as what they point to, on the same level.
impl<T: ?Sized, L, const MAX: usize, E, K> EncodeAs<&T> for Of<L, MAX, E, K>
where
    Self: EncodeAs<T>,
{
    const HAS_BYTES: bool = <Self as EncodeAs<T>>::HAS_BYTES;

    #[inline]
    fn encode_as<O: Output + ?Sized>(value: &&T, out: &mut O) {
        <Self as EncodeAs<T>>::encode_as(value, out);
    }
}

impl<T: Encode + ?Sized> Encode for &T {
    const HAS_BYTES: bool = T::HAS_BYTES;

    #[inline]
    fn encode<O: Output + ?Sized>(&self, out: &mut O) {
        T::encode(self, out);
    }

    #[inline]
    fn encode_raw<O: Output + ?Sized>(&self, out: &mut O) {
        T::encode_raw(self, out);
    }
}

impl<T: Encode + ?Sized> Encode for &mut T {
    const HAS_BYTES: bool = T::HAS_BYTES;

    #[inline]
    fn encode<O: Output + ?Sized>(&self, out: &mut O) {
        T::encode(self, out);
    }

    #[inline]
    fn encode_raw<O: Output + ?Sized>(&self, out: &mut O) {
        T::encode_raw(self, out);
    }
}
