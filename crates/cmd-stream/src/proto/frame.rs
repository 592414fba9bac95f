//! Frames: seq, then the tag and body written by the Format. Later extensions of the wire belong here and nowhere else.
//! Knows nothing of sockets: the bytes of a frame are contiguous and start at its first byte.
//!
//! A frame has no length of its own: it ends where the Format finds the end of the value. [`FrameReader`] keeps the
//! state of a frame that is not complete, so that the work is linear in the bytes, however they are cut.

use std::fmt;

use super::decode::{Decoded, Fault};
pub use super::tag::Tag;
use super::varint;

/// The number of a Command on its connection. Clients count from 1; 0 is a ping or a pong.
///
/// It is displayed as its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(i64);

impl Seq {
    /// A ping from a client, a pong from a server.
    pub const PING: Self = Self(0);
    /// The seq of a client's first Command.
    pub const FIRST: Self = Self(1);

    /// Creates the seq with this number.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Returns the next seq.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// Appends its encoding on the wire.
    #[inline]
    pub fn encode(self, out: &mut Vec<u8>) {
        varint::encode(self.0.cast_unsigned(), out);
    }

    /// Returns the number of bytes it takes on the wire.
    pub(crate) const fn wire_len(self) -> usize {
        varint::len(self.0.cast_unsigned())
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Tag {
    /// Appends it as a varint, as all Formats of the Go library do.
    #[inline]
    pub fn encode(self, out: &mut Vec<u8>) {
        varint::encode(self.get().cast_unsigned(), out);
    }

    /// Decodes a varint from the start of `bytes`.
    #[inline]
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        varint::decode::<u64>(bytes).map(|number| Self::new(number.cast_signed()))
    }
}

/// A complete frame.
#[derive(Debug)]
pub enum Frame<T> {
    /// Seq 0: a ping on the server's side, a pong on the client's. It has no body.
    Ping,
    /// A Command or a Reply: its head, and what the Format read from its body.
    Body(Head, T),
}

/// The part of a frame before its body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// The seq of the Command, which its Replies repeat.
    pub seq: Seq,
    /// The type of the body.
    pub tag: Tag,
    /// The number of bytes that seq and tag took.
    pub len: usize,
}

/// Reads the frames of one direction of one connection.
///
/// `P` is the Format's state of decoding a body that is not complete ([`Format::Progress`]).
///
/// [`Format::Progress`]: crate::format::Format::Progress
#[derive(Debug)]
pub struct FrameReader<P> {
    limit: usize,
    /// Decoding cannot succeed with fewer bytes of the frame.
    needed: usize,
    known: Known,
    progress: P,
    position: fn(&P) -> usize,
}

/// What is known of the head of a frame that is not complete.
#[derive(Clone, Copy, Debug)]
enum Known {
    Nothing,
    Seq(Seq, usize),
    Head(Head),
}

impl Known {
    /// Returns the number of bytes it took.
    fn len(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Seq(_, len) | Self::Head(Head { len, .. }) => len,
        }
    }
}

impl<P: Default> FrameReader<P> {
    /// Creates a reader that refuses frames of more than `limit` bytes, including seq.
    pub fn new(limit: usize) -> Self {
        Self { limit, needed: 1, known: Known::Nothing, progress: P::default(), position: |_| 0 }
    }

    /// Sets what says where the incomplete part of a body begins: [`Format::position`].
    ///
    /// [`Format::position`]: crate::format::Format::position
    #[must_use]
    pub fn positions(self, position: fn(&P) -> usize) -> Self {
        Self { position, ..self }
    }

    /// Returns how many bytes of the current frame must have arrived before reading it can succeed.
    pub fn needed(&self) -> usize {
        self.needed
    }

    /// Reads the frame at the start of `bytes`.
    ///
    /// After *incomplete*, pass the same bytes again, followed by more. After a value, pass the next frame. After
    /// *invalid*, there must be no further call. `read_tag` and `read_body` are the Format's, and each is given the
    /// bytes from the start of its part.
    #[inline]
    pub fn read<T>(
        &mut self,
        bytes: &[u8],
        read_tag: impl FnOnce(&[u8]) -> Decoded<Tag>,
        read_body: impl FnOnce(Head, &[u8], &mut P) -> Decoded<T>,
    ) -> Decoded<Frame<T>> {
        // Most attempts on a frame that comes in small pieces end here, without asking the Format.
        if bytes.len() < self.needed {
            return Decoded::incomplete(self.needed - bytes.len());
        }
        // Hide the bytes past the limit, so that nothing can be decoded there.
        let visible = &bytes[..bytes.len().min(self.limit)];
        let answer = self.attempt(visible, read_tag, read_body);
        match answer {
            Decoded::Value(frame, taken) => {
                self.needed = 1;
                self.known = Known::Nothing;
                self.progress = P::default();
                Decoded::Value(frame, taken)
            }
            Decoded::Incomplete(missing) => {
                self.needed = visible.len().saturating_add(missing.get());
                // Refused as soon as it is certain that it will be too long, and not when so many bytes have arrived.
                if self.needed > self.limit {
                    let length = self.needed as u64;
                    // Report the start of the unfinished part, and not the end of the bytes: that depends on how they
                    // are cut.
                    let at = match self.known {
                        Known::Head(head) => head.len + (self.position)(&self.progress),
                        Known::Nothing | Known::Seq(..) => self.known.len(),
                    };
                    return Decoded::invalid(Fault::TooLong { length, limit: self.limit }, at);
                }
                Decoded::incomplete(self.needed - bytes.len())
            }
            invalid @ Decoded::Invalid(_) => invalid,
        }
    }

    #[inline]
    fn attempt<T>(
        &mut self,
        bytes: &[u8],
        read_tag: impl FnOnce(&[u8]) -> Decoded<Tag>,
        read_body: impl FnOnce(Head, &[u8], &mut P) -> Decoded<T>,
    ) -> Decoded<Frame<T>> {
        // What was read of the head before is not read again.
        let (seq, start) = match self.known {
            Known::Head(head) => return self.attempt_body(head, bytes, read_body),
            Known::Seq(seq, len) => (seq, len),
            Known::Nothing => match varint::decode::<u64>(bytes) {
                Decoded::Value(0, taken) => return Decoded::Value(Frame::Ping, taken), // on the wire, seq 0 has no body
                Decoded::Value(seq, taken) => (Seq(seq.cast_signed()), taken),
                Decoded::Incomplete(missing) => return Decoded::Incomplete(missing),
                Decoded::Invalid(error) => return Decoded::Invalid(error),
            },
        };
        match read_tag(&bytes[start..]).shifted(start) {
            Decoded::Value(tag, len) => self.attempt_body(Head { seq, tag, len }, bytes, read_body),
            Decoded::Incomplete(missing) => {
                self.known = Known::Seq(seq, start);
                Decoded::Incomplete(missing)
            }
            Decoded::Invalid(error) => Decoded::Invalid(error),
        }
    }

    #[inline]
    fn attempt_body<T>(
        &mut self,
        head: Head,
        bytes: &[u8],
        read_body: impl FnOnce(Head, &[u8], &mut P) -> Decoded<T>,
    ) -> Decoded<Frame<T>> {
        let answer = read_body(head, &bytes[head.len..], &mut self.progress).shifted(head.len);
        if let Decoded::Incomplete(_) = answer {
            self.known = Known::Head(head);
        }
        answer.map(|value| Frame::Body(head, value))
    }
}
