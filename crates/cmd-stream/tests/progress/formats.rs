//! Formats whose work is counted.

use std::fmt::Debug;

use crate::{WORK, Work, looked_at};
use cmd_stream::Mus;
use cmd_stream::format::json::Length;
use cmd_stream::format::{Decode, Encode, EncodeError, Format};
use cmd_stream::proto::frame::Tag;
use cmd_stream::proto::{Decoded, Fault, varint};
use mus_format::Progress;

/// The Format of the Go `echo` example: no tag, the length before the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Untagged;

impl Format for Untagged {
    const NAME: &str = "untagged";
    type Progress = ();

    fn encode_tag(&self, _: Tag, _: &mut Vec<u8>) {}

    fn decode_tag(&self, _: &[u8]) -> Decoded<Tag> {
        Decoded::Value(Tag::new(0), 0)
    }
}

impl Encode<String> for Untagged {
    fn encode(&self, value: &String, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        encode_text(value, out);
        Ok(())
    }
}

impl Decode<String> for Untagged {
    fn decode(&self, bytes: &[u8], (): &mut ()) -> Decoded<String> {
        WORK.with(Work::attempt);
        let (end, start) = match end_of_text(bytes) {
            Decoded::Value(end, start) => (end, start),
            Decoded::Incomplete(missing) => return Decoded::Incomplete(missing),
            Decoded::Invalid(error) => return Decoded::Invalid(error),
        };
        match bytes.get(start..end) {
            None => Decoded::incomplete(end - bytes.len()),
            Some(text) => decode_text(text)
                .map_or_else(|fault| Decoded::invalid(fault, end), |t| Decoded::Value(t, end)),
        }
    }
}

fn encode_text(text: &str, out: &mut Vec<u8>) {
    varint::encode(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Returns where a text ends, and where it starts after its length.
fn end_of_text(bytes: &[u8]) -> Decoded<usize> {
    match varint::decode_length(bytes) {
        Decoded::Value(length, start) => {
            looked_at(start);
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            Decoded::Value(start.saturating_add(length), start)
        }
        Decoded::Incomplete(missing) => {
            looked_at(bytes.len());
            Decoded::Incomplete(missing)
        }
        Decoded::Invalid(error) => Decoded::Invalid(error),
    }
}

fn decode_text(bytes: &[u8]) -> Result<String, Fault> {
    looked_at(bytes.len());
    String::from_utf8(bytes.to_vec()).map_err(|error| Fault::Body(error.into()))
}

/// A count, then as many texts, each with its length. This stands for Formats without a length of the whole, like MUS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    /// Whether it remembers where its scan stopped, or starts again each time.
    pub(crate) remembers: bool,
    /// Whether it counts what is missing of all texts, or only of the one that has begun.
    pub(crate) tight: bool,
}

/// As a Format should be.
pub(crate) const COUNTED: Counted = Counted { remembers: true, tight: true };

/// Where a scan stopped.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// How many texts are left, once that is known.
    left: Option<u64>,
    /// Where the next one begins.
    at: usize,
}

impl Scan {
    /// Continues to the end of the last text.
    fn resume(&mut self, bytes: &[u8], tight: bool) -> Decoded<()> {
        let mut left = match self.left {
            Some(left) => left,
            None => match varint::decode_length(bytes) {
                Decoded::Value(count, taken) => {
                    looked_at(taken);
                    self.at = taken;
                    count
                }
                Decoded::Incomplete(missing) => return Decoded::Incomplete(missing),
                Decoded::Invalid(error) => return Decoded::Invalid(error),
            },
        };
        while left > 0 {
            let rest = bytes.get(self.at..).unwrap_or_default();
            let missing = match end_of_text(rest) {
                Decoded::Value(end, _) if end <= rest.len() => {
                    self.at += end;
                    left -= 1;
                    continue;
                }
                Decoded::Value(end, _) => end - rest.len(),
                Decoded::Incomplete(missing) => missing.get(),
                Decoded::Invalid(error) => return Decoded::invalid(error.fault, self.at + error.at),
            };
            self.left = Some(left);
            // Each later text takes at least one byte.
            let behind = if tight { usize::try_from(left - 1).unwrap_or(usize::MAX) } else { 0 };
            return Decoded::incomplete(missing.saturating_add(behind));
        }
        self.left = Some(0);
        Decoded::Value((), self.at)
    }
}

impl Format for Counted {
    const NAME: &str = "counted";
    type Progress = Scan;
}

impl Encode<Vec<String>> for Counted {
    fn encode(&self, value: &Vec<String>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        varint::encode(value.len() as u64, out);
        value.iter().for_each(|text| encode_text(text, out));
        Ok(())
    }
}

impl Decode<Vec<String>> for Counted {
    fn decode(&self, bytes: &[u8], scan: &mut Scan) -> Decoded<Vec<String>> {
        WORK.with(Work::attempt);
        if !self.remembers {
            *scan = Scan::default();
        }
        let end = match scan.resume(bytes, self.tight) {
            Decoded::Value((), end) => end,
            Decoded::Incomplete(missing) => return Decoded::Incomplete(missing),
            Decoded::Invalid(error) => return Decoded::Invalid(error),
        };
        // All bytes are there, so it is decoded in one go.
        let Decoded::Value(count, mut at) = varint::decode_length(bytes) else {
            unreachable!("it was scanned")
        };
        let mut texts = Vec::new();
        for _ in 0..count {
            let Decoded::Value(end, start) = end_of_text(&bytes[at..]) else {
                unreachable!("it was scanned")
            };
            match decode_text(&bytes[at + start..at + end]) {
                Ok(text) => texts.push(text),
                Err(fault) => return Decoded::invalid(fault, at + end),
            }
            at += end;
        }
        Decoded::Value(texts, end)
    }
}

/// A text that ends at a line feed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// Whether it remembers how far it has looked, or starts again each time.
    pub(crate) remembers: bool,
}

/// As a Format should be.
pub(crate) const LINE: Line = Line { remembers: true };

impl Format for Line {
    const NAME: &str = "line";
    type Progress = usize;
}

impl Encode<String> for Line {
    fn encode(&self, value: &String, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(value.as_bytes());
        out.push(b'\n');
        Ok(())
    }
}

impl Decode<String> for Line {
    fn decode(&self, bytes: &[u8], looked: &mut usize) -> Decoded<String> {
        WORK.with(Work::attempt);
        if !self.remembers {
            *looked = 0;
        }
        let Some(end) = bytes[*looked..].iter().position(|byte| *byte == b'\n') else {
            looked_at(bytes.len() - *looked);
            *looked = bytes.len();
            return Decoded::incomplete(1);
        };
        looked_at(end + 1);
        let end = *looked + end;
        match decode_text(&bytes[..end]) {
            Ok(text) => Decoded::Value(text, end + 1),
            Err(fault) => Decoded::invalid(fault, end + 1),
        }
    }
}

/// A Format with the length before its bodies. Its attempts and the bytes it reads are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefixed<F>(pub(crate) F);

impl<F: Format<Progress = Length>> Format for Prefixed<F> {
    const NAME: &str = F::NAME;
    type Progress = Length;
}

impl<F: Encode<T, Progress = Length>, T> Encode<T> for Prefixed<F> {
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.0.encode(value, out)
    }
}

impl<F: Decode<T, Progress = Length>, T> Decode<T> for Prefixed<F> {
    fn decode(&self, bytes: &[u8], progress: &mut Length) -> Decoded<T> {
        WORK.with(Work::attempt);
        let decoded = self.0.decode(bytes, progress);
        match &decoded {
            Decoded::Value(_, taken) => looked_at(*taken),
            Decoded::Incomplete(_) => looked_at(bytes.len().min(varint::MAX_LEN)),
            Decoded::Invalid(error) => looked_at(error.at),
        }
        decoded
    }
}

/// MUS, with its attempts counted. The values count which bytes are looked at (`Verse`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched {
    /// Whether it remembers where its scan stopped, or starts again each time.
    pub(crate) remembers: bool,
}

/// As MUS is.
pub(crate) const WATCHED: Watched = Watched { remembers: true };

impl Format for Watched {
    const NAME: &str = Mus::NAME;
    type Progress = Progress;
}

impl<T: mus_format::Encode> Encode<T> for Watched {
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        Mus.encode(value, out)
    }
}

impl<T: mus_format::DecodeOwned> Decode<T> for Watched {
    fn decode(&self, bytes: &[u8], progress: &mut Progress) -> Decoded<T> {
        WORK.with(Work::attempt);
        if !self.remembers {
            *progress = Progress::default();
        }
        Mus.decode(bytes, progress)
    }
}
