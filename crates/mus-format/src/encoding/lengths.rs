//! Encodings of the length of a sequence or a string, which is Go's `int` of 64 bits.

use super::{Positive, Raw, Varint};
use crate::error::EncodeError;
use crate::output::Output;
use crate::reader::{Reader, Stopped};
use crate::shape::LengthEncoding;

/// An encoding of lengths: [`Positive`], [`Varint`] (zigzag) or [`Raw`] (8 bytes).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an encoding of lengths",
    note = "lengths are `Positive`, `Varint` or `Raw`"
)]
pub trait Length: sealed::Sealed + 'static {
    #[doc(hidden)]
    const ENCODING: LengthEncoding;

    #[doc(hidden)]
    fn write<O: Output + ?Sized>(length: i64, out: &mut O);

    #[doc(hidden)]
    fn read(reader: &mut Reader<'_>) -> Result<i64, Stopped>;
}

mod sealed {
    #[expect(unnameable_types, reason = "only this crate implements or reads it")]
    pub trait Sealed {}
    impl Sealed for super::Positive {}
    impl Sealed for super::Varint {}
    impl Sealed for super::Raw {}
}

/// Writes a length that is at most `MAX`.
#[inline]
pub(super) fn write_length<L: Length, const MAX: usize, O: Output + ?Sized>(length: usize, out: &mut O) {
    if length > MAX {
        out.fail(EncodeError::TooLong { length, limit: MAX });
    }
    L::write(length as i64, out);
}

impl Length for Positive {
    const ENCODING: LengthEncoding = LengthEncoding::Positive;

    #[inline]
    fn write<O: Output + ?Sized>(length: i64, out: &mut O) {
        out.varint(length.cast_unsigned());
    }

    #[inline]
    fn read(reader: &mut Reader<'_>) -> Result<i64, Stopped> {
        Ok(reader.varint::<u64>()?.cast_signed())
    }
}

impl Length for Varint {
    const ENCODING: LengthEncoding = LengthEncoding::Varint;

    #[inline]
    fn write<O: Output + ?Sized>(length: i64, out: &mut O) {
        out.zigzag(length);
    }

    #[inline]
    fn read(reader: &mut Reader<'_>) -> Result<i64, Stopped> {
        reader.zigzag::<u64>()
    }
}

impl Length for Raw {
    const ENCODING: LengthEncoding = LengthEncoding::Raw;

    #[inline]
    fn write<O: Output + ?Sized>(length: i64, out: &mut O) {
        out.fixed(length.to_le_bytes());
    }

    #[inline]
    fn read(reader: &mut Reader<'_>) -> Result<i64, Stopped> {
        reader.fixed().map(i64::from_le_bytes)
    }
}
