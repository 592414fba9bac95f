//! Encodings other than the default one of a type. They are types, chosen at compile time, and can be nested:
//! `Of<Positive, 10, Raw>` means at most ten raw elements.
//!
//! | encoding | for | on the wire |
//! | --- | --- | --- |
//! | [`Plain`] | anything | the type's own [`Encode`] and [`Decode`] |
//! | [`Raw`] | integers, floats, `Duration` | fixed width, little-endian |
//! | [`AllRaw`] | anything | with all integers inside raw |
//! | [`Varint`] | integers, floats, `Duration` | varint: zigzag if signed, a float's bits |
//! | [`Positive`] | integers, `Duration` | varint of the bits, short unless the number is negative |
//! | [`Seconds`], [`Milliseconds`], [`Microseconds`], [`Nanoseconds`] | `SystemTime` and other times | raw count since 1970 |
//! | [`Borrow`] | `Cow<str>`, `Cow<[u8]>` | as by default, but the decoded value borrows from the bytes |
//! | [`Mapped`] | `Rc`, `Arc`, and `Option`s of them | shared values once, then their ids |
//! | [`Of`] | whatever has a length or content | with another length encoding, a maximum, other encodings inside |
//! | [`Text`] | types with `Display` and `FromStr` | the text, as a string |
//! | [`Via`] | types that convert to another type and back | as that type |
//! | [`Checked`] | anything | unchanged; decoding fails if a check does |
//!
//! With the derive, they are chosen by attributes (`#[mus(raw)]`, `#[mus(max_len = 10, elem(raw))]`). By hand:
//!
//! ```
//! use mus_format::encoding::{DecodeAs, EncodeAs, Of, Positive, Raw};
//! use mus_format::{Decode, Encode, Output, Reader, Shape, Stopped, to_vec};
//!
//! struct Readings(Vec<u32>);
//!
//! type AtMostThousandRaw = Of<Positive, 1000, Raw>;
//!
//! impl Encode for Readings {
//!     fn encode<O: Output + ?Sized>(&self, out: &mut O) {
//!         AtMostThousandRaw::encode_as(&self.0, out);
//!     }
//! }
//!
//! impl<'de> Decode<'de> for Readings {
//!     const SHAPE: Shape = <AtMostThousandRaw as DecodeAs<'de, Vec<u32>>>::SHAPE;
//!
//!     fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
//!         AtMostThousandRaw::decode_as(reader).map(Self)
//!     }
//! }
//!
//! assert_eq!(to_vec(&Readings(vec![7])).unwrap(), [1, 7, 0, 0, 0]);
//! ```

mod collections;
#[cfg(any(feature = "rust_decimal", feature = "uuid"))]
mod foreign;
mod lengths;
pub(crate) mod mapped;
mod numbers;
mod pointers;
mod sequences;
mod text;
mod through;
mod time;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use crate::decode::{Decode, boxed, collect, collect_array, is_large, owned};
use crate::describe::Description;
use crate::encode::Encode;
use crate::error::{Fault, Refusal};
use crate::output::Output;
use crate::reader::{Reader, Stopped};
use crate::shape::Shape;

pub use self::lengths::Length;
pub(crate) use self::numbers::by_default;
pub use self::through::{Text, Via};

/// An encoding that can write values of type `T`.
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot be encoded in MUS as `{Self}`",
    label = "this encoding does not support `{T}`"
)]
pub trait EncodeAs<T: ?Sized> {
    /// Whether every value takes at least a byte. `false` if that is not known.
    #[doc(hidden)]
    const HAS_BYTES: bool = false;

    /// Writes the value.
    fn encode_as<O: Output + ?Sized>(value: &T, out: &mut O);

    /// Writes values one after the other.
    #[doc(hidden)]
    #[inline]
    fn encode_slice_as<O: Output + ?Sized>(slice: &[T], out: &mut O)
    where
        T: Sized,
    {
        for value in slice {
            Self::encode_as(value, out);
        }
    }
}

/// An encoding that can read values of type `T`.
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot be decoded from MUS as `{Self}`",
    label = "this encoding does not support `{T}`"
)]
pub trait DecodeAs<'de, T> {
    /// The layout of a value on the wire: exactly what [`decode_as`](Self::decode_as) reads.
    const SHAPE: Shape;

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if the bytes end or do not fit the type; the reader knows why.
    fn decode_as(reader: &mut Reader<'de>) -> Result<T, Stopped>;

    /// Reads `count` values, which [`Reader::expect_elements`] has accepted.
    #[doc(hidden)]
    #[inline]
    fn decode_vec_as(reader: &mut Reader<'de>, count: usize) -> Result<Vec<T>, Stopped> {
        collect(reader, count, Self::decode_as)
    }

    /// Reads the values of a small array.
    #[doc(hidden)]
    #[inline]
    fn decode_array_as<const N: usize>(reader: &mut Reader<'de>) -> Result<[T; N], Stopped> {
        collect_array(reader, Self::decode_as)
    }

    /// Reads a value that is to be in a `Box`. Arrays never are on the stack.
    #[doc(hidden)]
    #[inline]
    fn decode_boxed_as(reader: &mut Reader<'de>) -> Result<Box<T>, Stopped> {
        boxed(reader, Self::decode_as)
    }
}

/// An encoding that describes how it writes values of type `T`, as [`Describe`](crate::Describe) does for types.
///
/// [`EncodeAs`] and [`DecodeAs`] do not need it. The derive requires it of an encoding chosen by `with = ..`.
///
/// ```
/// use mus_format::Description;
/// use mus_format::encoding::DescribeAs;
///
/// struct BigEndian; // with `EncodeAs<u16>` and `DecodeAs<u16>`
///
/// impl DescribeAs<u16> for BigEndian {
///     fn describe_as() -> Description {
///         Description::leaf("u16 big-endian")
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not describe its MUS encoding of `{T}`",
    label = "not described",
    note = "implement `encoding::DescribeAs<{T}>` for it"
)]
pub trait DescribeAs<T: ?Sized>: 'static {
    /// Describes one level of the type in this encoding.
    fn describe_as() -> Description;
}

/// A type with elements or content.
pub trait Elements {
    /// The type of an element, of a map's value, or of an `Option`'s content.
    type Element;
    /// The type of a map's key, or `()`.
    type Key;
}

/// A check of decoded values.
pub trait Validate<T: ?Sized> {
    /// Accepts or rejects the value.
    ///
    /// # Errors
    ///
    /// Returns why the value is rejected. Decoding then fails with [`Fault::Validation`].
    fn validate(value: &T) -> Result<(), Refusal>;
}

/// Reads a value for a pointer that is made by `new` from a value, or by `from` from a `Box`. A large value goes from one
/// heap allocation to another, so that it is never on the stack if its type can be read to the heap.
#[inline]
fn decode_pointer<'de, T, E: DecodeAs<'de, T>, P>(
    reader: &mut Reader<'de>,
    new: fn(T) -> P,
    from: fn(Box<T>) -> P,
) -> Result<P, Stopped> {
    match is_large::<T>() {
        true => E::decode_boxed_as(reader).map(from),
        false => owned(reader, E::decode_as, new),
    }
}

/// The default encoding: the type's own [`Encode`] and [`Decode`].
#[derive(Debug)]
pub struct Plain;

/// Fixed width, little-endian: all integers, floats, `Duration` (nanoseconds in 64 bits).
#[derive(Debug)]
pub struct Raw;

/// All integers and `Duration`s inside a value raw.
///
/// This reaches into options, pointers, sequences, arrays, sets, maps (keys too) and tuples. Everything else is
/// unchanged: lengths and tags are varints, and user-defined types keep their own encoding.
///
/// This is what mus-gen generates in its modes "unsafe" and "not unsafe". With the derive, it is `#[mus(raw)]` on the
/// type.
///
/// ```
/// use mus_format::Mus;
///
/// #[derive(Mus)]
/// #[mus(raw)]
/// struct Sample {
///     at: u32,
///     values: Vec<i16>,
///     #[mus(varint)]
///     count: u64,
/// }
///
/// let bytes = mus_format::to_vec(&Sample { at: 1, values: vec![-1], count: 300 })?;
/// assert_eq!(bytes, [1, 0, 0, 0, 1, 0xff, 0xff, 0xac, 2]);
/// # Ok::<(), mus_format::EncodeError>(())
/// ```
#[derive(Debug)]
pub struct AllRaw;

/// Varint: integers (zigzag if they are signed), floats (their bits), `Duration` (nanoseconds, zigzag). As a length
/// encoding, it is zigzag.
#[derive(Debug)]
pub struct Varint;

/// Varint of the bits, without zigzag: integers, `Duration`. Negative numbers take the most bytes. It is the default
/// length encoding.
#[derive(Debug)]
pub struct Positive;

/// A point in time in raw seconds since 1970, rounded down. The default for all types of times.
#[derive(Debug)]
pub struct Seconds;

/// A point in time in raw milliseconds since 1970, rounded down.
#[derive(Debug)]
pub struct Milliseconds;

/// A point in time in raw microseconds since 1970, rounded down.
#[derive(Debug)]
pub struct Microseconds;

/// A point in time in raw nanoseconds since 1970, up to the year 2262.
#[derive(Debug)]
pub struct Nanoseconds;

/// `Cow<str>` and `Cow<[u8]>` that borrow from the bytes they are decoded from. (By default, a decoded `Cow` is owned.)
#[derive(Debug)]
pub struct Borrow;

/// Shared pointers: `Rc<T>`, `Arc<T>`, and `Option`s of them. The value behind a pointer is written once, encoded as
/// `E`; further copies of the pointer are written as an id. Decoding restores the sharing.
///
/// Ids are local to one value given to [`encode`](crate::encode()): in cmd-stream, to one Command or Reply.
pub struct Mapped<E = Plain>(PhantomData<E>);

/// Something with a length or content, with options.
///
/// `L` encodes the length ([`Positive`], [`Varint`] or [`Raw`]). `MAX` is the maximum number of elements (in a string:
/// bytes). `E` encodes the elements (a map's values, an `Option`'s content), and `K` a map's keys.
///
/// `MAX` is checked before elements are read or memory is allocated. Encoding more than `MAX` elements fails too.
pub struct Of<L = Positive, const MAX: usize = { usize::MAX }, E = Plain, K = Plain>(PhantomData<(L, E, K)>);

/// The encoding `E`; a decoded value must pass the check `V`. Nothing is checked when encoding.
pub struct Checked<E, V>(PhantomData<(E, V)>);

impl<T: Encode + ?Sized> EncodeAs<T> for Plain {
    const HAS_BYTES: bool = T::HAS_BYTES;

    #[inline(always)]
    fn encode_as<O: Output + ?Sized>(value: &T, out: &mut O) {
        value.encode(out);
    }

    #[inline]
    fn encode_slice_as<O: Output + ?Sized>(slice: &[T], out: &mut O)
    where
        T: Sized,
    {
        T::encode_slice(slice, out);
    }
}

impl<'de, T: Decode<'de>> DecodeAs<'de, T> for Plain {
    const SHAPE: Shape = T::SHAPE;

    #[inline]
    fn decode_as(reader: &mut Reader<'de>) -> Result<T, Stopped> {
        T::decode(reader)
    }

    #[inline]
    fn decode_vec_as(reader: &mut Reader<'de>, count: usize) -> Result<Vec<T>, Stopped> {
        T::decode_vec(reader, count)
    }

    #[inline]
    fn decode_array_as<const N: usize>(reader: &mut Reader<'de>) -> Result<[T; N], Stopped> {
        T::decode_array(reader)
    }

    #[inline]
    fn decode_boxed_as(reader: &mut Reader<'de>) -> Result<Box<T>, Stopped> {
        T::decode_boxed(reader)
    }
}

impl<T: Encode + ?Sized> EncodeAs<T> for AllRaw {
    const HAS_BYTES: bool = T::HAS_BYTES;

    #[inline(always)]
    fn encode_as<O: Output + ?Sized>(value: &T, out: &mut O) {
        value.encode_raw(out);
    }

    #[inline]
    fn encode_slice_as<O: Output + ?Sized>(slice: &[T], out: &mut O)
    where
        T: Sized,
    {
        T::encode_raw_slice(slice, out);
    }
}

impl<'de, T: Decode<'de>> DecodeAs<'de, T> for AllRaw {
    const SHAPE: Shape = T::RAW_SHAPE;

    #[inline]
    fn decode_as(reader: &mut Reader<'de>) -> Result<T, Stopped> {
        T::decode_raw(reader)
    }

    #[inline]
    fn decode_vec_as(reader: &mut Reader<'de>, count: usize) -> Result<Vec<T>, Stopped> {
        T::decode_raw_vec(reader, count)
    }

    #[inline]
    fn decode_array_as<const N: usize>(reader: &mut Reader<'de>) -> Result<[T; N], Stopped> {
        T::decode_raw_array(reader)
    }

    #[inline]
    fn decode_boxed_as(reader: &mut Reader<'de>) -> Result<Box<T>, Stopped> {
        T::decode_raw_boxed(reader)
    }
}

/// What [`AllRaw`] means for a type with elements, keys or content.
pub(crate) type RawInside = Of<Positive, { usize::MAX }, AllRaw, AllRaw>;

/// The encodings allowed in [`Of`] for keys or elements that a type does not have: [`Plain`] and [`AllRaw`], which are
/// there if none was chosen.
#[diagnostic::on_unimplemented(
    message = "this type has no keys or elements to encode as `{Self}`",
    label = "chosen for keys or elements that the type does not have"
)]
pub trait Unsaid: sealed::Sealed + 'static {}
impl Unsaid for Plain {}
impl Unsaid for AllRaw {}

mod sealed {
    #[expect(unnameable_types, reason = "only this crate implements it")]
    pub trait Sealed {}
    impl Sealed for super::Plain {}
    impl Sealed for super::AllRaw {}
}

/// Implements `Encode`'s part of [`AllRaw`] by this encoding.
macro_rules! encode_raw_as {
    ($encoding:ty) => {
        #[inline(always)]
        fn encode_raw<O: Output + ?Sized>(&self, out: &mut O) {
            <$encoding>::encode_as(self, out);
        }
    };
}
use encode_raw_as;

/// Implements `Decode`'s part of [`AllRaw`] by this encoding.
macro_rules! decode_raw_as {
    ($de:lifetime $encoding:ty) => {
        const RAW_SHAPE: Shape = <$encoding as DecodeAs<$de, Self>>::SHAPE;

        #[inline]
        fn decode_raw(reader: &mut Reader<$de>) -> Result<Self, Stopped> {
            <$encoding>::decode_as(reader)
        }

        #[inline]
        fn decode_raw_boxed(reader: &mut Reader<$de>) -> Result<alloc::boxed::Box<Self>, Stopped> {
            <$encoding>::decode_boxed_as(reader)
        }
    };
}
use decode_raw_as;

impl<T: ?Sized, E: EncodeAs<T>, V> EncodeAs<T> for Checked<E, V> {
    const HAS_BYTES: bool = E::HAS_BYTES;

    #[inline(always)]
    fn encode_as<O: Output + ?Sized>(value: &T, out: &mut O) {
        E::encode_as(value, out);
    }

    #[inline]
    fn encode_slice_as<O: Output + ?Sized>(slice: &[T], out: &mut O)
    where
        T: Sized,
    {
        E::encode_slice_as(slice, out);
    }
}

impl<'de, T, E: DecodeAs<'de, T>, V: Validate<T>> DecodeAs<'de, T> for Checked<E, V> {
    const SHAPE: Shape = E::SHAPE;

    #[inline]
    fn decode_as(reader: &mut Reader<'de>) -> Result<T, Stopped> {
        let value = E::decode_as(reader)?;
        check::<T, V>(&value, reader)?;
        Ok(value)
    }

    #[inline]
    fn decode_boxed_as(reader: &mut Reader<'de>) -> Result<Box<T>, Stopped> {
        let value = E::decode_boxed_as(reader)?;
        check::<T, V>(&value, reader)?;
        Ok(value)
    }
}

#[inline]
fn check<T, V: Validate<T>>(value: &T, reader: &mut Reader<'_>) -> Result<(), Stopped> {
    V::validate(value).map_err(|refusal| reader.invalid(Fault::Validation(refusal)))
}

impl<E> fmt::Debug for Mapped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mapped")
    }
}

impl<L, const MAX: usize, E, K> fmt::Debug for Of<L, MAX, E, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Of")
    }
}

impl<E, V> fmt::Debug for Checked<E, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checked")
    }
}

#[cfg(test)]
mod tests;
