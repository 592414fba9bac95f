//! JSON, through `serde_json`: tag varint, length varint, body. Byte-compatible with codec-json-go.
//!
//! # What a Go peer sends
//!
//! Field names are those of the Go struct, which begin with a capital, so a Rust type needs
//! `#[serde(rename_all = "PascalCase")]`. Go writes nil slices, maps and pointers as `null`. An `Option` accepts that; for a
//! `Vec` or a map see [`null_as_default`], and for those inside of others [`go::nil`].
//!
//! Go writes byte slices, durations, runes and some other types in its own way. [`go`] has helpers for them.
//!
//! Go's decoder is more lenient than serde. Where a Go peer relies on that, the frame is refused here:
//!
//! | Go accepts | here |
//! | --- | --- |
//! | the body `null`, as the zero value | refused, unless the type is an `Option` or a unit |
//! | `null` for a field, as "leave it zero" | refused, unless the field is an `Option` or uses [`null_as_default`] |
//! | a duplicate field, of which the last one wins | refused |
//! | field names in another case | an unknown field, ignored |
//! | invalid UTF-8 in a string, replaced by U+FFFD | refused, wherever in the body it stands |
//! | half of a surrogate pair in a string (`"\ud800"`), replaced by U+FFFD | refused |
//! | `-0` for an integer, as 0 | refused |
//! | an array of another length, filled up with zeros or cut off | refused |
//! | an array of numbers for a byte slice | refused by [`go::base64`] |
//!
//! Missing fields are an error in serde and zero in Go; `#[serde(default)]` on the type gives Go's behaviour. Of all
//! these, Go's own encoder produces only `null` for nil.
//!
//! JSON has no NaN and infinities, so a value that contains one cannot be encoded, as in Go. A struct is read only from
//! an object, as in Go, and not from an array of its fields, which serde would accept.
//!
//! # The stack
//!
//! serde reads what goes into a `Box` on the stack, and copies it from there. A value takes a few times its size: up to 15 times
//! without optimization, as measured for MUS, of the 2 MiB that a thread of tokio has. So keep large arrays in a `Vec`, which serde
//! fills on the heap, also where a `Box` would be enough for MUS.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Decode, Describe, Encode, EncodeError, Format, prefixed};
use crate::proto::decode::Decoded;
use crate::proto::varint;

mod deep;
mod finite;
pub mod go;
mod objects;
mod text;

pub use super::prefixed::Length;
use deep::Deep;
use finite::{Finite, Unescaped};
use objects::Objects;
use text::Body;

/// The JSON Format.
///
/// `Json` names both the type and its value with default settings. Arrays and objects may be nested up to 127 levels, in
/// reading and in writing. A value that is nested deeper cannot be encoded.
///
/// ```
/// use cmd_stream::Json;
///
/// let format: Json = Json.max_len(64 << 10);
/// # let _ = format;
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Json {
    max_len: usize,
}

/// The JSON Format without a maximum length of its own.
#[expect(non_upper_case_globals, reason = "reads as a unit struct, which could not have settings")]
pub const Json: Json = Json { max_len: usize::MAX };

impl Json {
    /// Sets the maximum length of a body, in bytes, for reading and writing. By default, only the limit of the whole
    /// frame applies ([`Limits::frame`](crate::server::Limits::frame), 4 MiB unless set).
    ///
    /// A longer body that arrives is refused as soon as its length is known, and the connection is closed.
    #[must_use]
    pub const fn max_len(self, bytes: usize) -> Self {
        Self { max_len: bytes }
    }
}

impl Default for Json {
    fn default() -> Self {
        Json
    }
}

impl Format for Json {
    const NAME: &'static str = "json";
    type Progress = Length;

    fn position(length: &Length) -> usize {
        length.position()
    }
}

// Messages should be about the bound on `Json`, and not the one on serde.
#[diagnostic::do_not_recommend]
impl<T: Serialize> Encode<T> for Json {
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        // The length precedes the body but is known only after it. Leave room for it, and move the body if the length
        // takes more or less.
        let start = out.len();
        out.extend_from_slice(&[0; LEN_OF_LENGTH]);
        value.serialize(Finite(&mut serde_json::Serializer::with_formatter(
            &mut *out,
            Unescaped::default(),
        )))?;
        let body = start + LEN_OF_LENGTH;
        let length = out.len() - body;
        prefixed::check_length(length, self.max_len)?;
        let mut prefix = [0; varint::MAX_LEN];
        let prefix = write_length(length, &mut prefix);
        if prefix.len() == LEN_OF_LENGTH {
            out[start..body].copy_from_slice(prefix);
        } else {
            out.splice(start..body, prefix.iter().copied());
        }
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> Decode<T> for Json {
    fn decode(&self, bytes: &[u8], length: &mut Length) -> Decoded<T> {
        prefixed::decode(self.max_len, bytes, length, read_body)
    }

    fn measure(&self, bytes: &[u8], length: &mut Length) -> Option<usize> {
        prefixed::measure(self.max_len, bytes, length)
    }
}

fn read_body<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    // All of it is checked at once. `serde_json` would check each string by itself, and each name of a field.
    let body = simdutf8::basic::from_utf8(body).map_err(|_| not_text(body))?;
    let mut deserializer = serde_json::Deserializer::from_str(body);
    let value = T::deserialize(Deep(&mut deserializer, Objects(Body::new(body))))?;
    deserializer.end()?; // only white space may follow
    Ok(value)
}

#[cold]
fn not_text(body: &[u8]) -> serde_json::Error {
    let at = std::str::from_utf8(body).map_or_else(|error| error.valid_up_to(), str::len);
    serde::de::Error::custom(format_args!("byte {at} of the body is not UTF-8"))
}

/// Room for the length. Most bodies have 128 to 16,383 bytes, whose length takes two.
const LEN_OF_LENGTH: usize = 2;

fn write_length(length: usize, prefix: &mut [u8; varint::MAX_LEN]) -> &[u8] {
    let mut rest = length as u64;
    let end = varint::len(rest);
    for byte in &mut prefix[..end - 1] {
        *byte = rest as u8 | 0x80;
        rest >>= 7;
    }
    prefix[end - 1] = rest as u8;
    &prefix[..end]
}

/// Reads `null` as the default value, for fields that Go writes from a nil slice or map.
///
/// ```
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Tags {
///     #[serde(rename = "Names", default, deserialize_with = "cmd_stream::format::json::null_as_default")]
///     names: Vec<String>,
/// }
///
/// let tags: Tags = serde_json::from_str(r#"{"Names": null}"#)?;
/// assert!(tags.names.is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// # Errors
///
/// Returns the error of the value, if it is not `null`.
pub fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Empty, because the names of the fields are on the wire.
#[diagnostic::do_not_recommend]
impl<T: ?Sized> Describe<T> for Json {}
