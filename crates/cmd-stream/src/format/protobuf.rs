//! Protocol Buffers, through `prost`: tag varint, length varint, message. Byte-compatible with codec-protobuf-go.
//!
//! A Command or Reply is any [`prost::Message`]: a type generated from a `.proto` file, or a struct that declares the
//! number and the kind of each field:
//!
//! ```
//! use cmd_stream::protocol;
//!
//! #[derive(Clone, PartialEq, prost::Message)]
//! struct Add {
//!     #[prost(int64, tag = "1")]
//!     a: i64,
//!     #[prost(int64, tag = "2")]
//!     b: i64,
//! }
//!
//! #[derive(Clone, PartialEq, prost::Message)]
//! struct Sum {
//!     #[prost(int64, tag = "1")]
//!     r: i64,
//! }
//!
//! protocol! {
//!     struct Calculator {
//!         commands { 0 => Add -> Sum }
//!         replies { 0 => Sum }
//!         failure close_connection
//!     }
//! }
//! ```
//!
//! # Generated code
//!
//! `protoc` is not needed: `protox` compiles a `.proto` file in Rust, and `prost-build` generates the types. Either a
//! build script does that on each build, or its output is committed. The examples `protobuf_build_script` and
//! `calc_protobuf` show both. `orders`, in the same package as `protobuf_build_script`, has `oneof`, maps, enums, optional
//! fields and well-known types, and fields whose types another build generates, such as tonic's.
//!
//! A Command or Reply has to be a type of the crate that declares the Protocol, as Rust demands. If its message is generated
//! in another crate, declare a type around it and hand [`prost::Message`] on, as `orders` does: the bytes are the same.
//!
//! # What Go does differently
//!
//! | | Go | here |
//! | --- | --- | --- |
//! | a field that the message does not declare | is kept, and written again with the message | is dropped, and so is lost if the message is passed on |
//! | a field of another kind than declared (a string where a number is expected) | is kept like an unknown one; the declared field has its default | is refused |
//! | messages in messages | up to 10,000 levels | up to 100 levels below the outermost one, including map entries; a deeper value is neither read nor written |
//! | a missing `required` field (proto2) | is refused | has its default |
//! | -0.0 in a field that is not `optional` | is written | is left out, and so arrives as 0.0 |
//! | a body over the maximum length | is written, and refused by the reader | is not written either |
//!
//! The rest is the same. A string that is not UTF-8 is refused. If a field is duplicated, the last one wins, and
//! messages are merged. Repeated numbers are read packed and unpacked. Enums accept any number.
//!
//! # Memory
//!
//! Memory is not allocated for a length before its bytes have arrived. But an empty message in a repeated field takes
//! two bytes on the wire, and its full size in the `Vec`. With a type of 100 bytes, a body of 4 MiB may become 200 MB.
//! If peers are not trusted, set [`Protobuf::max_len`] or the limit of the frame accordingly.
//!
//! The limit on nesting is `prost`'s. Its feature `no-recursion-limit` would let any peer overflow the stack, so this
//! module does not compile with it.

use std::error::Error as StdError;
use std::fmt;

use prost::Message;

use super::{Decode, Describe, Encode, EncodeError, Format, prefixed};
use crate::proto::decode::Decoded;
use crate::proto::varint;

mod nesting;

pub use super::prefixed::Length;

// Features add up over a whole build, so any crate in it can turn the limit off. prost's context then has no size,
// because the levels left are all it contains.
const _: () = assert!(
    size_of::<prost::encoding::DecodeContext>() != 0,
    "the Protobuf Format requires prost's recursion limit, but a crate in this build enables prost's feature \
     `no-recursion-limit`"
);

/// The Protobuf Format.
///
/// `Protobuf` names both the type and its value with default settings.
///
/// ```
/// use cmd_stream::Protobuf;
///
/// let format: Protobuf = Protobuf.max_len(64 << 10);
/// # let _ = format;
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Protobuf {
    max_len: usize,
    checks_nesting: bool,
}

/// The Protobuf Format without a maximum length of its own.
#[expect(non_upper_case_globals, reason = "reads as a unit struct, which could not have settings")]
pub const Protobuf: Protobuf = Protobuf { max_len: usize::MAX, checks_nesting: true };

impl Protobuf {
    /// Sets the maximum length of a body, in bytes, for reading and writing. By default, only the limit of the whole
    /// frame applies ([`Limits::frame`](crate::server::Limits::frame), 4 MiB unless set).
    ///
    /// A longer body that arrives is refused as soon as its length is known, and the connection is closed.
    #[must_use]
    pub const fn max_len(self, bytes: usize) -> Self {
        Self { max_len: bytes, ..self }
    }

    /// Sets whether a message that is written is checked for nesting that its reader would refuse. It is by default.
    ///
    /// The reader would close the connection, and so fail all calls on it; with the check only the call fails whose message
    /// it is. A body of up to 200 bytes cannot be nested too deep. In a longer one, the fields that have a length are looked
    /// at. If they could be messages that are nested too deep, the body is decoded to find out.
    ///
    /// ```
    /// use cmd_stream::Protobuf;
    ///
    /// let unchecked = Protobuf.check_nesting(false);
    /// # let _ = unchecked;
    /// ```
    #[must_use]
    pub const fn check_nesting(self, check: bool) -> Self {
        Self { checks_nesting: check, ..self }
    }
}

impl Default for Protobuf {
    fn default() -> Self {
        Protobuf
    }
}

impl Format for Protobuf {
    const NAME: &'static str = "protobuf";
    type Progress = Length;

    fn position(length: &Length) -> usize {
        length.position()
    }
}

// Messages should be about the bound on `Protobuf`, and not the one on `prost`.
#[diagnostic::do_not_recommend]
impl<T: Message + Default> Encode<T> for Protobuf {
    #[inline]
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let length = value.encoded_len();
        prefixed::check_length(length, self.max_len)?;
        out.reserve(varint::MAX_LEN.saturating_add(length));
        varint::encode(length as u64, out);
        let start = out.len();
        value.encode_raw(out);
        check_written(out.len() - start, length)?;
        if self.checks_nesting && nesting::may_exceed(&out[start..], MAX_DEPTH) {
            test_read::<T>(&out[start..])?;
        }
        Ok(())
    }
}

/// How many levels of messages there may be below the outermost one. `prost` does not read more.
const MAX_DEPTH: usize = 100;

/// Reads what was written, and drops it.
#[cold]
fn test_read<T: Message + Default>(body: &[u8]) -> Result<(), EncodeError> {
    match T::decode(body) {
        Ok(_) => Ok(()),
        Err(error) => Err(Box::new(Unreadable(error))),
    }
}

/// The error of a message that was written, and that its reader would refuse.
#[derive(Debug)]
struct Unreadable(prost::DecodeError);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the message could not be read back")
    }
}

impl StdError for Unreadable {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

/// Checks that a message wrote as many bytes as it announced, or everything after it on the connection would be
/// misread. Derived messages do. One may be implemented by hand, or change while it is written.
#[inline]
fn check_written(written: usize, length: usize) -> Result<(), EncodeError> {
    if written != length {
        return Err(format!("the message wrote {written} bytes, but its `encoded_len` was {length}").into());
    }
    Ok(())
}

#[diagnostic::do_not_recommend]
impl<T: Message + Default> Decode<T> for Protobuf {
    #[inline]
    fn decode(&self, bytes: &[u8], length: &mut Length) -> Decoded<T> {
        prefixed::decode(self.max_len, bytes, length, |body| T::decode(body))
    }

    fn measure(&self, bytes: &[u8], length: &mut Length) -> Option<usize> {
        prefixed::measure(self.max_len, bytes, length)
    }
}

/// Empty, because the numbers of the fields are on the wire.
#[diagnostic::do_not_recommend]
impl<T: ?Sized> Describe<T> for Protobuf {}
