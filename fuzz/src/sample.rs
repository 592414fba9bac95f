//! The Commands and Replies of the sample service in a Format, as values that can be compared. Streams of them are read
//! by the library and by a reference, and made by scripts. Each Format has a module here with its values.

use std::fmt::Debug;

use cmd_stream::format::{EncodeError, Format};
use cmd_stream::proto::frame::{Frame, FrameReader, Head, Seq, Tag};
use cmd_stream::proto::{Decoded, Fault};

use super::input::{Input, Piece};
use super::varint::{Number, reference};

pub mod json;
pub mod protobuf;

/// The content of frames in one direction of a connection, in a Format that writes a length before each body.
pub trait Side: Clone + PartialEq + Debug {
    /// The Format.
    type Format: Format<Progress: Debug> + Copy + Debug;
    /// The Format without settings.
    const FORMAT: Self::Format;

    /// Returns the Format with a maximum length.
    fn limited(max_len: usize) -> Self::Format;
    /// Decodes a body with the library.
    fn decode(format: &Self::Format, tag: Tag, body: &[u8], progress: &mut Progress<Self>) -> Decoded<Self>;
    /// Appends tag and body with the library.
    ///
    /// # Errors
    ///
    /// Returns the errors of the Format.
    fn encode(&self, format: &Self::Format, out: &mut Vec<u8>) -> Result<(), EncodeError>;
    /// Parses a body, without its length, with the reference. Returns `None` if there is no such tag.
    fn parse(tag: i64, body: &[u8]) -> Option<Result<Self, EncodeError>>;
}

/// The Format's state of a body that is not complete.
pub type Progress<V> = <<V as Side>::Format as Format>::Progress;

/// A complete frame.
#[derive(Clone, PartialEq, Debug)]
pub enum Item<V> {
    /// A ping or a pong.
    Ping,
    /// A Command or a Reply, with its seq.
    Value(Seq, V),
}

impl<V: Side> Item<V> {
    /// Appends the frame with the library.
    ///
    /// # Errors
    ///
    /// Returns the errors of the Format.
    pub fn encode(&self, format: &V::Format, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Ping => Seq::PING.encode(out),
            Self::Value(seq, value) => {
                seq.encode(out);
                value.encode(format, out)?;
            }
        }
        Ok(())
    }
}

/// How a stream of frames ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// After a frame.
    Clean,
    /// In a frame: at least this many bytes of it are missing.
    Cut(usize),
    /// In a frame that is invalid.
    Invalid {
        /// The fault as text, without the Format's own error.
        fault: String,
        /// The number of bytes of the frame before it.
        at: usize,
    },
}

impl End {
    fn invalid(fault: &Fault, at: usize) -> Self {
        let fault = if let Fault::Body(_) = fault { "body".into() } else { format!("{fault:?}") };
        Self::Invalid { fault, at }
    }
}

/// Reads a stream of frames piece by piece with the library.
#[derive(Debug)]
pub struct Stream<'a, V: Side> {
    format: V::Format,
    reader: FrameReader<Progress<V>>,
    bytes: &'a [u8],
    start: usize,
}

/// The result of [`Stream::next`].
#[derive(Debug)]
pub enum Next<V> {
    /// A frame.
    Item(Item<V>),
    /// No complete frame in what has arrived.
    Wait(usize),
    /// The end.
    Invalid(cmd_stream::proto::DecodeError),
}

impl<'a, V: Side> Stream<'a, V> {
    /// Creates a stream, with the settings of its reader.
    pub fn new(format: V::Format, limit: usize, bytes: &'a [u8]) -> Self {
        Self { format, reader: FrameReader::new(limit), bytes, start: 0 }
    }

    /// Returns the next frame, if it is within the first `arrived` bytes.
    pub fn next(&mut self, arrived: usize) -> Next<V> {
        let format = &self.format;
        let decoded = self.reader.read(
            &self.bytes[self.start..arrived],
            |bytes| format.decode_tag(bytes),
            |head: Head, body, progress| V::decode(format, head.tag, body, progress),
        );
        match decoded {
            Decoded::Value(frame, taken) => {
                self.start += taken;
                Next::Item(match frame {
                    Frame::Ping => Item::Ping,
                    Frame::Body(head, value) => Item::Value(head.seq, value),
                })
            }
            Decoded::Incomplete(missing) => Next::Wait(missing.get()),
            Decoded::Invalid(error) => Next::Invalid(error),
        }
    }

    /// Returns whether the first `arrived` bytes end where a frame does.
    pub fn is_at_frame(&self, arrived: usize) -> bool {
        self.start == arrived
    }

    /// Reads all pieces, and passes each item to `found`.
    pub fn read_all(&mut self, pieces: &[Piece], mut found: impl FnMut(Item<V>)) -> End {
        let mut missing = 0;
        for piece in pieces {
            missing = loop {
                match self.next(piece.end) {
                    Next::Item(item) => found(item),
                    Next::Wait(missing) => break missing,
                    Next::Invalid(error) => return End::invalid(&error.fault, error.at),
                }
            };
        }
        if self.is_at_frame(self.bytes.len()) { End::Clean } else { End::Cut(missing) }
    }
}

/// The same with the reference: heads are read here, and bodies by [`Side::parse`].
pub fn reference_all<V: Side>(
    max_len: usize,
    limit: usize,
    bytes: &[u8],
    found: &mut Vec<(Item<V>, usize)>,
) -> End {
    let mut start = 0;
    while start < bytes.len() {
        match reference_one(max_len, limit, &bytes[start..]) {
            Ok((item, taken)) => {
                start += taken;
                found.push((item, taken));
            }
            Err(end) => return end,
        }
    }
    End::Clean
}

fn reference_one<V: Side>(max_len: usize, limit: usize, bytes: &[u8]) -> Result<(Item<V>, usize), End> {
    let visible = &bytes[..bytes.len().min(limit)];
    let invalid = |fault: Fault, at| Err(End::invalid(&fault, at));
    // The part at `start` ends at `end`, past the visible bytes.
    let cut = |start: usize, end: u64| match usize::try_from(end) {
        Ok(end) if end <= limit => Err(End::Cut(end - bytes.len())),
        _ => invalid(Fault::TooLong { length: end, limit }, start),
    };
    let varint = |start: usize, part: usize| match reference(64, &visible[start..]) {
        Number::Whole(number, taken) => Ok((number, start + taken)),
        Number::Cut => Err(cut(part, visible.len() as u64 + 1)),
        Number::Overflow(at) => Err(invalid(Fault::VarintOverflow, start + at)),
    };
    let (seq, tag_at) = match varint(0, 0) {
        Ok((0, taken)) => return Ok((Item::Ping, taken)),
        Ok(seq) => seq,
        Err(end) => return end,
    };
    let (tag, length_at) = match varint(tag_at, tag_at) {
        Ok(tag) => tag,
        Err(end) => return end,
    };
    let tag = tag as i64;
    if V::parse(tag, b"").is_none() {
        return invalid(Fault::UnknownTag(Tag::new(tag)), length_at);
    }
    let (length, body_at) = match varint(length_at, length_at) {
        Ok(length) => length,
        Err(end) => return end,
    };
    if length >= 1 << 63 {
        return invalid(Fault::NegativeLength(length as i64), body_at);
    }
    if length > max_len as u64 {
        return invalid(Fault::TooLong { length, limit: max_len }, body_at);
    }
    let end = body_at as u64 + length;
    if end > visible.len() as u64 {
        return cut(length_at, end);
    }
    let end = end as usize;
    match V::parse(tag, &bytes[body_at..end]) {
        Some(Ok(value)) => Ok((Item::Value(Seq::new(seq as i64), value), end)),
        Some(Err(error)) => invalid(Fault::Body(error), end),
        None => unreachable!("the tag is known"),
    }
}

/// A stream made by a script.
#[derive(Clone, Debug)]
pub struct Scripted<V> {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its items, if nothing was broken on purpose.
    pub items: Option<Vec<Item<V>>>,
}

/// A side whose values can be made from the input.
pub trait Scripting: Side {
    /// Makes the next value.
    fn script(input: &mut Input<'_>) -> Self;
}

/// Makes a text, mostly a short one, but of up to about 70,000 bytes, which is more than a buffer holds.
fn text(input: &mut Input<'_>) -> String {
    let kind = input.byte();
    let pattern = input.bytes(usize::from(kind & 0x1f));
    let times = if kind < 0xf8 { 1 } else { input.number() as u16 % 2300 };
    String::from_utf8_lossy(pattern).repeat(usize::from(times))
}

fn small(input: &mut Input<'_>) -> i64 {
    i64::from(input.byte().cast_signed())
}

/// Makes a stream of frames with growing seqs, and sometimes another seq, a ping or arbitrary bytes between them. If
/// the input asks for it, bits are then flipped and the end is cut off.
pub fn scripted<V: Scripting>(input: &mut Input<'_>) -> Scripted<V> {
    let (turns, cut_off) = (input.byte(), input.byte());
    let turns: Vec<_> =
        (0..if turns < 0x80 { 0 } else { turns % 4 }).map(|_| (input.number(), input.byte())).collect();
    let (mut bytes, mut items, mut broken) = (Vec::new(), Vec::new(), false);
    let mut seq = Seq::FIRST;
    while !input.is_empty() && bytes.len() < 200_000 {
        let item = match input.byte() {
            0 => Item::Ping,
            1 => {
                let count = usize::from(input.byte());
                bytes.extend_from_slice(input.bytes(count));
                broken = true;
                continue;
            }
            2..0x20 => Item::Value(Seq::new(small(input)), V::script(input)),
            0x20 => Item::Value(Seq::new(input.number() as i64), V::script(input)),
            _ => Item::Value(seq, V::script(input)),
        };
        seq = seq.next();
        // Seq 0 is a ping, whatever the value.
        let item = if matches!(item, Item::Value(Seq::PING, _)) { Item::Ping } else { item };
        item.encode(&V::FORMAT, &mut bytes).expect("the Format can write all that a script makes");
        items.push(item);
    }
    for (at, bits) in turns {
        if let Some(len) = std::num::NonZeroU64::new(bytes.len() as u64) {
            bytes[(at % len) as usize] ^= bits;
            broken = true;
        }
    }
    if cut_off > 0x80 {
        bytes.truncate(bytes.len().saturating_sub(usize::from(cut_off - 0x80)));
        broken = true;
    }
    Scripted { bytes, items: (!broken).then_some(items) }
}
