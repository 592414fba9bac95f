//! Decodes a value that arrives in pieces. Knows types only by their shapes.
//!
//! The first attempt decodes, because most values arrive whole. If bytes are missing, the value is scanned by its
//! shape, and each scan resumes where the last one stopped. Once its end is there, the value is decoded a second and
//! last time. So each byte is looked at a bounded number of times, however the value is cut.

mod scanner;

use alloc::boxed::Box;

use self::scanner::{Scan, Scanner};
use crate::decode::{Decode, Decoded, decode_with};
use crate::limits::Limits;

/// The state of decoding a value that arrives in pieces, in time linear in its size.
///
/// Each call is given all bytes of the value that have arrived, from the first one on, and decodes the same type. After
/// a value or a fault, the same `Progress` can be used for the next value.
///
/// The results are those of [`decode`](crate::decode()), with one difference. If the bytes fit the type but their
/// *content* is invalid, that may be reported only once the value is complete. This concerns text that is not UTF-8,
/// numbers out of range, values that a validation function rejects, and ids of pointers of another type.
///
/// ```
/// use mus_format::{Decoded, Limits, Progress};
///
/// let bytes = mus_format::to_vec(&["one", "two", "three"]).unwrap();
/// let (mut progress, limits) = (Progress::default(), Limits::new());
/// let mut there = 0;
/// let words: Vec<String> = loop {
///     match progress.decode(&bytes[..there], &limits) {
///         Decoded::Value(words, _) => break words,
///         Decoded::Incomplete(missing) => there += missing.get(), // more may have come
///         Decoded::Invalid(error) => panic!("{error}"),
///     }
/// };
/// assert_eq!(words, ["one", "two", "three"]);
/// ```
#[derive(Debug, Default)]
pub struct Progress {
    /// The scan, if the first attempt to decode found bytes missing.
    scanner: Option<Box<Scanner>>,
}

impl Progress {
    /// Decodes a value from the start of `bytes`, or returns how many more are needed at least.
    ///
    /// The number of missing bytes covers the rest of the whole value. Elements of variable size, however many are
    /// announced, add at most 64 KiB to it.
    #[inline]
    pub fn decode<'de, T: Decode<'de>>(&mut self, bytes: &'de [u8], limits: &Limits) -> Decoded<T> {
        if self.scanner.is_none() {
            match decode_with(bytes, limits) {
                Decoded::Incomplete(_) => {}
                answer => return answer,
            }
        }
        self.scan(bytes, limits)
    }

    /// Returns how many bytes the value takes, if all of it is there, without decoding it. If it is certain by now that it
    /// cannot be decoded, that is all of the bytes.
    ///
    /// A call of [`decode`](Self::decode) may follow, with the same bytes.
    #[must_use]
    pub fn measure<'de, T: Decode<'de>>(&mut self, bytes: &'de [u8], limits: &Limits) -> Option<usize> {
        let scanner = self.scanner.get_or_insert_with(|| begun::<T>(limits));
        let end = match scanner.scan(bytes) {
            Scan::Incomplete(_) => return None,
            Scan::End => scanner.end(),
            Scan::Fault => bytes.len(),
        };
        self.scanner = None;
        Some(end)
    }

    /// Resumes with a value that was incomplete at the first attempt.
    #[inline(never)]
    fn scan<'de, T: Decode<'de>>(&mut self, bytes: &'de [u8], limits: &Limits) -> Decoded<T> {
        match self.scanner.get_or_insert_with(|| begun::<T>(limits)).scan(bytes) {
            Scan::Incomplete(missing) => Decoded::Incomplete(missing),
            Scan::End | Scan::Fault => {
                self.scanner = None;
                decode_with(bytes, limits)
            }
        }
    }
}

fn begun<'de, T: Decode<'de>>(limits: &Limits) -> Box<Scanner> {
    Box::new(Scanner::new(const { &[T::SHAPE] }, limits))
}

#[cfg(test)]
mod tests;
