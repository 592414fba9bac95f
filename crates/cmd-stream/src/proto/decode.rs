//! The result of decoding the bytes that have arrived: a value, *incomplete*, or *invalid*.

use std::error::Error as StdError;
use std::fmt;
use std::num::NonZeroUsize;

use super::tag::Tag;

/// The result of decoding the bytes that have arrived so far.
///
/// ```
/// use cmd_stream::proto::{varint, Decoded};
///
/// assert!(matches!(varint::decode::<u64>(&[0x80, 0x01]), Decoded::Value(128, 2)));
/// assert!(matches!(varint::decode::<u64>(&[0x80]), Decoded::Incomplete(n) if n.get() == 1));
/// ```
#[derive(Debug)]
#[must_use]
pub enum Decoded<T> {
    /// A value, and the number of bytes it took.
    Value(T, usize),
    /// The value is not complete: at least this many more bytes are needed. Decoding is not tried again before they
    /// have arrived, and a frame that would exceed its limit is refused at once.
    Incomplete(NonZeroUsize),
    /// No further input can make this valid.
    Invalid(DecodeError),
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

    /// Creates *incomplete*, with at least one byte missing.
    pub fn incomplete(missing: usize) -> Self {
        Self::Incomplete(NonZeroUsize::new(missing).unwrap_or(NonZeroUsize::MIN))
    }

    /// Creates *invalid*, found after `at` bytes of the input.
    pub fn invalid(fault: Fault, at: usize) -> Self {
        Self::Invalid(DecodeError { fault, at })
    }

    /// Adjusts the positions in the result of a decoder that was given the bytes from `start` on.
    pub(crate) fn shifted(self, start: usize) -> Self {
        match self {
            Self::Value(value, taken) => Self::Value(value, start + taken),
            Self::Incomplete(missing) => Self::Incomplete(missing),
            Self::Invalid(error) => Self::Invalid(DecodeError { at: start + error.at, ..error }),
        }
    }
}

/// Why bytes cannot be decoded, and where that became certain. Created by [`Decoded::invalid`].
#[derive(Debug)]
#[non_exhaustive]
pub struct DecodeError {
    /// What is wrong.
    pub fault: Fault,
    /// The number of bytes read when that became certain. For a frame over its limit, this is where the first part
    /// begins that does not end within the limit.
    pub at: usize,
}

/// What is wrong with bytes that cannot be decoded.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fault {
    /// A varint with more bits than its type has.
    VarintOverflow,
    /// A length below zero.
    NegativeLength(i64),
    /// A length over the limit.
    TooLong {
        /// The length that was announced.
        length: u64,
        /// The limit.
        limit: usize,
    },
    /// A tag that the Protocol does not declare.
    UnknownTag(Tag),
    /// The body of a value cannot be decoded. The source is the error of the Format.
    Body(Box<dyn StdError + Send + Sync>),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VarintOverflow => f.write_str("varint overflow"),
            Self::NegativeLength(length) => write!(f, "negative length {length}"),
            Self::TooLong { length, limit } => {
                write!(f, "length {length} is over the limit of {limit} bytes")
            }
            Self::UnknownTag(tag) => write!(f, "unknown tag {tag}"),
            Self::Body(_) => f.write_str("the body cannot be decoded"), // the reason is the source
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (after {} bytes of the frame)", self.fault, self.at)
    }
}

impl StdError for DecodeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.fault {
            Fault::Body(source) => Some(&**source),
            _ => None,
        }
    }
}
