//! Decoding: the traits, and the functions that decode one whole value. Knows nothing of the encoding of particular
//! types.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroUsize;

use crate::error::Error;
use crate::limits::Limits;
use crate::reader::{Reader, Stopped};
use crate::shape::Shape;

/// A type that can be decoded from MUS. `'de` is the lifetime of the bytes: types like `&'de str` borrow from them.
///
/// `#[derive(Mus)]` implements it. An implementation by hand reads the fields in order and lists their shapes in
/// [`SHAPE`](Self::SHAPE) in the same order; [`Shape`] has an example.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be decoded from MUS",
    label = "not decodable",
    note = "derive `Mus` on it, or choose an encoding for the field (`#[mus(..)]`)"
)]
pub trait Decode<'de>: Sized {
    /// The layout of a value on the wire: exactly what [`decode`](Self::decode) reads.
    ///
    /// It is used while a value arrives in pieces. A wrong shape makes such values slow to decode, or makes the decoder
    /// wait for more bytes than the value has. It never changes the decoded value.
    const SHAPE: Shape;

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if the bytes end or do not fit the type; the reader knows why.
    fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped>;

    /// Reads `count` values, which [`Reader::expect_elements`] has accepted.
    #[doc(hidden)]
    #[inline]
    fn decode_vec(reader: &mut Reader<'de>, count: usize) -> Result<Vec<Self>, Stopped> {
        collect(reader, count, Self::decode)
    }

    /// Reads the values of a small array.
    #[doc(hidden)]
    #[inline]
    fn decode_array<const N: usize>(reader: &mut Reader<'de>) -> Result<[Self; N], Stopped> {
        collect_array(reader, Self::decode)
    }

    /// Reads a value that is to be in a `Box`. Arrays never are on the stack.
    #[doc(hidden)]
    #[inline]
    fn decode_boxed(reader: &mut Reader<'de>) -> Result<Box<Self>, Stopped> {
        boxed(reader, Self::decode)
    }

    /// The layout of what [`decode_raw`](Self::decode_raw) reads.
    #[doc(hidden)]
    const RAW_SHAPE: Shape = Self::SHAPE;

    /// Reads a value encoded as [`AllRaw`](crate::encoding::AllRaw); only types of this crate override it.
    #[doc(hidden)]
    #[inline]
    fn decode_raw(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
        Self::decode(reader)
    }

    /// Reads `count` such values, which [`Reader::expect_elements`] has accepted.
    #[doc(hidden)]
    #[inline]
    fn decode_raw_vec(reader: &mut Reader<'de>, count: usize) -> Result<Vec<Self>, Stopped> {
        collect(reader, count, Self::decode_raw)
    }

    /// Reads the values of such an array, if it is small.
    #[doc(hidden)]
    #[inline]
    fn decode_raw_array<const N: usize>(reader: &mut Reader<'de>) -> Result<[Self; N], Stopped> {
        collect_array(reader, Self::decode_raw)
    }

    /// Reads such a value that is to be in a `Box`.
    #[doc(hidden)]
    #[inline]
    fn decode_raw_boxed(reader: &mut Reader<'de>) -> Result<Box<Self>, Stopped> {
        boxed(reader, Self::decode_raw)
    }
}

/// A type that does not borrow from the bytes it is decoded from.
pub trait DecodeOwned: for<'de> Decode<'de> {}

impl<T: for<'de> Decode<'de>> DecodeOwned for T {}

/// Reads `count` values.
#[inline]
pub(crate) fn collect<'de, T>(
    reader: &mut Reader<'de>,
    count: usize,
    read: impl Fn(&mut Reader<'de>) -> Result<T, Stopped>,
) -> Result<Vec<T>, Stopped> {
    let () = const { fits_the_stack::<T>() };
    let mut values = Vec::with_capacity(reader.capacity(count, size_of::<T>()));
    for _ in 0..count {
        values.push(read(reader)?);
    }
    Ok(values)
}

/// Reads the values of a small array.
#[inline]
pub(crate) fn collect_array<'de, T, const N: usize>(
    reader: &mut Reader<'de>,
    read: impl Fn(&mut Reader<'de>) -> Result<T, Stopped>,
) -> Result<[T; N], Stopped> {
    let mut stopped = None;
    let values = core::array::from_fn(|_| match stopped {
        Some(_) => None,
        None => read(reader).map_err(|why| stopped = Some(why)).ok(),
    });
    match stopped {
        Some(why) => Err(why),
        None => Ok(values.map(|value: Option<T>| value.expect("all were read"))),
    }
}

/// Returns whether a type is so large that its values are read to the heap where that is possible. On the stack, an array
/// takes several times its size while it is read.
#[inline]
pub(crate) const fn is_large<T>() -> bool {
    size_of::<T>() > 512
}

/// Reads a value to the stack and hands it to what will own it.
#[inline]
pub(crate) fn owned<'de, T, P>(
    reader: &mut Reader<'de>,
    read: impl FnOnce(&mut Reader<'de>) -> Result<T, Stopped>,
    owner: impl FnOnce(T) -> P,
) -> Result<P, Stopped> {
    Ok(owner(read(reader)?))
}

/// Reads a value to the stack that is to be in a `Box`.
#[inline]
pub(crate) fn boxed<'de, T>(
    reader: &mut Reader<'de>,
    read: impl FnOnce(&mut Reader<'de>) -> Result<T, Stopped>,
) -> Result<Box<T>, Stopped> {
    let () = const { fits_the_stack::<T>() };
    owned(reader, read, Box::new)
}

/// Refuses to compile types that are meant for the heap, and are too large to be decoded on the stack of a thread.
const fn fits_the_stack<T>() {
    assert!(
        size_of::<T>() <= MOST_ON_STACK,
        "what is in this box or sequence is decoded on the stack, and its type is larger than 128 KiB: \
         put its arrays into boxes of their own (`Box<[T; N]>`), which changes nothing on the wire"
    );
}

/// Without optimization a value takes up to 15 times its size while it is decoded, and a thread has 2 MiB.
const MOST_ON_STACK: usize = 128 << 10;

/// The result of decoding the bytes that have arrived so far.
#[derive(Debug)]
#[must_use]
pub enum Decoded<T> {
    /// A value, and the number of bytes it took.
    Value(T, usize),
    /// The value is not complete: at least this many more bytes are needed. This is a lower bound, never more than what
    /// is missing.
    Incomplete(NonZeroUsize),
    /// No further input can make this valid.
    Invalid(Error),
}

impl<T> Decoded<T> {
    /// Maps the value and leaves the other variants as they are.
    pub fn map<U>(self, into: impl FnOnce(T) -> U) -> Decoded<U> {
        match self {
            Self::Value(value, taken) => Decoded::Value(into(value), taken),
            Self::Incomplete(missing) => Decoded::Incomplete(missing),
            Self::Invalid(error) => Decoded::Invalid(error),
        }
    }
}

/// Decodes a value from the start of `bytes`, which may be incomplete or continue after the value.
///
/// Meant for values that have arrived whole. Retrying from the start as pieces arrive takes quadratic time;
/// [`Progress`](crate::Progress) takes linear time.
///
/// ```
/// use mus_format::{Decoded, decode};
///
/// assert!(matches!(decode::<(u32, bool)>(&[0xac, 0x02, 1, 99]), Decoded::Value((300, true), 3)));
/// assert!(matches!(decode::<&str>(&[5, b'h', b'e']), Decoded::Incomplete(missing) if missing.get() == 3));
/// assert!(matches!(decode::<bool>(&[7]), Decoded::Invalid(error) if error.at == 1));
/// ```
#[inline]
pub fn decode<'de, T: Decode<'de>>(bytes: &'de [u8]) -> Decoded<T> {
    decode_with(bytes, &Limits::new())
}

/// Like [`decode`], with custom limits.
#[inline]
pub fn decode_with<'de, T: Decode<'de>>(bytes: &'de [u8], limits: &Limits) -> Decoded<T> {
    let mut reader = Reader::new(bytes, limits);
    let value = T::decode(&mut reader);
    reader.finish(value)
}

/// Decodes bytes that are exactly one value.
///
/// ```
/// use mus_format::{Fault, from_slice};
///
/// assert_eq!(from_slice::<String>(&[2, b'h', b'i']).unwrap(), "hi");
/// assert!(matches!(from_slice::<u8>(&[1, 2]).unwrap_err().fault, Fault::Trailing(1)));
/// assert!(matches!(from_slice::<u8>(&[]).unwrap_err().fault, Fault::Truncated(_)));
/// ```
///
/// # Errors
///
/// Returns what is wrong with the bytes, and where. Missing bytes are [`Fault::Truncated`](crate::Fault::Truncated),
/// bytes after the value are [`Fault::Trailing`](crate::Fault::Trailing).
#[inline]
pub fn from_slice<'de, T: Decode<'de>>(bytes: &'de [u8]) -> Result<T, Error> {
    let mut reader = Reader::new(bytes, &Limits::new());
    let value = T::decode(&mut reader);
    reader.finish_whole(value)
}
