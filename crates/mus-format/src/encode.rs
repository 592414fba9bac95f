//! From values to bytes: the trait, and the ways to encode one value. Knows no formats of single types.

use alloc::vec::Vec;

use crate::error::EncodeError;
use crate::limits::Limits;
use crate::output::{Buffer, Counter, Output};

/// A type that can be encoded in MUS.
///
/// `#[derive(Mus)]` implements it. By hand: write the fields in order; there is an example at
/// [`Shape`](crate::Shape).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be encoded in MUS",
    label = "not encodable",
    note = "derive `Mus` on it, or choose an encoding for the field (`#[mus(..)]`)"
)]
pub trait Encode {
    /// Writes the value. What cannot be written is told by [`Output::fail`].
    fn encode<O: Output + ?Sized>(&self, out: &mut O);

    /// Writes values one after the other.
    #[doc(hidden)]
    #[inline]
    fn encode_slice<O: Output + ?Sized>(slice: &[Self], out: &mut O)
    where
        Self: Sized,
    {
        for value in slice {
            value.encode(out);
        }
    }

    /// Writes the value as [`AllRaw`](crate::encoding::AllRaw) says: only types of this crate differ.
    #[doc(hidden)]
    #[inline]
    fn encode_raw<O: Output + ?Sized>(&self, out: &mut O) {
        self.encode(out);
    }

    /// Writes values so one after the other.
    #[doc(hidden)]
    #[inline]
    fn encode_raw_slice<O: Output + ?Sized>(slice: &[Self], out: &mut O)
    where
        Self: Sized,
    {
        for value in slice {
            value.encode_raw(out);
        }
    }
}

/// Appends a value to `out`: its size is found out first, so that `out` grows once, to what is needed.
///
/// ```
/// let mut out = Vec::new();
/// mus_format::encode(&(300_u32, "hi"), &mut out)?;
/// assert_eq!(out, [0xac, 0x02, 2, b'h', b'i']);
/// # Ok::<(), mus_format::EncodeError>(())
/// ```
///
/// # Errors
///
/// If the value cannot be written; then `out` is as before.
#[inline]
pub fn encode<T: Encode + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    out.reserve(size(value)?);
    append(value, out)
}

/// Appends a value to `out` without finding out its size first: for a buffer that is used again and again, and so is
/// large enough.
///
/// # Errors
///
/// If the value cannot be written; then `out` is as before.
#[inline]
pub fn append<T: Encode + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    append_with(value, out, &Limits::new())
}

/// Like [`append`], with limits of one's own.
///
/// # Errors
///
/// If the value cannot be written; then `out` is as before.
#[inline]
pub fn append_with<T: Encode + ?Sized>(
    value: &T,
    out: &mut Vec<u8>,
    limits: &Limits,
) -> Result<(), EncodeError> {
    let start = out.len();
    let mut buffer = Buffer::new(out, limits);
    value.encode(&mut buffer);
    let result = buffer.finish();
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Encodes a value into a buffer of its size.
///
/// ```
/// assert_eq!(mus_format::to_vec(&Some(1_u64))?, [0, 1]);
/// # Ok::<(), mus_format::EncodeError>(())
/// ```
///
/// # Errors
///
/// If the value cannot be written.
#[inline]
pub fn to_vec<T: Encode + ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    encode(value, &mut out)?;
    Ok(out)
}

/// How many bytes a value takes, exactly.
///
/// # Errors
///
/// If the value cannot be written.
#[inline]
pub fn size<T: Encode + ?Sized>(value: &T) -> Result<usize, EncodeError> {
    let mut counter = Counter::new(&Limits::new());
    value.encode(&mut counter);
    counter.finish()
}
