//! A vector, and what its kind asks of the type that it names.

use std::fmt::Debug;
use std::marker::PhantomData;

use mus_format::encoding::{DecodeAs, EncodeAs};
use mus_format::{
    Decode, Decoded, Encode, Error, Fault, Limits, Output, Reader, Shape, Stopped, decode, size, to_vec,
};
use serde_json::Value;

use crate::pieces::in_pieces;

/// One line of a file.
#[derive(Debug)]
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) type_name: String,
    pub(crate) options: Value,
    pub(crate) description: String,
    pub(crate) value: Value,
    pub(crate) bytes: Vec<u8>,
    pub(crate) consumed: Option<usize>,
    pub(crate) error: Option<String>,
}

/// What is to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The value is encoded so and decoded so.
    RoundTrip,
    /// It is decoded so.
    Decode,
    /// It is refused with this error.
    Error,
    /// Go takes it by omission. A number of 8 bits that goes on for too long: here it is refused.
    DecodeLax,
    /// Go does not notice.
    GoUndefined,
}

impl Vector {
    pub(crate) fn new(line: &Value) -> Self {
        let text = |field: &str| line[field].as_str().map(String::from);
        Self {
            name: text("name").expect("a name"),
            kind: match line["kind"].as_str() {
                Some("roundtrip") => Kind::RoundTrip,
                Some("decode") => Kind::Decode,
                Some("error") => Kind::Error,
                Some("decode_lax") => Kind::DecodeLax,
                Some("go_undefined") => Kind::GoUndefined,
                kind => panic!("a kind that this test does not know: {kind:?}"),
            },
            type_name: text("type").expect("a type"),
            options: line["options"].clone(),
            description: text("description").unwrap_or_default(),
            value: line["value"].clone(),
            bytes: crate::read::hex(line["hex"].as_str().expect("hex")),
            consumed: line["consumed"].as_u64().map(|consumed| consumed as usize),
            error: text("error"),
        }
    }

    /// Checks the vector against `T`, encoded as `E` says; `read` makes a value from JSON. Values are compared by their
    /// bytes and as `same` says.
    pub(crate) fn holds_for<T, E>(&self, read: impl Fn(&Value) -> T, same: impl Fn(&T, &T) -> bool)
    where
        T: Debug,
        E: EncodeAs<T> + for<'de> DecodeAs<'de, T>,
    {
        let Self { name, bytes, consumed, .. } = self;
        match self.kind {
            Kind::RoundTrip | Kind::Decode => {
                let value = As::<T, E>(read(&self.value), PhantomData);
                if self.kind == Kind::RoundTrip {
                    assert_eq!(to_vec(&value).expect("encodes"), *bytes, "{name}: encoded");
                    assert_eq!(size(&value).expect("encodes"), bytes.len(), "{name}: size");
                }
                let end = consumed.unwrap_or(bytes.len());
                for answer in answers::<T, E>(bytes) {
                    let Decoded::Value(decoded, taken) = answer else {
                        panic!("{name}: {answer:?} instead of {:?}", value.0);
                    };
                    assert!(same(&decoded, &value.0), "{name}: {decoded:?} instead of {:?}", value.0);
                    assert_eq!(taken, end, "{name}: bytes taken");
                }
                for cut in 0..end {
                    let answer = decode::<As<T, E>>(&bytes[..cut]).map(|_| ());
                    assert!(
                        matches!(&answer, Decoded::Incomplete(missing) if missing.get() <= end - cut),
                        "{name}: {answer:?} of {cut} bytes"
                    );
                }
            }
            Kind::Error => self.is_refused::<T, E>(self.error.as_deref().expect("an error"), *consumed),
            Kind::DecodeLax => self.is_refused::<T, E>("overflow", Some(2)),
            Kind::GoUndefined => self.is_refused::<T, E>(self.error.as_deref().expect("an error"), *consumed),
        }
    }

    fn is_refused<T: Debug, E: for<'de> DecodeAs<'de, T>>(&self, code: &str, consumed: Option<usize>) {
        let name = &self.name;
        for answer in answers::<T, E>(&self.bytes) {
            match (answer, code) {
                (Decoded::Incomplete(_), "eof" | "unexpected_eof") => {
                    assert_eq!(consumed, Some(self.bytes.len()))
                }
                (Decoded::Invalid(error), _) => {
                    assert_eq!(code_of(&error), code, "{name}: {error}");
                    assert!(consumed.is_none_or(|consumed| consumed == error.at), "{name}: {error}");
                }
                (answer, _) => panic!("{name}: {answer:?} instead of {code}"),
            }
        }
    }
}

/// What is answered if the bytes are there at once, and if they arrive one after the other.
fn answers<T, E: for<'de> DecodeAs<'de, T>>(bytes: &[u8]) -> [Decoded<T>; 2] {
    let answers = [decode::<As<T, E>>(bytes), in_pieces(bytes, &Limits::new(), || 0)];
    answers.map(|answer| answer.map(|As(value, _)| value))
}

/// The portable code of an error.
fn code_of(error: &Error) -> &'static str {
    match error.fault {
        Fault::Overflow => "overflow",
        Fault::NegativeLength(_) => "negative_length",
        Fault::InvalidBool(_) | Fault::InvalidPointer(_) => "wrong_format",
        Fault::TooLong { .. } => "too_large_length",
        Fault::WrongLength { .. } => "wrong_length",
        Fault::Validation(_) => "validation",
        Fault::WrongTag { .. } => "wrong_dtm",
        Fault::UnexpectedTag(_) => "unexpected_dtm",
        Fault::InvalidUtf8 => "invalid_utf8",
        _ => "another",
    }
}

/// A value whose encoding is `E`.
struct As<T, E>(T, PhantomData<E>);

impl<T, E: EncodeAs<T>> Encode for As<T, E> {
    fn encode<O: Output + ?Sized>(&self, out: &mut O) {
        E::encode_as(&self.0, out);
    }
}

impl<'de, T, E: DecodeAs<'de, T>> Decode<'de> for As<T, E> {
    const SHAPE: Shape = E::SHAPE;

    fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
        Ok(Self(E::decode_as(reader)?, PhantomData))
    }
}
