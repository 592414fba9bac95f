//! Passes over items that hold no others. Most of a scan's time is spent here.

use crate::shape::{Kind, LengthEncoding, LengthRule, Row, Shape};
use crate::varint::{self, Found};

/// Why an item could not be passed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    /// The bytes end inside it.
    Cut,
    /// The bytes end this many bytes before the length it announced.
    Missing(usize),
    /// The bytes end this many bytes before the least that its elements need.
    MissingElements(usize),
    /// It does not fit its shape.
    Fault,
}

/// An item could not be passed. The reason is in the [`Cursor`], so that this has no size and numbers are returned in
/// registers.
pub(super) struct Stopped;

/// The bytes that are scanned, and the position in them.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
    pub(super) stop: Stop,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8], at: usize) -> Option<Self> {
        if at <= bytes.len() { Some(Self { bytes, at, stop: Stop::Fault }) } else { None }
    }

    /// Returns the number of bytes left.
    #[inline]
    pub(super) const fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Gives up an item that began at `start`, and moves back to it.
    #[cold]
    pub(super) const fn stop(&mut self, start: usize, stop: Stop) -> Stopped {
        self.at = start;
        self.stop = stop;
        Stopped
    }

    #[cold]
    pub(super) const fn fault(&mut self) -> Stopped {
        self.stop(self.at, Stop::Fault)
    }

    /// Returns the next byte without passing it.
    #[inline(always)]
    pub(super) fn peek(&mut self) -> Result<u8, Stopped> {
        match self.bytes.get(self.at) {
            Some(byte) => Ok(*byte),
            None => Err(self.stop(self.at, Stop::Cut)),
        }
    }

    /// Passes an item that holds no others, or an `Option` of one if `depth` allows another level. Returns `false` if
    /// it is another kind of item. The cursor moves only if the item is passed.
    #[inline(always)]
    pub(super) fn pass_leaf(&mut self, shape: &Shape, depth: usize) -> Result<bool, Stopped> {
        match shape.kind() {
            Kind::Fixed => match self.remaining() >= shape.min_size() {
                true => self.at += shape.min_size(),
                false => return Err(self.stop(self.at, Stop::Cut)),
            },
            Kind::Bool => match self.peek()? {
                0 | 1 => self.at += 1,
                _ => return Err(self.fault()),
            },
            Kind::Varint(bits) => self.pass_varint(*bits)?,
            Kind::Bytes(rule) => {
                let start = self.at;
                let length = self.length(rule)?;
                self.pass(length, start)?;
            }
            Kind::Optional(row) => match self.peek()? {
                1 => self.at += 1,
                0 if depth > 0 => return self.pass_content(*row),
                _ => return Err(self.fault()),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Passes the flag and the content of an `Option`, if the content holds no others.
    #[inline(never)]
    fn pass_content(&mut self, row: fn() -> Row) -> Result<bool, Stopped> {
        let [content] = row() else { return Ok(false) };
        let start = self.at;
        self.at += 1;
        // An `Option` inside this one would need another level, so it is left to the scanner.
        let passed = match content.kind() {
            Kind::Optional(_) => Ok(false),
            _ => self.pass_leaf(content, 0),
        };
        if !matches!(passed, Ok(true)) {
            let there = self.remaining();
            self.at = start;
            if passed.is_err() && matches!(self.stop, Stop::Cut) {
                self.stop = Stop::Missing(content.min_size().saturating_sub(there).max(1));
            }
        }
        passed
    }

    /// Passes `count` bytes of an item that began at `start`.
    #[inline(always)]
    pub(super) fn pass(&mut self, count: usize, start: usize) -> Result<(), Stopped> {
        let there = self.remaining();
        if count <= there {
            self.at += count;
            Ok(())
        } else {
            Err(self.stop(start, Stop::Missing(count - there)))
        }
    }

    /// Passes a varint whose value does not matter.
    #[inline(always)]
    fn pass_varint(&mut self, bits: u32) -> Result<(), Stopped> {
        if let Some(first) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk)
            && let Some(length) = varint::short_len(*first, bits)
        {
            self.at += length;
            return Ok(());
        }
        self.long_varint(bits).map(drop)
    }

    /// Passes a varint.
    #[inline(always)]
    pub(super) fn varint(&mut self, bits: u32) -> Result<u64, Stopped> {
        match self.bytes.get(self.at) {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(bits),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self, bits: u32) -> Result<u64, Stopped> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        match varint::find_at_once(rest, bits).unwrap_or_else(|| varint::find(rest, bits)) {
            Found::Number(value, taken) => {
                self.at += taken;
                Ok(value)
            }
            Found::Cut => Err(self.stop(self.at, Stop::Cut)),
            Found::Overflow(_) => Err(self.fault()),
        }
    }

    /// Passes a length that the rule allows.
    #[inline(always)]
    pub(super) fn length(&mut self, rule: &LengthRule) -> Result<usize, Stopped> {
        let length = match rule.encoding {
            LengthEncoding::Positive => self.varint(64)?.cast_signed(),
            LengthEncoding::Varint => varint::unzigzag(self.varint(64)?),
            LengthEncoding::Raw => self.raw_length()?,
        };
        match usize::try_from(length) {
            Ok(length) if length <= rule.max && rule.exact.is_none_or(|exact| exact == length) => Ok(length),
            _ => Err(self.fault()),
        }
    }

    #[inline(never)]
    fn raw_length(&mut self) -> Result<i64, Stopped> {
        match self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
            Some(bytes) => {
                self.at += bytes.len();
                Ok(i64::from_le_bytes(*bytes))
            }
            None => Err(self.stop(self.at, Stop::Cut)),
        }
    }
}
