//! MUS, by `mus_format`: tag varint, then the value and nothing else. Byte-compatible with codec-mus-stream-go.
//!
//! It is the smallest and the fastest of the Formats here. A Command or Reply is any type that derives
//! [`mus::Mus`](crate::mus::Mus); both ends must agree on its fields and their order, as nothing of them stands on the wire.
//!
//! ```
//! use cmd_stream::mus::Mus;
//! use cmd_stream::{Client, Mus, ServerInfo, protocol};
//!
//! #[derive(Mus)]
//! struct SayHello {
//!     #[mus(max_len = 1000)]
//!     name: String,
//! }
//!
//! #[derive(Mus)]
//! struct Greeting(String);
//!
//! protocol! {
//!     struct Greeter {
//!         commands { 1 => SayHello -> Greeting }
//!         replies { 1 => Greeting }
//!         failure close_connection
//!     }
//! }
//!
//! // The server greets with it, too.
//! let client = Client::builder(Greeter, Mus).server_info(ServerInfo::of::<Greeter, Mus>());
//! # let _ = client;
//! ```
//!
//! (The two names do not collide: one is a type, the other a derive macro.)
//!
//! # Versions
//!
//! A client that has one field more or less than its server would be misread: its Commands may be executed with the bytes of
//! the next one. So let both ends greet with [`ServerInfo::of`](crate::ServerInfo::of), which covers the fields; then such a
//! client is refused when it connects. Types of your own that implement `Encode` and `Decode` by hand implement
//! [`Describe`](crate::mus::Describe) for it. A Go server can be configured with the same bytes.
//!
//! # What a Go peer sends
//!
//! The same bytes, if its serializers are those that mus-gen makes or are written like them: the table of types and
//! options is that of `mus_format`. In Go the tags (DTM) of Commands and Results are chosen by the user, mostly from 1; in
//! `protocol!` they are what stands before `=>`.
//!
//! # Frames have no length
//!
//! So where one ends is only known by going through it. A value that arrives whole is decoded at once; one that arrives in
//! pieces is scanned as they come, each byte once, and decoded when its end is there. What a scan cannot see, text that
//! is not UTF-8 and what a validation function refuses, is therefore refused when the value is whole. Nothing is
//! allocated before its bytes are there, and a length or the least that must follow it are held against the
//! limit of the whole frame ([`Limits::frame`](crate::server::Limits::frame)) as soon as they are known.

use mus_format::{Decoded as Found, Limits, Progress};

use super::{Decode, Describe, Encode, EncodeError, Format};
use crate::proto::decode::{DecodeError, Decoded, Fault};

/// The MUS Format.
///
/// `Mus` names both the type and its value with default settings.
///
/// ```
/// use cmd_stream::Mus;
///
/// let format: Mus = Mus.depth(16);
/// # let _ = format;
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mus {
    limits: Limits,
}

/// The MUS Format with default settings.
#[expect(non_upper_case_globals, reason = "reads as a unit struct, which could not have settings")]
pub const Mus: Mus = Mus { limits: Limits::new() };

impl Mus {
    /// The same Format, which refuses values that are nested deeper than this: sequences, maps, and the contents of
    /// `Option`, `Box`, `Rc` and `Arc` in each other. 128 unless set. Each level takes stack, as much as the types ask for.
    #[must_use]
    pub const fn depth(self, levels: usize) -> Self {
        Self { limits: self.limits.depth(levels) }
    }

    /// The same Format, which refuses values with more elements that have no bytes (a `Vec<()>`) than this, in all; each
    /// counts as many times as it has bytes in memory. 4 Mi unless set.
    #[must_use]
    pub const fn empty_elements(self, elements: usize) -> Self {
        Self { limits: self.limits.empty_elements(elements) }
    }
}

impl Default for Mus {
    fn default() -> Self {
        Mus
    }
}

impl Format for Mus {
    const NAME: &'static str = "mus";
    type Progress = Progress;
}

// The bound on `Mus`, not the one on `mus_format`, is what a message is to be about.
#[diagnostic::do_not_recommend]
impl<T: mus_format::Encode> Encode<T> for Mus {
    #[inline]
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        // The buffer is used again and again: to find out the size first would cost more than it saves.
        Ok(mus_format::append_with(value, out, &self.limits)?)
    }
}

#[diagnostic::do_not_recommend]
impl<T: mus_format::DecodeOwned> Decode<T> for Mus {
    #[inline]
    fn decode(&self, bytes: &[u8], progress: &mut Progress) -> Decoded<T> {
        match progress.decode(bytes, &self.limits) {
            Found::Value(value, taken) => Decoded::Value(value, taken),
            Found::Incomplete(missing) => Decoded::Incomplete(missing),
            Found::Invalid(error) => Decoded::Invalid(refused(error)),
        }
    }
}

/// What `mus_format` says of the type: names, order, types and encodings of its fields.
#[diagnostic::do_not_recommend]
impl<T: mus_format::Describe> Describe<T> for Mus {
    fn describe() -> String {
        mus_format::description::<T>()
    }
}

#[cold]
fn refused(error: mus_format::Error) -> DecodeError {
    let at = error.at;
    let fault = match error.fault {
        mus_format::Fault::Overflow => Fault::VarintOverflow,
        mus_format::Fault::NegativeLength(length) => Fault::NegativeLength(length),
        mus_format::Fault::TooLong { length, limit } => Fault::TooLong { length, limit },
        _ => Fault::Body(error.into()),
    };
    DecodeError { fault, at }
}
