//! Text: its length in bytes, then UTF-8.

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
#[cfg(target_has_atomic = "ptr")]
use alloc::sync::Arc;

use super::lengths::write_length;
use super::{Borrow, DecodeAs, EncodeAs, Length, Of, Unsaid};
use crate::decode::Decode;
use crate::encode::Encode;
use crate::error::Fault;
use crate::output::Output;
use crate::reader::{Reader, Stopped};
use crate::shape::Shape;

/// Text of so many bytes is checked with instructions that look at many at once. They are not faster for less.
const LONG: usize = 64;

/// Returns the text that the bytes are, if they are UTF-8.
#[inline]
fn checked(bytes: &[u8]) -> Option<&str> {
    #[cfg(feature = "std")]
    if bytes.len() >= LONG {
        return simdutf8::basic::from_utf8(bytes).ok();
    }
    core::str::from_utf8(bytes).ok()
}

/// Returns a copy of the text that the bytes are, if they are UTF-8.
#[inline]
fn owned(bytes: &[u8]) -> Option<String> {
    match bytes.len() {
        ..LONG => String::from_utf8(bytes.to_vec()).ok(),
        LONG.. => checked(bytes).map(String::from),
    }
}

impl<L: Length, const MAX: usize, E: Unsaid, K: Unsaid> EncodeAs<str> for Of<L, MAX, E, K> {
    const HAS_BYTES: bool = true;

    #[inline]
    fn encode_as<O: Output + ?Sized>(value: &str, out: &mut O) {
        write_length::<L, MAX, O>(value.len(), out);
        out.bytes(value.as_bytes());
    }
}

impl<'a, 'de: 'a, L: Length, const MAX: usize, E: Unsaid, K: Unsaid> DecodeAs<'de, &'a str>
    for Of<L, MAX, E, K>
{
    const SHAPE: Shape = Shape::bytes::<L>(MAX);

    #[inline]
    fn decode_as(reader: &mut Reader<'de>) -> Result<&'a str, Stopped> {
        let bytes = reader.bytes::<L>(MAX)?;
        checked(bytes).ok_or_else(|| reader.invalid(Fault::InvalidUtf8))
    }
}

impl Encode for str {
    const HAS_BYTES: bool = true;

    #[inline]
    fn encode<O: Output + ?Sized>(&self, out: &mut O) {
        <Of>::encode_as(self, out);
    }
}

impl<'a, 'de: 'a> Decode<'de> for &'a str {
    const SHAPE: Shape = <Of as DecodeAs<'de, Self>>::SHAPE;

    #[inline]
    fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
        <Of>::decode_as(reader)
    }
}

/// Types that own text, and how they are created from bytes.
macro_rules! owned {
    ($($type:ty: $read:expr;)*) => {$(
        impl<L: Length, const MAX: usize, E: Unsaid, K: Unsaid> EncodeAs<$type> for Of<L, MAX, E, K> {
            const HAS_BYTES: bool = true;

            #[inline]
            fn encode_as<O: Output + ?Sized>(value: &$type, out: &mut O) {
                <Self as EncodeAs<str>>::encode_as(value, out);
            }
        }

        impl<'de, L: Length, const MAX: usize, E: Unsaid, K: Unsaid> DecodeAs<'de, $type> for Of<L, MAX, E, K> {
            const SHAPE: Shape = Shape::bytes::<L>(MAX);

            #[inline]
            fn decode_as(reader: &mut Reader<'de>) -> Result<$type, Stopped> {
                let text: Option<_> = $read(reader.bytes::<L>(MAX)?);
                text.ok_or_else(|| reader.invalid(Fault::InvalidUtf8))
            }
        }

        impl Encode for $type {
            const HAS_BYTES: bool = true;

            #[inline]
            fn encode<O: Output + ?Sized>(&self, out: &mut O) {
                str::encode(self, out);
            }
        }

        impl<'de> Decode<'de> for $type {
            const SHAPE: Shape = <&str>::SHAPE;

            #[inline]
            fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
                <Of>::decode_as(reader)
            }
        }
    )*};
}
owned! {
    String: owned;
    Box<str>: |bytes| owned(bytes).map(String::into_boxed_str);
    Rc<str>: |bytes| checked(bytes).map(Rc::from);
}
#[cfg(target_has_atomic = "ptr")]
owned!(Arc<str>: |bytes| checked(bytes).map(Arc::from););

// `Cow`s of all kinds. Decoded ones are owned, so that they may outlive the bytes.

impl<B: ToOwned + ?Sized, L, const MAX: usize, E, K> EncodeAs<Cow<'_, B>> for Of<L, MAX, E, K>
where
    Self: EncodeAs<B>,
{
    const HAS_BYTES: bool = <Self as EncodeAs<B>>::HAS_BYTES;

    #[inline]
    fn encode_as<O: Output + ?Sized>(value: &Cow<'_, B>, out: &mut O) {
        <Self as EncodeAs<B>>::encode_as(value, out);
    }
}

impl<'a, 'de, B: ToOwned + ?Sized, L, const MAX: usize, E, K> DecodeAs<'de, Cow<'a, B>> for Of<L, MAX, E, K>
where
    Self: DecodeAs<'de, B::Owned>,
{
    const SHAPE: Shape = <Self as DecodeAs<'de, B::Owned>>::SHAPE;

    #[inline]
    fn decode_as(reader: &mut Reader<'de>) -> Result<Cow<'a, B>, Stopped> {
        <Self as DecodeAs<'de, B::Owned>>::decode_as(reader).map(Cow::Owned)
    }
}

impl<B: ToOwned + Encode + ?Sized> Encode for Cow<'_, B> {
    const HAS_BYTES: bool = B::HAS_BYTES;

    #[inline]
    fn encode<O: Output + ?Sized>(&self, out: &mut O) {
        B::encode(self, out);
    }

    #[inline]
    fn encode_raw<O: Output + ?Sized>(&self, out: &mut O) {
        B::encode_raw(self, out);
    }
}

impl<'de, B: ToOwned<Owned: Decode<'de>> + ?Sized> Decode<'de> for Cow<'_, B> {
    const SHAPE: Shape = B::Owned::SHAPE;

    #[inline]
    fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
        B::Owned::decode(reader).map(Cow::Owned)
    }

    const RAW_SHAPE: Shape = B::Owned::RAW_SHAPE;

    #[inline]
    fn decode_raw(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
        B::Owned::decode_raw(reader).map(Cow::Owned)
    }
}

/// `Cow`s that borrow from the bytes.
macro_rules! borrow {
    ($($type:ty),*) => {$(
        impl EncodeAs<Cow<'_, $type>> for Borrow {
            #[inline]
            fn encode_as<O: Output + ?Sized>(value: &Cow<'_, $type>, out: &mut O) {
                value.encode(out);
            }
        }

        impl<'a, 'de: 'a> DecodeAs<'de, Cow<'a, $type>> for Borrow {
            const SHAPE: Shape = <&'a $type as Decode<'de>>::SHAPE;

            #[inline]
            fn decode_as(reader: &mut Reader<'de>) -> Result<Cow<'a, $type>, Stopped> {
                <&'a $type>::decode(reader).map(Cow::Borrowed)
            }
        }
    )*};
}
borrow!(str, [u8]);
