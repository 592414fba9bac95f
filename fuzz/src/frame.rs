//! The reader of frames, in three Formats made for this: its results for any bytes, however they are cut, and how often
//! it calls the Format.

use std::cell::Cell;

use cmd_stream::proto::frame::{Frame, FrameReader, Head, Tag};
use cmd_stream::proto::{Decoded, Fault, varint};

use super::input::{Cuts, Input, Piece};
use super::memory::measure;
use super::varint::{Number, reference};

/// The encoding of tag and body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Format {
    /// As in JSON: a tag, a length, a body of any bytes.
    Prefixed,
    /// No tag. The body ends with a zero, and is invalid if it contains 0xff. Keeps how far it has looked.
    Terminated,
    /// The tag is one byte, which is also the length of the body; 0xff is unknown.
    Sized,
}

/// A part of the stream, and how many bytes it took.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Item {
    Ping(usize),
    Body {
        seq: i64,
        tag: i64,
        head: usize,
        body: usize,
        taken: usize,
    },
    /// The stream ends before the frame does: at least this many bytes are missing.
    Cut(u64),
    Invalid(What, usize),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Overflow,
    Negative(i64),
    TooLong(u64),
    UnknownTag(i64),
    Body,
}

impl Format {
    fn read_tag(self, bytes: &[u8]) -> Decoded<Tag> {
        match self {
            Self::Prefixed => Tag::decode(bytes),
            Self::Terminated => Decoded::Value(Tag::new(0), 0),
            Self::Sized => match bytes.first() {
                None => Decoded::incomplete(1),
                Some(0xff) => Decoded::invalid(Fault::UnknownTag(Tag::new(0xff)), 1),
                Some(tag) => Decoded::Value(Tag::new(i64::from(*tag)), 1),
            },
        }
    }

    /// Reads a body, whose value is its length. `seen` counts the bytes looked at.
    fn read_body(self, tag: Tag, bytes: &[u8], scanned: &mut usize, seen: &Cell<usize>) -> Decoded<usize> {
        let fixed = |start: usize, length: usize| {
            let end = start.saturating_add(length);
            if bytes.len() < end {
                Decoded::incomplete(end - bytes.len())
            } else {
                Decoded::Value(length, end)
            }
        };
        match self {
            Self::Prefixed => match varint::decode_length(bytes) {
                Decoded::Value(length, start) => fixed(start, length as usize),
                Decoded::Incomplete(missing) => Decoded::Incomplete(missing),
                Decoded::Invalid(error) => Decoded::Invalid(error),
            },
            Self::Terminated => {
                for (at, byte) in bytes.iter().enumerate().skip(*scanned) {
                    seen.set(seen.get() + 1);
                    match byte {
                        0 => return Decoded::Value(at, at + 1),
                        0xff => return Decoded::invalid(Fault::Body("0xff".into()), at + 1),
                        _ => {}
                    }
                }
                *scanned = bytes.len();
                Decoded::incomplete(1)
            }
            Self::Sized => fixed(0, tag.get() as usize),
        }
    }

    /// Returns what is at the start of `bytes`, by the reference.
    fn expected(self, bytes: &[u8], limit: usize) -> Item {
        let visible = &bytes[..bytes.len().min(limit)];
        // A part needs more than is visible: either the stream ends there, or the frame is over its limit.
        let cut = |start: usize, end: u64| {
            if end > limit as u64 {
                Item::Invalid(What::TooLong(end), start)
            } else {
                Item::Cut(end - bytes.len() as u64)
            }
        };
        let one_more = visible.len() as u64 + 1;
        let (seq, start) = match reference(64, visible) {
            Number::Whole(0, taken) => return Item::Ping(taken),
            Number::Whole(seq, taken) => (seq as i64, taken),
            Number::Overflow(at) => return Item::Invalid(What::Overflow, at),
            Number::Cut => return cut(0, one_more),
        };
        let rest = &visible[start..];
        let (tag, head) = match (self, rest) {
            (Self::Prefixed, _) => match reference(64, rest) {
                Number::Whole(tag, taken) => (tag as i64, start + taken),
                Number::Overflow(at) => return Item::Invalid(What::Overflow, start + at),
                Number::Cut => return cut(start, one_more),
            },
            (Self::Terminated, _) => (0, start),
            (Self::Sized, []) => return cut(start, one_more),
            (Self::Sized, [0xff, ..]) => return Item::Invalid(What::UnknownTag(0xff), start + 1),
            (Self::Sized, [tag, ..]) => (i64::from(*tag), start + 1),
        };
        let rest = &visible[head..];
        let (body, end) = match self {
            Self::Prefixed => match reference(64, rest) {
                Number::Whole(length, taken) if length >= 1 << 63 => {
                    return Item::Invalid(What::Negative(length as i64), head + taken);
                }
                Number::Whole(length, taken) => (length, (head + taken) as u64 + length),
                Number::Overflow(at) => return Item::Invalid(What::Overflow, head + at),
                Number::Cut => return cut(head, one_more),
            },
            Self::Terminated => match rest.iter().position(|byte| matches!(byte, 0 | 0xff)) {
                Some(at) if rest[at] == 0xff => return Item::Invalid(What::Body, head + at + 1),
                Some(at) => (at as u64, (head + at + 1) as u64),
                None => return cut(head, one_more),
            },
            Self::Sized => (tag as u64, head as u64 + tag as u64),
        };
        if end > visible.len() as u64 {
            return cut(head, end);
        }
        Item::Body { seq, tag, head, body: body as usize, taken: end as usize }
    }
}

/// A reader, and counts of the work it caused.
struct Reading<'a> {
    format: Format,
    reader: FrameReader<usize>,
    seen: Cell<usize>,
    asked: &'a Cell<usize>,
}

impl<'a> Reading<'a> {
    fn new(format: Format, limit: usize, asked: &'a Cell<usize>) -> Self {
        Self { format, reader: FrameReader::new(limit), seen: Cell::new(0), asked }
    }

    fn read(&mut self, bytes: &[u8]) -> Item {
        let (format, seen, asked) = (self.format, &self.seen, self.asked);
        let decoded = self.reader.read(
            bytes,
            |bytes| {
                asked.set(asked.get() + 1);
                format.read_tag(bytes)
            },
            |head: Head, bytes: &[u8], scanned: &mut usize| {
                asked.set(asked.get() + 1);
                format.read_body(head.tag, bytes, scanned, seen)
            },
        );
        match decoded {
            Decoded::Value(Frame::Ping, taken) => Item::Ping(taken),
            Decoded::Value(Frame::Body(head, body), taken) => {
                Item::Body { seq: head.seq.get(), tag: head.tag.get(), head: head.len, body, taken }
            }
            Decoded::Incomplete(missing) => {
                assert_eq!(self.reader.needed(), bytes.len() + missing.get());
                Item::Cut(missing.get() as u64)
            }
            Decoded::Invalid(error) => {
                let what = match error.fault {
                    Fault::VarintOverflow => What::Overflow,
                    Fault::NegativeLength(length) => What::Negative(length),
                    Fault::TooLong { length, .. } => What::TooLong(length),
                    Fault::UnknownTag(tag) => What::UnknownTag(tag.get()),
                    _ => What::Body,
                };
                Item::Invalid(what, error.at)
            }
        }
    }
}

/// Reads the stream piece by piece, and passes each item to `found`.
fn read_all(format: Format, limit: usize, stream: &[u8], pieces: &[Piece], mut found: impl FnMut(Item)) {
    let asked = Cell::new(0);
    let mut reading = Reading::new(format, limit, &asked);
    let (mut start, mut frames, mut last) = (0, 0, None);
    for piece in pieces {
        loop {
            let bytes = &stream[start..piece.end];
            let (needed, before) = (reading.reader.needed(), asked.get());
            let item = reading.read(bytes);
            if bytes.len() < needed {
                assert_eq!(item, Item::Cut((needed - bytes.len()) as u64));
                assert_eq!(asked.get(), before, "an attempt that could not succeed");
            }
            match item {
                Item::Ping(taken) | Item::Body { taken, .. } => {
                    (start, frames) = (start + taken, frames + 1);
                    found(item);
                }
                Item::Cut(_) => {
                    last = Some(item);
                    break;
                }
                Item::Invalid(..) => return found(item),
            }
        }
    }
    assert!(reading.seen.get() <= stream.len(), "a byte was looked at twice");
    assert!(asked.get() <= 2 * (frames + pieces.len()));
    last.into_iter().for_each(found);
}

/// Checks a stream in one of the Formats, whole and in pieces.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let format = input.choice(&[Format::Prefixed, Format::Terminated, Format::Sized]);
    let limit = input.choice(&[usize::MAX >> 1, 4 << 20, 1024, 256, 64, 20, 16, 5, 1]);
    let cuts = Cuts::read(&mut input);
    let stream = input.rest();

    let mut expected = Vec::new();
    let mut start = 0;
    loop {
        let item = format.expected(&stream[start..], limit);
        expected.push(item.clone());
        let (Item::Ping(taken) | Item::Body { taken, .. }) = item else { break };
        assert_cuts(format, limit, &stream[start..start + taken]);
        start += taken;
    }

    for pieces in [cuts.pieces(stream.len()), vec![Piece::whole(stream.len())]] {
        let mut found = Vec::new();
        read_all(format, limit, stream, &pieces, |item| found.push(item));
        assert_eq!(found, expected, "{format:?}, limit {limit}, {pieces:?}");

        let ((), used) = measure(|| read_all(format, limit, stream, &pieces, drop));
        assert!(used.total <= 64, "{used:?}: only an error may be allocated");
    }
}

/// Checks that a cut frame is incomplete, and that no more is reported missing than is.
fn assert_cuts(format: Format, limit: usize, frame: &[u8]) {
    let asked = Cell::new(0);
    // Each cut is read from the start. Of a long frame, only cuts near its ends are tried.
    let cuts = (0..frame.len()).filter(|cut| *cut < 24 || frame.len() - cut < 3);
    for cut in cuts {
        match Reading::new(format, limit, &asked).read(&frame[..cut]) {
            Item::Cut(missing) => assert!((1..=(frame.len() - cut) as u64).contains(&missing)),
            other => panic!("{other:?} of {frame:02x?} cut at {cut}"),
        }
    }
}
