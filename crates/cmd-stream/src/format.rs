//! Serialization: the [`Format`] traits, and the Formats that come with the library, each in a module of its own.
//!
//! # Choosing a Format
//!
//! | | [`Json`](struct@crate::Json) | `Protobuf` | `Mus` |
//! | --- | --- | --- | --- |
//! | use it when | people read it, or peers use any language | there is a `.proto` file, or the ends are released at different times | both ends are released together, and speed or size matters |
//! | a field that only one end knows | ignored; a missing one may have a default | ignored; a missing one has its default | not possible; versions need different tags |
//! | bytes: {bool, i64, string of 0 to 1000 bytes, f64} | 580 | 522 | 519 |
//! | bytes: an order with 1000 lines | 111,374 | 51,849 | 46,671 |
//! | time to encode the struct, the order | 13x, 5.7x | 1.4x, 2.0x | 1 |
//! | time to decode them | 4.6x, 3.1x | 1.4x, 1.4x | 1 |
//! | types | `serde` | `prost::Message` | `cmd_stream::mus::Mus` |
//!
//! The times are medians of ratios measured side by side; `BENCHMARKS.md` has more, including whole round trips. All
//! three are compatible with the Go library.
//!
//! # A Format of your own
//!
//! Implement [`Format`] for the tag, [`Encode`] to write values, and [`Decode`] to read them. This one has no tags,
//! because its Protocol has one Command and one Reply. Both are strings after their length:
//!
//! ```
//! use cmd_stream::format::{Decode, Encode, EncodeError, Format};
//! use cmd_stream::proto::{Decoded, Fault, Tag, varint};
//!
//! #[derive(Clone, Copy, Debug)]
//! struct Text;
//!
//! impl Format for Text {
//!     const NAME: &str = "text";
//!     type Progress = ();
//!
//!     fn encode_tag(&self, _: Tag, _: &mut Vec<u8>) {}
//!     fn decode_tag(&self, _: &[u8]) -> Decoded<Tag> {
//!         Decoded::Value(Tag::new(0), 0)
//!     }
//! }
//!
//! impl<T: AsRef<str>> Encode<T> for Text {
//!     fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
//!         varint::encode(value.as_ref().len() as u64, out);
//!         out.extend_from_slice(value.as_ref().as_bytes());
//!         Ok(())
//!     }
//! }
//!
//! impl<T: From<String>> Decode<T> for Text {
//!     fn decode(&self, bytes: &[u8], _: &mut ()) -> Decoded<T> {
//!         let (length, start) = match varint::decode_length(bytes) {
//!             Decoded::Value(length, start) => (length, start),
//!             Decoded::Incomplete(missing) => return Decoded::Incomplete(missing),
//!             Decoded::Invalid(error) => return Decoded::Invalid(error),
//!         };
//!         // The library enforces the limit of the frame, so a huge length needs no check here.
//!         let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
//!         match bytes.get(start..end) {
//!             None => Decoded::incomplete(end - bytes.len()),
//!             Some(text) => match String::from_utf8(text.to_vec()) {
//!                 Ok(text) => Decoded::Value(text.into(), end),
//!                 Err(error) => Decoded::invalid(Fault::Body(error.into()), end),
//!             },
//!         }
//!     }
//! }
//! ```

use std::error::Error as StdError;

use crate::proto::Tag;
use crate::proto::decode::Decoded;

#[cfg(feature = "json")]
pub mod json;
#[cfg(feature = "mus")]
pub mod mus;
#[cfg(any(feature = "json", feature = "protobuf"))]
mod prefixed;
#[cfg(feature = "protobuf")]
pub mod protobuf;

/// The error of a value that a Format cannot write. Any error.
pub type EncodeError = Box<dyn StdError + Send + Sync>;

/// A serialization format, with the encoding of tags.
///
/// [`Encode`] and [`Decode`] define which types it can write and read. A Format is passed as a value, so it can have
/// settings.
pub trait Format: Send + Sync + 'static {
    /// The name, for messages and for [`ServerInfo::of`](crate::ServerInfo::of).
    const NAME: &'static str;

    /// The state of decoding a body that arrives in pieces, so that work is not repeated when more of it arrives. Use
    /// `()` if the first bytes of a body tell its length: decoding is not tried again before that many bytes have
    /// arrived. A Format without a length keeps the position where its scan stopped.
    type Progress: Default + Send;

    /// Returns where the part of a body begins that is not complete, in bytes from its start, if that does not depend on
    /// where the bytes are cut. By default it is the body as a whole.
    ///
    /// It is the position in the error of a frame over its limit. A Format with a length before the body returns the
    /// position after the length, once that is known.
    fn position(_: &Self::Progress) -> usize {
        0
    }

    /// Writes the tag. The default is a varint, as in the Go library.
    #[inline]
    fn encode_tag(&self, tag: Tag, out: &mut Vec<u8>) {
        tag.encode(out);
    }

    /// Reads the tag from the start of `bytes`.
    #[inline]
    fn decode_tag(&self, bytes: &[u8]) -> Decoded<Tag> {
        Tag::decode(bytes)
    }
}

/// A Format that can write values of type `T`.
#[diagnostic::on_unimplemented(
    message = "the Format `{Self}` cannot encode `{T}`",
    label = "this Format cannot encode `{T}`",
    note = "for `Json`, derive `serde::Serialize` on `{T}`",
    note = "for `Protobuf`, derive `prost::Message` on `{T}`",
    note = "for `Mus`, derive `cmd_stream::mus::Mus` on `{T}`",
    note = "for a Format of your own, implement `Encode<{T}>` for it"
)]
pub trait Encode<T: ?Sized>: Format {
    /// Appends the value's body to `out`.
    ///
    /// # Errors
    ///
    /// An error fails only the call that sends the value. What was appended is discarded, also after a panic.
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError>;
}

/// A Format that can read values of type `T`.
#[diagnostic::on_unimplemented(
    message = "the Format `{Self}` cannot decode `{T}`",
    label = "this Format cannot decode `{T}`",
    note = "for `Json`, derive `serde::Deserialize` on `{T}`",
    note = "for `Protobuf`, derive `prost::Message` on `{T}`",
    note = "for `Mus`, derive `cmd_stream::mus::Mus` on `{T}`",
    note = "for a Format of your own, implement `Decode<{T}>` for it"
)]
pub trait Decode<T>: Format {
    /// Reads a value's body from the start of `bytes`, which may hold only a part of the body, or later frames after
    /// it.
    ///
    /// After [`Decoded::Incomplete`] it is called again with the same bytes, at least as many more as it asked for, and
    /// the same `progress`. Each body starts with a default `progress`. Memory must not be allocated for bytes that
    /// have not arrived.
    ///
    /// The final value or fault, and the position of the fault, must not depend on where the bytes are cut. A fault may
    /// be reported later because of a cut, since decoding is not tried again before the bytes asked for have arrived.
    fn decode(&self, bytes: &[u8], progress: &mut Self::Progress) -> Decoded<T>;

    /// Returns how much memory a decoded value takes at most. A server asks once for each of its Commands, and reckons with it
    /// in [`Limits::memory`](crate::server::Limits::memory).
    fn expansion(&self) -> Expansion {
        Expansion::DEFAULT
    }

    /// Returns how many bytes the body at the start of `bytes` takes, if all of it is there, without decoding it. A server
    /// asks when its memory is scarce. It may be more than that: by default it is all of the bytes.
    fn measure(&self, bytes: &[u8], progress: &mut Self::Progress) -> Option<usize> {
        let _ = progress;
        Some(bytes.len())
    }
}

/// How much memory a decoded value takes at most, beyond the size of its type; from [`Decode::expansion`].
///
/// ```
/// use cmd_stream::format::Expansion;
///
/// let of_a_text = Expansion::of(1).fixed(32); // its bytes, and what the allocator needs for them
/// # let _ = of_a_text;
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Expansion {
    pub(crate) per_byte: usize,
    pub(crate) fixed: usize,
}

impl Expansion {
    /// What a Format says that does not know: 128 bytes for each byte of the body.
    ///
    /// JSON and Protobuf say so. A `{"":0}` in a list of maps takes 97 bytes for each of its own. A type can take more, if
    /// it has large parts that take few bytes on the wire, such as an `Option` of an array.
    pub const DEFAULT: Self = Self::of(128);

    /// So many bytes of memory for each byte of the body, at least 1.
    #[must_use]
    pub const fn of(per_byte: usize) -> Self {
        Self { per_byte: if per_byte == 0 { 1 } else { per_byte }, fixed: 0 }
    }

    /// So many bytes of memory for each value on top of that.
    #[must_use]
    pub const fn fixed(self, bytes: usize) -> Self {
        Self { fixed: bytes, ..self }
    }
}

/// A Format that can describe how it writes values of type `T`, for [`ServerInfo::of`](crate::ServerInfo::of).
#[diagnostic::on_unimplemented(
    message = "the Format `{Self}` cannot describe `{T}`",
    label = "`ServerInfo::of` needs a description of `{T}`",
    note = "for `Mus`, derive `Mus` on `{T}`, or implement `mus_format::Describe` for it",
    note = "for a Format of your own, implement `Describe<{T}>` for it; it may be empty"
)]
pub trait Describe<T: ?Sized>: Format {
    /// Returns everything that both ends must agree on to read the same value from the same bytes. The text must be the
    /// same on every platform and in every build.
    ///
    /// The default is an empty text, which is right for a Format that names fields on the wire, such as JSON.
    fn describe() -> String {
        String::new()
    }
}
