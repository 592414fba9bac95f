//! Errors of decoding and encoding. Each message describes its own level only; the error of a validation function is
//! the `source`.

use alloc::boxed::Box;
use core::error::Error as StdError;
use core::fmt;
use core::num::NonZeroUsize;

/// The error of a validation function or of a custom encoding.
pub type Refusal = Box<dyn StdError + Send + Sync>;

/// Why bytes cannot be decoded, and where that became certain.
///
/// The error of a validation function is the [`source`](StdError::source) and not part of the message.
///
/// ```
/// use std::error::Error as _;
///
/// use mus_format::{Mus, from_slice};
///
/// #[derive(Mus, Debug)]
/// struct Volts(#[mus(raw, validate = at_most_five)] u16);
///
/// fn at_most_five(volts: &u16) -> Result<(), String> {
///     if *volts <= 5 { Ok(()) } else { Err(format!("{volts} volts")) }
/// }
///
/// let error = from_slice::<Volts>(&[7, 0]).unwrap_err();
/// assert_eq!(error.to_string(), "value was rejected (after 2 bytes)");
/// assert_eq!(error.source().unwrap().to_string(), "7 volts");
/// ```
#[derive(Debug)]
pub struct Error {
    /// What is wrong.
    pub fault: Fault,
    /// The number of bytes read when that became certain.
    pub at: usize,
}

/// What is wrong with bytes that cannot be decoded.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fault {
    /// A varint with more bits than its type has.
    Overflow,
    /// A length below zero.
    NegativeLength(i64),
    /// A length over the limit, or over that of the array.
    TooLong {
        /// The length that was announced.
        length: u64,
        /// The greatest length allowed.
        limit: usize,
    },
    /// A length that is too short for the array.
    WrongLength {
        /// The length that was announced.
        length: u64,
        /// The length of the array.
        expected: usize,
    },
    /// A `bool` that is neither 0 nor 1.
    InvalidBool(u8),
    /// A flag of an `Option` or a pointer that is none of the known ones.
    InvalidPointer(u8),
    /// The id of a mapped pointer that was not announced, that has another type, or whose value is not complete yet.
    UnknownPointer(i64),
    /// Text that is not UTF-8.
    InvalidUtf8,
    /// An enum's tag that none of its variants has.
    UnexpectedTag(i64),
    /// A tag that is not the one of the type.
    WrongTag {
        /// The tag of the type.
        expected: i64,
        /// The tag that was read.
        found: i64,
    },
    /// The value is nested deeper than this limit.
    TooDeep(usize),
    /// The value has more elements without bytes than the limit allows.
    TooManyEmpty {
        /// What was announced by the sequence that exceeded the limit: its elements, each times its size in memory.
        elements: u64,
        /// The limit for the whole value.
        limit: usize,
    },
    /// A number, a time or a duration that its type cannot hold.
    OutOfRange,
    /// A validation function or a conversion rejected the value with this error.
    Validation(Refusal),
    /// The bytes end before the value does: at least this many are missing. Only where the input must be exactly one
    /// value; see [`from_slice`](crate::from_slice).
    Truncated(NonZeroUsize),
    /// This many bytes follow the value. Only where the input must be exactly one value.
    Trailing(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overflow => f.write_str("varint overflow"),
            Self::NegativeLength(length) => write!(f, "negative length {length}"),
            Self::TooLong { length, limit } => write!(f, "length {length} is over the limit of {limit}"),
            Self::WrongLength { length, expected } => write!(f, "length is {length} instead of {expected}"),
            Self::InvalidBool(byte) => write!(f, "invalid bool {byte:#04x}"),
            Self::InvalidPointer(byte) => write!(f, "invalid pointer flag {byte:#04x}"),
            Self::UnknownPointer(id) => write!(f, "unknown pointer {id}"),
            Self::InvalidUtf8 => f.write_str("text is not UTF-8"),
            Self::UnexpectedTag(tag) => write!(f, "unexpected tag {tag}"),
            Self::WrongTag { expected, found } => write!(f, "tag is {found} instead of {expected}"),
            Self::TooDeep(limit) => write!(f, "nested deeper than {limit}"),
            Self::TooManyEmpty { elements, limit } => {
                write!(f, "{elements} elements without bytes exceed the limit of {limit}")
            }
            Self::OutOfRange => f.write_str("value is out of the range of its type"),
            Self::Validation(_) => f.write_str("value was rejected"),
            Self::Truncated(missing) => write!(f, "at least {missing} bytes are missing"),
            Self::Trailing(bytes) => write!(f, "{bytes} bytes follow the value"),
        }
    }
}

impl StdError for Fault {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Validation(refusal) => Some(&**refusal),
            _ => None,
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
    /// A string, a sequence or a map is longer than its field allows.
    TooLong {
        /// Its length.
        length: usize,
        /// The greatest length allowed.
        limit: usize,
    },
    /// The value is nested deeper than this limit.
    TooDeep(usize),
    /// The value has more elements without bytes than the limit allows.
    TooManyEmpty {
        /// What the sequence that exceeded the limit has: its elements, each times its size in memory.
        elements: u64,
        /// The limit for the whole value.
        limit: usize,
    },
    /// A time or a duration that does not fit 64 bits in the unit of its encoding.
    OutOfRange,
    /// A custom encoding rejected the value.
    Refused(Refusal),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length, limit } => write!(f, "length {length} is over the limit of {limit}"),
            Self::TooDeep(limit) => write!(f, "nested deeper than {limit}"),
            Self::TooManyEmpty { elements, limit } => {
                write!(f, "{elements} elements without bytes exceed the limit of {limit}")
            }
            Self::OutOfRange => f.write_str("value is out of the range of its encoding"),
            Self::Refused(_) => f.write_str("value was rejected"),
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

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString as _};
    use alloc::vec::Vec;

    use super::*;

    /// An error with a cause.
    #[derive(Debug)]
    struct Odd(Small);

    #[derive(Debug)]
    struct Small;

    impl fmt::Display for Odd {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("seven is odd")
        }
    }

    impl fmt::Display for Small {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("and small")
        }
    }

    impl StdError for Small {}

    impl StdError for Odd {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.0)
        }
    }

    /// One of each variant. A new variant does not compile until it is listed here.
    fn faults() -> Vec<Fault> {
        let missing = NonZeroUsize::MIN;
        let all = [
            Fault::Overflow,
            Fault::NegativeLength(-1),
            Fault::TooLong { length: 7, limit: 5 },
            Fault::WrongLength { length: 3, expected: 4 },
            Fault::InvalidBool(2),
            Fault::InvalidPointer(3),
            Fault::UnknownPointer(9),
            Fault::InvalidUtf8,
            Fault::UnexpectedTag(8),
            Fault::WrongTag { expected: 1, found: 2 },
            Fault::TooDeep(128),
            Fault::TooManyEmpty { elements: 6, limit: 5 },
            Fault::OutOfRange,
            Fault::Validation(Odd(Small).into()),
            Fault::Truncated(missing),
            Fault::Trailing(2),
        ];
        for fault in &all {
            match fault {
                Fault::Overflow
                | Fault::NegativeLength(_)
                | Fault::TooLong { .. }
                | Fault::WrongLength { .. }
                | Fault::InvalidBool(_)
                | Fault::InvalidPointer(_)
                | Fault::UnknownPointer(_)
                | Fault::InvalidUtf8
                | Fault::UnexpectedTag(_)
                | Fault::WrongTag { .. }
                | Fault::TooDeep(_)
                | Fault::TooManyEmpty { .. }
                | Fault::OutOfRange
                | Fault::Validation(_)
                | Fault::Truncated(_)
                | Fault::Trailing(_) => {}
            }
        }
        all.into()
    }

    fn encode_errors() -> Vec<EncodeError> {
        let all = [
            EncodeError::TooLong { length: 7, limit: 5 },
            EncodeError::TooDeep(128),
            EncodeError::TooManyEmpty { elements: 6, limit: 5 },
            EncodeError::OutOfRange,
            EncodeError::Refused(Odd(Small).into()),
        ];
        for error in &all {
            match error {
                EncodeError::TooLong { .. }
                | EncodeError::TooDeep(_)
                | EncodeError::TooManyEmpty { .. }
                | EncodeError::OutOfRange
                | EncodeError::Refused(_) => {}
            }
        }
        all.into()
    }

    /// The messages of an error and of its sources.
    fn levels(error: &dyn StdError) -> Vec<String> {
        let (mut levels, mut next) = (Vec::new(), Some(error));
        while let Some(error) = next {
            levels.push(error.to_string());
            next = error.source();
        }
        levels
    }

    #[track_caller]
    fn says_each_thing_once(error: &dyn StdError, is_refusal: bool) {
        let levels = levels(error);
        assert_eq!(levels.len(), if is_refusal { 3 } else { 1 }, "{levels:?}");
        for (index, level) in levels.iter().enumerate() {
            assert!(!level.is_empty());
            for behind in &levels[index + 1..] {
                assert!(!level.contains(behind.as_str()), "{levels:?}");
            }
        }
        if is_refusal {
            assert_eq!(levels[1..], ["seven is odd", "and small"]);
        }
    }

    #[test]
    fn no_level_of_an_error_repeats_what_the_next_one_says() {
        for fault in faults() {
            let is_refusal = matches!(fault, Fault::Validation(_));
            says_each_thing_once(&fault, is_refusal);
            says_each_thing_once(&Error { fault, at: 5 }, is_refusal);
        }
        for error in encode_errors() {
            says_each_thing_once(&error, matches!(error, EncodeError::Refused(_)));
        }
    }

    #[test]
    fn an_error_says_what_is_wrong_and_where() {
        for fault in faults() {
            let text = fault.to_string();
            let error = Error { fault, at: 77 };
            assert_eq!(error.to_string(), alloc::format!("{text} (after 77 bytes)"));
        }
        let refused = Error { fault: Fault::Validation("odd".into()), at: 2 };
        assert_eq!(levels(&refused), ["value was rejected (after 2 bytes)", "odd"]);
    }
}
