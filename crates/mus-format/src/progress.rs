//! Decoding a value while it arrives. The first attempt decodes at once; only what was not whole then is scanned, from
//! where the last scan stopped, until its end is there. Knows no types but their shapes.

mod scanner;

use alloc::boxed::Box;

use self::scanner::{Scan, Scanner};
use crate::decode::{Decode, Decoded, decode_with};
use crate::limits::Limits;

/// What is remembered of a value that has only begun to arrive, so that the work on it is linear however its bytes are
/// cut.
///
/// Each call gets all bytes of the value that have arrived until then, from its first one on, and is for the same type.
/// After a value or a fault the next one can begin.
///
/// The answers are those of [`decode`](crate::decode()), only that what is wrong with the *content* of a value whose
/// bytes fit its type may be told no sooner than it is whole: text that is not UTF-8, numbers out of range, what a
/// validation function refuses, ids of pointers that have another type.
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
    /// Where the scan stopped, once there was one.
    scanner: Option<Box<Scanner>>,
}

impl Progress {
    /// Decodes a value from the start of `bytes`, or says how many more are needed at least.
    ///
    /// What is asked for counts what must follow in the whole value. Elements of a size that is not known, however many
    /// are announced, add at most 64 KiB to it.
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

    /// Goes on with a value of which not all was there at first.
    #[inline(never)]
    fn scan<'de, T: Decode<'de>>(&mut self, bytes: &'de [u8], limits: &Limits) -> Decoded<T> {
        let begun = || Box::new(Scanner::new(const { &[T::SHAPE] }, limits));
        match self.scanner.get_or_insert_with(begun).scan(bytes) {
            Scan::Incomplete(missing) => Decoded::Incomplete(missing),
            Scan::End | Scan::Fault => {
                self.scanner = None;
                decode_with(bytes, limits)
            }
        }
    }
}

#[cfg(test)]
mod tests;
