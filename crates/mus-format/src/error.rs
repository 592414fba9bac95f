//! Why bytes are not a value, and why a value cannot be written.

use alloc::boxed::Box;
use core::error::Error as StdError;
use core::fmt;
use core::num::NonZeroUsize;

/// Any error: what a validation function, or an encoding of the user's own, may fail with.
pub type Refusal = Box<dyn StdError + Send + Sync>;

/// Why bytes are not a value, and where that became certain.
#[derive(Debug)]
pub struct Error {
    /// What is wrong.
    pub fault: Fault,
    /// How many bytes had been read when it became certain.
    pub at: usize,
}

/// What is wrong with bytes that do not decode.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fault {
    /// A varint with more bits than its type has.
    Overflow,
    /// A length below zero.
    NegativeLength(i64),
    /// A length over what is allowed, or over that of the array.
    TooLong {
        /// The length that was announced.
        length: u64,
        /// The most that is allowed.
        limit: usize,
    },
    /// An array with less elements than it has.
    WrongLength {
        /// The length that was announced.
        length: u64,
        /// The only one that is possible.
        expected: usize,
    },
    /// A bool that is neither 0 nor 1.
    InvalidBool(u8),
    /// A flag of a pointer (an `Option`) that does not say whether there is something behind it.
    InvalidPointer(u8),
    /// The id of a mapped pointer that has not been announced, that has another type, or whose value is not whole.
    UnknownPointer(i64),
    /// Text that is not UTF-8.
    InvalidUtf8,
    /// The tag of a union that none of its variants has.
    UnexpectedTag(i64),
    /// The tag of a typed value is another one.
    WrongTag {
        /// The tag of the type.
        expected: i64,
        /// The tag that was read.
        found: i64,
    },
    /// The value is nested deeper than this limit.
    TooDeep(usize),
    /// More elements without bytes than this limit.
    TooManyEmpty {
        /// The elements that were announced in the sequence at which the limit was passed, each times its memory.
        elements: u64,
        /// The most that is allowed in the whole value.
        limit: usize,
    },
    /// A number, a time or a duration that its type cannot hold.
    OutOfRange,
    /// A validation function refused the value; this is its error.
    Validation(Refusal),
    /// The bytes end before the value does: at least so many are missing. Only where they had to be exactly one
    /// value; see [`from_slice`](crate::from_slice).
    Truncated(NonZeroUsize),
    /// So many bytes follow the value. Only where the bytes had to be exactly one value.
    Trailing(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overflow => f.write_str("varint overflow"),
            Self::NegativeLength(length) => write!(f, "negative length {length}"),
            Self::TooLong { length, limit } => write!(f, "length {length} is over the limit of {limit}"),
            Self::WrongLength { length, expected } => write!(f, "length {length} instead of {expected}"),
            Self::InvalidBool(byte) => write!(f, "bool of {byte:#04x}"),
            Self::InvalidPointer(byte) => write!(f, "pointer flag of {byte:#04x}"),
            Self::UnknownPointer(id) => write!(f, "unknown pointer {id}"),
            Self::InvalidUtf8 => f.write_str("text is not UTF-8"),
            Self::UnexpectedTag(tag) => write!(f, "unexpected tag {tag}"),
            Self::WrongTag { expected, found } => write!(f, "tag {found} instead of {expected}"),
            Self::TooDeep(limit) => write!(f, "nested deeper than {limit}"),
            Self::TooManyEmpty { elements, limit } => {
                write!(f, "{elements} elements without bytes pass the limit of {limit}")
            }
            Self::OutOfRange => f.write_str("value is out of the range of its type"),
            Self::Validation(refusal) => write!(f, "value is refused: {refusal}"),
            Self::Truncated(missing) => write!(f, "at least {missing} bytes are missing"),
            Self::Trailing(bytes) => write!(f, "{bytes} bytes follow the value"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (after {} bytes)", self.fault, self.at)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.fault {
            Fault::Validation(refusal) => Some(&**refusal),
            _ => None,
        }
    }
}

/// Why a value cannot be written.
#[derive(Debug)]
#[non_exhaustive]
pub enum EncodeError {
    /// A string, a sequence or a map is longer than the most that its field allows.
    TooLong {
        /// Its length.
        length: usize,
        /// The most that is allowed.
        limit: usize,
    },
    /// The value is nested deeper than this limit.
    TooDeep(usize),
    /// A time or a duration that 64 bits do not hold in the unit of its encoding.
    OutOfRange,
    /// An encoding of the user's own refused the value.
    Refused(Refusal),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length, limit } => write!(f, "length {length} is over the limit of {limit}"),
            Self::TooDeep(limit) => write!(f, "nested deeper than {limit}"),
            Self::OutOfRange => f.write_str("value is out of the range of its encoding"),
            Self::Refused(refusal) => write!(f, "value is refused: {refusal}"),
        }
    }
}

impl StdError for EncodeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Refused(refusal) => Some(&**refusal),
            _ => None,
        }
    }
}
