//! Shared by the Formats whose bodies follow their length on the wire: reads the length, checks it, and waits for the
//! body. Knows nothing of the content of a body.

use crate::format::EncodeError;
use crate::proto::decode::{Decoded, Fault};
use crate::proto::varint;

/// The range of a body that is not complete yet, if its length is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Length(Option<(usize, usize)>);

impl Length {
    /// Returns where the body begins behind its length, if that is known.
    pub(super) fn position(&self) -> usize {
        self.0.map_or(0, |(start, _)| start)
    }
}

/// Reads the body at the start of `bytes`, once all of it has arrived. An error is reported at the end of the body,
/// wherever the body was cut.
#[inline]
pub(super) fn decode<T, E: Into<EncodeError>>(
    max_len: usize,
    bytes: &[u8],
    length: &mut Length,
    read_body: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Decoded<T> {
    let (start, end) = match length.0 {
        Some(range) => range,
        None => match read_length(max_len, bytes) {
            Decoded::Value(range, _) => range,
            Decoded::Incomplete(missing) => return Decoded::Incomplete(missing),
            Decoded::Invalid(error) => return Decoded::Invalid(error),
        },
    };
    let Some(body) = bytes.get(start..end) else {
        *length = Length(Some((start, end)));
        return Decoded::incomplete(end - bytes.len());
    };
    match read_body(body) {
        Ok(value) => Decoded::Value(value, end),
        Err(error) => Decoded::invalid(Fault::Body(error.into()), end),
    }
}

/// Returns how many bytes the body takes with its length, if all of it is there. If its length cannot be read, that is all of
/// the bytes.
pub(super) fn measure(max_len: usize, bytes: &[u8], length: &Length) -> Option<usize> {
    let end = match (length.0, read_length(max_len, bytes)) {
        (Some((_, end)), _) | (None, Decoded::Value((_, end), _)) => end,
        (None, Decoded::Incomplete(_)) => return None,
        (None, Decoded::Invalid(_)) => bytes.len(),
    };
    (end <= bytes.len()).then_some(end)
}

/// Reads the length, and returns where the body begins and ends.
fn read_length(max_len: usize, bytes: &[u8]) -> Decoded<(usize, usize)> {
    match varint::decode_length(bytes) {
        Decoded::Value(length, start) => {
            let end = usize::try_from(length).ok().filter(|&length| length <= max_len);
            match end.and_then(|length| start.checked_add(length)) {
                Some(end) => Decoded::Value((start, end), start),
                None => Decoded::invalid(Fault::TooLong { length, limit: max_len }, start),
            }
        }
        Decoded::Incomplete(missing) => Decoded::Incomplete(missing),
        Decoded::Invalid(error) => Decoded::Invalid(error),
    }
}

/// Refuses to write a body that is too long.
#[inline]
pub(super) fn check_length(length: usize, max_len: usize) -> Result<(), EncodeError> {
    if length > max_len {
        return Err(Fault::TooLong { length: length as u64, limit: max_len }.to_string().into());
    }
    Ok(())
}
