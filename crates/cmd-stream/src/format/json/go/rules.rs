//! The rules for single values.

use std::fmt;
use std::time::Duration;

use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Unexpected, Visitor};
use serde::ser::{Error as _, Serialize, SerializeStruct, Serializer};
use serde_json::value::RawValue;

use super::{As, Text, rule};

/// Go ignores bits after the last byte.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

fn write_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64.encode(bytes))
}

fn bytes_of(text: &str) -> Result<Vec<u8>, String> {
    let is_break = |byte: u8| matches!(byte, b'\r' | b'\n');
    let decoded = if text.bytes().any(is_break) {
        BASE64.decode(text.bytes().filter(|&byte| !is_break(byte)).collect::<Vec<_>>())
    } else {
        BASE64.decode(text)
    };
    decoded.map_err(|error| format!("invalid base64: {error}"))
}

/// The visitor of bytes, or of nothing.
struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes in base64")
    }

    fn visit_none<E>(self) -> Result<Vec<u8>, E> {
        Ok(Vec::new())
    }

    fn visit_unit<E>(self) -> Result<Vec<u8>, E> {
        Ok(Vec::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_str(Text("bytes in base64", bytes_of))
    }
}

impl As<rule::Base64> for Vec<u8> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_bytes(self, serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(Bytes)
    }
}

impl As<rule::Base64> for Box<[u8]> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_bytes(self, serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(Bytes).map(Vec::into_boxed_slice)
    }
}

impl As<rule::Duration> for Duration {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match i64::try_from(self.as_nanos()) {
            Ok(nanoseconds) => serializer.serialize_i64(nanoseconds),
            Err(_) => Err(S::Error::custom(format_args!("{self:?} is longer than a duration of Go can be"))),
        }
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let nanoseconds = i64::deserialize(deserializer)?;
        u64::try_from(nanoseconds).map(Self::from_nanos).map_err(|_| {
            D::Error::invalid_value(Unexpected::Signed(nanoseconds), &"a duration that is not negative")
        })
    }
}

impl As<rule::Rune> for char {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(u32::from(*self))
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i32::deserialize(deserializer)?;
        u32::try_from(number).ok().and_then(Self::from_u32).ok_or_else(|| {
            D::Error::invalid_value(Unexpected::Signed(number.into()), &"a Unicode scalar value")
        })
    }
}

/// Implements the option `,string` for types that JSON writes as a literal.
macro_rules! quoted {
    ($($type:ty)+) => { $(
        impl As<rule::Quoted> for $type {
            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let json = serde_json::to_string(self).map_err(S::Error::custom)?;
                // So it writes floats that JSON does not have.
                if json == "null" {
                    return Err(S::Error::custom("JSON has no NaN and no infinities"));
                }
                serializer.serialize_str(&json)
            }

            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text(concat!("a string with a ", stringify!($type)), |json: &str| {
                    serde_json::from_str(json).map_err(|error| error.to_string())
                }))
            }
        }
    )+ };
}
quoted!(bool i8 i16 i32 i64 isize u8 u16 u32 u64 usize f32 f64 String);

impl As<rule::Number> for String {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_empty() {
            return serializer.serialize_u8(0);
        }
        match number_of(self.clone()) {
            Some(number) => number.serialize(serializer),
            None => Err(S::Error::custom(format_args!("{self:?} is not a number"))),
        }
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        if is_number(&json) {
            return Ok(Box::<str>::from(json).into_string());
        }
        // Go also takes a number within a string.
        match serde_json::from_str(json.get()).ok().and_then(number_of) {
            Some(number) => Ok(Box::<str>::from(number).into_string()),
            None => {
                Err(D::Error::custom(format_args!("invalid value: {:.100}, expected a number", json.get())))
            }
        }
    }
}

/// Returns a text as JSON, if it is a number.
fn number_of(text: String) -> Option<Box<RawValue>> {
    let length = text.len();
    // White space at the ends would be cut off.
    RawValue::from_string(text).ok().filter(|json| json.get().len() == length && is_number(json))
}

/// Returns whether valid JSON is a number.
fn is_number(json: &RawValue) -> bool {
    json.get().starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

impl As<rule::Empty> for () {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_struct("Empty", 0)?.end()
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object)
    }
}

/// The visitor of an object of which nothing is kept.
struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}
