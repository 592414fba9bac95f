//! Protocol Buffers, by `prost`: tag varint, length varint, message. Byte-compatible with codec-protobuf-go.
//!
//! A Command or Reply is any [`prost::Message`]: a type that is generated from a `.proto` file, or a struct that says
//! the number and the kind of each field itself:
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
//! Nobody needs `protoc` for it: `protox` compiles a `.proto` file in Rust, and `prost-build` makes the types. Either a
//! build script does that each time, or what it made is committed. The examples `protobuf_build_script` and
//! `calc_protobuf` show both.
//!
//! # What Go does differently
//!
//! | | Go | here |
//! | --- | --- | --- |
//! | a field that the message does not declare | is kept aside, and written again with the message | is dropped: who passes such a message on loses it |
//! | a field of another kind than declared (a string where a number is expected) | is kept aside like an unknown one; the declared field has its default | refused |
//! | messages in messages | up to 10,000 levels | up to 100 below the outermost one, entries of maps counted; a deeper value can be written, but is not read back |
//! | a missing `required` field (proto2) | refused | has its default |
//! | a body over the maximum length | is written, and refused by the reader | is not written either |
//!
//! The rest is the same: a string that is not UTF-8 is refused; the last one of a field that stands twice wins, and
//! messages are merged; numbers in a repeated field are read packed and unpacked; enums take any number.
//!
//! # Memory
//!
//! No length inside a message is believed before its bytes are there. But a repeated field of messages takes two
//! bytes for an empty one, and the `Vec` of them what the type takes in memory: with messages of 100 bytes a body of
//! 4 MiB may become 200 MB. Where peers are not trusted, set [`Protobuf::max_len`] or the limit on the frame
//! accordingly.
//!
//! The bound on nesting is `prost`'s. Its feature `no-recursion-limit` would let any peer overflow the stack, so that
//! this module does not compile with it.

use prost::Message;

use super::{Decode, Describe, Encode, EncodeError, Format, prefixed};
use crate::proto::decode::Decoded;
use crate::proto::varint;

pub use super::prefixed::Length;

// What `prost` passes down while it decodes holds the levels that are left, and nothing else. Another crate can take
// the limit away for all, as features add up over the whole build.
const _: () = assert!(
    size_of::<prost::encoding::DecodeContext>() != 0,
    "the Protobuf Format needs the limit on nesting of `prost`: some crate of this build enables prost's feature \
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
}

/// The Protobuf Format without a maximum length of its own.
#[expect(non_upper_case_globals, reason = "reads as a unit struct, which could not have settings")]
pub const Protobuf: Protobuf = Protobuf { max_len: usize::MAX };

impl Protobuf {
    /// The same Format, which refuses a body of over `bytes` bytes when it is read and when it is written. Without it
    /// the limit on the whole frame ([`Limits::frame`](crate::server::Limits::frame), 4 MiB unless set) is the only one.
    ///
    /// The refusal of a body that arrives comes right after its length, before any of it is read; it closes the
    /// connection that the body came on.
    #[must_use]
    pub const fn max_len(self, bytes: usize) -> Self {
        Self { max_len: bytes }
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
}

// The bound on `Protobuf`, not the one on `prost`, is what a message is to be about.
#[diagnostic::do_not_recommend]
impl<T: Message> Encode<T> for Protobuf {
    #[inline]
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let length = value.encoded_len();
        prefixed::check_length(length, self.max_len)?;
        out.reserve(varint::MAX_LEN.saturating_add(length));
        varint::encode(length as u64, out);
        let start = out.len();
        value.encode_raw(out);
        check_written(out.len() - start, length)
    }
}

/// A message that writes more or less than it said would shift all that follows it on the connection. Those that
/// `prost` derives do not; one may be implemented by hand, or change while it is written.
#[inline]
fn check_written(written: usize, length: usize) -> Result<(), EncodeError> {
    if written != length {
        return Err(
            format!("the message has written {written} bytes, and its `encoded_len` was {length}").into()
        );
    }
    Ok(())
}

#[diagnostic::do_not_recommend]
impl<T: Message + Default> Decode<T> for Protobuf {
    #[inline]
    fn decode(&self, bytes: &[u8], length: &mut Length) -> Decoded<T> {
        prefixed::decode(self.max_len, bytes, length, |body| T::decode(body))
    }
}

/// Nothing: the numbers of the fields stand on the wire.
#[diagnostic::do_not_recommend]
impl<T: ?Sized> Describe<T> for Protobuf {}
