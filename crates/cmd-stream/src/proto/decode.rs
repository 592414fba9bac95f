//! What a decoder answers over the bytes that have arrived: a value, *incomplete*, or *invalid*.

use std::error::Error as StdError;
use std::fmt;
use std::num::NonZeroUsize;

use super::frame::Tag;

/// The answer of a decoder over the bytes that have arrived so far.
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
    /// A value, and how many bytes it took.
    Value(T, usize),
    /// The value has not arrived yet: at least this many bytes more are needed. It is a lower bound: the decoder is
    /// not asked again before they are there, and a frame that would grow past its limit is refused at once.
    Incomplete(NonZeroUsize),
    /// No bytes that may still arrive can make a value of this.
    Invalid(DecodeError),
}

impl<T> Decoded<T> {
    /// The same answer with another value.
    pub fn map<U>(self, into: impl FnOnce(T) -> U) -> Decoded<U> {
        match self {
            Self::Value(value, taken) => Decoded::Value(into(value), taken),
            Self::Incomplete(missing) => Decoded::Incomplete(missing),
            Self::Invalid(error) => Decoded::Invalid(error),
        }
    }

    /// *Incomplete*, with a lower bound of at least one byte.
    pub fn incomplete(missing: usize) -> Self {
        Self::Incomplete(NonZeroUsize::new(missing).unwrap_or(NonZeroUsize::MIN))
    }

    /// *Invalid*, found after `at` bytes of what the decoder was given.
    pub fn invalid(fault: Fault, at: usize) -> Self {
        Self::Invalid(DecodeError { fault, at })
    }

    /// The same answer of a decoder that was given the bytes from `start` on.
    pub(crate) fn shifted(self, start: usize) -> Self {
        match self {
            Self::Value(value, taken) => Self::Value(value, start + taken),
            Self::Incomplete(missing) => Self::Incomplete(missing),
            Self::Invalid(error) => Self::Invalid(DecodeError { at: start + error.at, ..error }),
        }
    }
}

/// Why bytes are not a value, and where that became certain; made by [`Decoded::invalid`].
#[derive(Debug)]
#[non_exhaustive]
pub struct DecodeError {
    /// What is wrong.
    pub fault: Fault,
    /// How many bytes had been read when it became certain. For a frame over its limit: where its first part begins that
    /// is not whole within the limit.
    pub at: usize,
}

/// What is wrong with bytes that do not decode.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fault {
    /// A varint with more bits than its type has.
    VarintOverflow,
    /// A length below zero.
    NegativeLength(i64),
    /// A length over what is allowed.
    TooLong {
        /// The length that was announced.
        length: u64,
        /// The most that is allowed.
        limit: usize,
    },
    /// A tag that the Protocol does not declare.
    UnknownTag(Tag),
    /// The body of a value does not decode; the source is the Format's own error.
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
            Self::Body(_) => f.write_str("the body does not decode"), // why is the source of the error
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
