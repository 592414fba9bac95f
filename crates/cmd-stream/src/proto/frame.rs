//! What a frame carries: seq, then the tag and body that the Format writes. A later extension of the wire adds to it
//! here and nowhere else. Knows no sockets; the bytes of a frame are contiguous and start at its first byte.
//!
//! A frame has no length of its own: its end is where the Format says that the value ends. [`FrameReader`] keeps what
//! it found out about a frame that has only begun to arrive, so that the work is linear in the bytes, however they
//! are cut.

use std::fmt;

use super::decode::{Decoded, Fault};
use super::varint;

/// The number of a Command on its connection. Clients count from 1; 0 is a ping or a pong.
///
/// It displays as its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(i64);

impl Seq {
    /// A ping from a client, a pong from a server.
    pub const PING: Self = Self(0);
    /// What a client gives its first Command.
    pub const FIRST: Self = Self(1);

    /// The seq with this number.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// Appends it as it stands on the wire.
    #[inline]
    pub fn encode(self, out: &mut Vec<u8>) {
        varint::encode(self.0.cast_unsigned(), out);
    }

    /// How many bytes it takes on the wire.
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

/// What tells the types of a Protocol apart on the wire (the Go library calls it DTM). Commands and Replies are
/// numbered separately.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(i64);

impl Tag {
    /// The tag with this number.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Appends it as a varint, the way all Formats of the Go library do.
    #[inline]
    pub fn encode(self, out: &mut Vec<u8>) {
        varint::encode(self.0.cast_unsigned(), out);
    }

    /// Decodes a varint from the start of `bytes`.
    #[inline]
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        varint::decode::<u64>(bytes).map(|number| Self(number.cast_signed()))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A frame that has arrived whole.
#[derive(Debug)]
pub enum Frame<T> {
    /// Seq 0: a ping on the server's side, a pong on the client's. It has no body.
    Ping,
    /// A Command or a Reply: what stands before its body, and what the Format made of the body.
    Body(Head, T),
}

/// What stands before the body of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// The number of the Command that it is, or belongs to.
    pub seq: Seq,
    /// Which type of the Protocol the body is.
    pub tag: Tag,
    /// How many bytes seq and tag took.
    pub len: usize,
}

/// Reads the frames of one direction of one connection.
///
/// `P` is what the Format remembers of a body that has only begun to arrive ([`Format::Progress`]).
///
/// [`Format::Progress`]: crate::format::Format::Progress
#[derive(Debug)]
pub struct FrameReader<P> {
    limit: usize,
    /// An attempt with fewer bytes of the frame than this is known to be in vain.
    needed: usize,
    known: Known,
    progress: P,
}

/// How much is known of the head of a frame that has only begun to arrive.
#[derive(Clone, Copy, Debug)]
enum Known {
    Nothing,
    Seq(Seq, usize),
    Head(Head),
}

impl Known {
    /// How many bytes it took.
    fn len(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Seq(_, len) | Self::Head(Head { len, .. }) => len,
        }
    }
}

impl<P: Default> FrameReader<P> {
    /// Frames of over `limit` bytes, seq included, are refused.
    pub fn new(limit: usize) -> Self {
        Self { limit, needed: 1, known: Known::Nothing, progress: P::default() }
    }

    /// How many bytes of the current frame must have arrived before it is worth asking again.
    pub fn needed(&self) -> usize {
        self.needed
    }

    /// Reads the frame at the start of `bytes`.
    ///
    /// After *incomplete* the same bytes must come again, with more behind them; after a value the next call starts
    /// with the next frame; after *invalid* there is no next call. `read_tag` and `read_body` are the Format's; each is
    /// given the bytes from where its part starts.
    #[inline]
    pub fn read<T>(
        &mut self,
        bytes: &[u8],
        read_tag: impl FnOnce(&[u8]) -> Decoded<Tag>,
        read_body: impl FnOnce(Head, &[u8], &mut P) -> Decoded<T>,
    ) -> Decoded<Frame<T>> {
        if bytes.len() < self.needed {
            return Decoded::incomplete(self.needed - bytes.len());
        }
        // Past its limit a frame cannot be seen, so nothing can be decoded there.
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
                if self.needed > self.limit {
                    let length = self.needed as u64;
                    // Not where the bytes end that happen to be there: the answer must not depend on how they are cut.
                    return Decoded::invalid(Fault::TooLong { length, limit: self.limit }, self.known.len());
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
        let (seq, start) = match self.known {
            Known::Head(head) => return self.attempt_body(head, bytes, read_body),
            Known::Seq(seq, len) => (seq, len),
            Known::Nothing => match varint::decode::<u64>(bytes) {
                Decoded::Value(0, taken) => return Decoded::Value(Frame::Ping, taken), // SPEC 2: seq 0 has no body
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
