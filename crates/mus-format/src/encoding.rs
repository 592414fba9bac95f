//! How a value stands on the wire where that is not how its type stands by default: encodings are types, chosen when the
//! program is compiled, and they go into each other (`Of<Positive, 10, Raw>`: at most ten raw elements).
//!
//! | encoding | of what | on the wire |
//! | --- | --- | --- |
//! | [`Plain`] | anything | as the type's own [`Encode`] and [`Decode`] say |
//! | [`Raw`] | integers, floats, `Duration` | fixed width, little-endian |
//! | [`AllRaw`] | anything | all integers inside raw |
//! | [`Varint`] | integers, floats, `Duration` | varint: zigzag if signed, a float's bits |
//! | [`Positive`] | integers, `Duration` | varint of the bits: short if the number is not negative |
//! | [`Seconds`], [`Milliseconds`], [`Microseconds`], [`Nanoseconds`] | `SystemTime` and other times | raw count since 1970 |
//! | [`Borrow`] | `Cow<str>`, `Cow<[u8]>` | as ever, but the decoded value borrows from the bytes |
//! | [`Mapped`] | `Rc`, `Arc`, and `Option`s of them | shared values once, then their ids |
//! | [`Of`] | whatever has a length or a content | with another length encoding, a maximum, other encodings inside |
//! | [`Text`] | what has `Display` and `FromStr` | its text, as a string |
//! | [`Via`] | what converts to another type and back | as that type |
//! | [`Checked`] | anything | refused after decoding if a check fails |
//!
//! In a derive they are attributes (`#[mus(raw)]`, `#[mus(max_len = 10, elem(raw))]`). By hand:
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

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use crate::decode::{Decode, collect, collect_array};
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
    message = "`{T}` cannot be encoded in MUS as `{Self}` says",
    label = "this encoding is not one of `{T}`"
)]
pub trait EncodeAs<T: ?Sized> {
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
    message = "`{T}` cannot be decoded from MUS as `{Self}` says",
    label = "this encoding is not one of `{T}`"
)]
pub trait DecodeAs<'de, T> {
    /// What a value looks like on the wire: exactly what [`decode_as`](Self::decode_as) reads.
    const SHAPE: Shape;

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if the bytes end or do not fit the type; the reader knows why.
    fn decode_as(reader: &mut Reader<'de>) -> Result<T, Stopped>;

    /// Reads so many values, for which [`Reader::expect_elements`] has answered.
    #[doc(hidden)]
    #[inline]
    fn decode_vec_as(reader: &mut Reader<'de>, count: usize) -> Result<Vec<T>, Stopped> {
        collect(reader, count, Self::decode_as)
    }

    /// Reads an array's values.
    #[doc(hidden)]
    #[inline]
    fn decode_array_as<const N: usize>(reader: &mut Reader<'de>) -> Result<[T; N], Stopped> {
        collect_array(reader, Self::decode_as)
    }
}

/// An encoding that says what values of type `T` are on the wire: what [`Describe`](crate::Describe) is for types.
///
/// [`EncodeAs`] and [`DecodeAs`] do not need it. The derive asks it of an encoding that was chosen by `with = ..`.
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
    message = "`{Self}` does not say what `{T}` is in MUS",
    label = "not described",
    note = "implement `encoding::DescribeAs<{T}>` for it"
)]
pub trait DescribeAs<T: ?Sized>: 'static {
    /// Describes one level of the type in this encoding.
    fn describe_as() -> Description;
}

/// Whatever has elements or a content.
pub trait Elements {
    /// An element, a map's value, an `Option`'s content.
    type Element;
    /// A map's key; `()` where there is none.
    type Key;
}

/// A check of decoded values.
pub trait Validate<T: ?Sized> {
    /// Accepts the value or refuses it.
    ///
    /// # Errors
    ///
    /// Why the value is refused: decoding fails with [`Fault::Validation`].
    fn validate(value: &T) -> Result<(), Refusal>;
}

/// As the type's own [`Encode`] and [`Decode`] say.
#[derive(Debug)]
pub struct Plain;

/// Fixed width, little-endian: all integers, floats, `Duration` (nanoseconds in 64 bits).
#[derive(Debug)]
pub struct Raw;

/// All integers and every `Duration` inside a value raw: behind an `Option` or a pointer, in sequences, arrays, sets, maps
/// (keys too) and tuples. Everything else is as usual: lengths and tags are varints, and types of one's own are written
/// as they say themselves.
///
/// This is how mus-gen writes in its modes "unsafe" and "not unsafe". In a derive it is `#[mus(raw)]` on the type.
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

/// Varint: integers (zigzag if they are signed), floats (their bits), `Duration` (nanoseconds, zigzag). Also a length
/// encoding: zigzag.
#[derive(Debug)]
pub struct Varint;

/// Varint of the bits, without zigzag: integers, `Duration`. Negative numbers take the most bytes. Also the usual length
/// encoding.
#[derive(Debug)]
pub struct Positive;

/// A point in time in raw seconds since 1970. What is finer is cut off, towards the past. The default of all types of
/// times.
#[derive(Debug)]
pub struct Seconds;

/// A point in time in raw milliseconds since 1970. What is finer is cut off, towards the past.
#[derive(Debug)]
pub struct Milliseconds;

/// A point in time in raw microseconds since 1970. What is finer is cut off, towards the past.
#[derive(Debug)]
pub struct Microseconds;

/// A point in time in raw nanoseconds since 1970, which ends in the year 2262.
#[derive(Debug)]
pub struct Nanoseconds;

/// `Cow<str>` and `Cow<[u8]>` that borrow from the bytes they are decoded from. (Plain ones own what they hold.)
#[derive(Debug)]
pub struct Borrow;

/// Pointers that are shared: `Rc<T>`, `Arc<T>`, and `Option`s of them. A pointer that is met again is written as its id,
/// and after decoding it is the same pointer again. `E` encodes the value behind it.
///
/// Ids are those of one value given to [`encode`](crate::encode()): in a cmd-stream, of one Command or Reply.
pub struct Mapped<E = Plain>(PhantomData<E>);

/// What has a length or a content, with choices: `L` encodes the length ([`Positive`], [`Varint`] or [`Raw`]), `MAX` is the
/// most elements (of a string: bytes), `E` encodes the elements (a map's values, an `Option`'s content), `K` a map's keys.
///
/// `MAX` is checked before anything is read or allocated. More than `MAX` elements are not written either.
pub struct Of<L = Positive, const MAX: usize = { usize::MAX }, E = Plain, K = Plain>(PhantomData<(L, E, K)>);

/// `E`, and after decoding the value must pass `V`. Nothing is checked when encoding.
pub struct Checked<E, V>(PhantomData<(E, V)>);

impl<T: Encode + ?Sized> EncodeAs<T> for Plain {
    #[inline]
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
}

impl<T: Encode + ?Sized> EncodeAs<T> for AllRaw {
    #[inline]
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
}

/// What [`AllRaw`] is for whatever has elements, keys or a content.
pub(crate) type RawInside = Of<Positive, { usize::MAX }, AllRaw, AllRaw>;

/// What stands in [`Of`] for the keys or elements of a type that has none: [`Plain`] or [`AllRaw`], which are what is
/// there if nothing was chosen.
#[diagnostic::on_unimplemented(
    message = "this type has no keys or elements that could be written as `{Self}`",
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

/// The method of `Encode` for types that [`AllRaw`] writes in this encoding.
macro_rules! encode_raw_as {
    ($encoding:ty) => {
        #[inline]
        fn encode_raw<O: Output + ?Sized>(&self, out: &mut O) {
            <$encoding>::encode_as(self, out);
        }
    };
}
use encode_raw_as;

/// What there is of `Decode` for types that [`AllRaw`] reads in this encoding.
macro_rules! decode_raw_as {
    ($de:lifetime $encoding:ty) => {
        const RAW_SHAPE: Shape = <$encoding as DecodeAs<$de, Self>>::SHAPE;

        #[inline]
        fn decode_raw(reader: &mut Reader<$de>) -> Result<Self, Stopped> {
            <$encoding>::decode_as(reader)
        }
    };
}
use decode_raw_as;

impl<T: ?Sized, E: EncodeAs<T>, V> EncodeAs<T> for Checked<E, V> {
    #[inline]
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
        match V::validate(&value) {
            Ok(()) => Ok(value),
            Err(refusal) => Err(reader.invalid(Fault::Validation(refusal))),
        }
    }
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
