//! Encoding: the trait, and the functions that encode one value. Knows nothing of the encoding of particular types.

use alloc::vec::Vec;

use crate::error::EncodeError;
use crate::limits::Limits;
use crate::output::{Buffer, Counter, Output};

/// A type that can be encoded in MUS.
///
/// `#[derive(Mus)]` implements it. An implementation by hand writes the fields in order; [`Shape`](crate::Shape) has an
/// example.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be encoded in MUS",
    label = "not encodable",
    note = "derive `Mus` on it, or choose an encoding for the field (`#[mus(..)]`)"
)]
pub trait Encode {
    /// Whether every value takes at least a byte. `false` if that is not known: then it is looked at, for elements without
    /// bytes are charged to a budget.
    #[doc(hidden)]
    const HAS_BYTES: bool = false;

    /// Writes the value, or calls [`Output::fail`] if it cannot be written.
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

    /// Writes the value encoded as [`AllRaw`](crate::encoding::AllRaw); only types of this crate override it.
    #[doc(hidden)]
    #[inline]
    fn encode_raw<O: Output + ?Sized>(&self, out: &mut O) {
        self.encode(out);
    }

    /// Writes such values one after the other.
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

/// Appends a value to `out`, which grows at most once.
///
/// The size of the value is computed first.
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
/// Fails if the value cannot be written; `out` is then unchanged.
#[inline]
pub fn encode<T: Encode + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    out.reserve(size(value)?);
    append(value, out)
}

/// Appends a value to `out` without computing its size first.
///
/// Faster than [`encode`] for a buffer that is reused and so is usually large enough.
///
/// # Errors
///
/// Fails if the value cannot be written; `out` is then unchanged.
#[inline]
pub fn append<T: Encode + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    append_with(value, out, &Limits::new())
}

/// Like [`append`], with custom limits.
///
/// # Errors
///
/// Fails if the value cannot be written; `out` is then unchanged.
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

/// Encodes a value into a new buffer of exactly its size.
///
/// ```
/// assert_eq!(mus_format::to_vec(&Some(1_u64))?, [0, 1]);
/// # Ok::<(), mus_format::EncodeError>(())
/// ```
///
/// # Errors
///
/// Fails if the value cannot be written.
#[inline]
pub fn to_vec<T: Encode + ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::with_capacity(size(value)?);
    // Not by `append`, a function that need not be in line, and would look after what was in the buffer before.
    let mut buffer = Buffer::new(&mut out, &Limits::new());
    value.encode(&mut buffer);
    buffer.finish()?;
    Ok(out)
}

/// Returns the exact number of bytes that a value takes.
///
/// # Errors
///
/// Fails if the value cannot be written.
#[inline]
pub fn size<T: Encode + ?Sized>(value: &T) -> Result<usize, EncodeError> {
    let mut counter = Counter::new(&Limits::new());
    value.encode(&mut counter);
    counter.finish()
}
