//! Finds the end of a value by its shape, with a stack of its own, stopping where the bytes end and going on there. It
//! checks the structure exactly as decoding does, and leaves it to decoding to say what is wrong.

use alloc::vec::Vec;
use core::num::NonZeroUsize;

use crate::encoding::mapped;
use crate::limits::Limits;
use crate::reader::MAX_COUNTED;
use crate::shape::{self, Kind, LengthEncoding, LengthRule, Row, Shape};
use crate::varint::{self, Found};

/// What a scan has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// The end of the value.
    End,
    /// The end of the bytes; at least so many more are needed.
    Incomplete(NonZeroUsize),
    /// Bytes that do not fit.
    Fault,
}

/// A scan that can stop at any item and go on there.
#[derive(Debug)]
pub(super) struct Scanner {
    /// What is open, the innermost last.
    frames: Vec<Frame>,
    /// Of how many frames, from the first, `after` is known.
    known: usize,
    /// Where the next item begins.
    at: usize,
    /// How many levels deeper the value may go.
    depth: usize,
    /// What is left of the budget for elements without bytes.
    empty_elements: usize,
    /// How many mapped pointers there are.
    pointers: u64,
    /// How many items have been looked at.
    #[cfg(test)]
    pub(super) items: usize,
}

/// Items that are being scanned: a row, perhaps many times.
#[derive(Clone, Copy, Debug)]
struct Frame {
    row: Row,
    /// Which of the row is next.
    next: usize,
    /// How many times the row follows after this time.
    times: usize,
    /// Whether it is a level deeper than the frame before.
    deeper: bool,
    /// The least that follows after this frame.
    after: Bound,
}

/// The least that follows: in items that are known, and in elements of which only the number is.
#[derive(Clone, Copy, Debug, Default)]
struct Bound {
    exact: usize,
    counted: usize,
}

/// Why an item is not passed.
enum Stop {
    /// The bytes end inside it.
    Cut,
    /// The bytes end before so many that it has announced.
    Missing(usize),
    /// The bytes end before so many that its elements need at least.
    MissingElements(usize),
    Fault,
}

/// What an item turned out to be.
enum Item {
    /// It is passed.
    Passed,
    /// Its beginning is passed; these follow.
    Opens(Frame),
}

impl Scanner {
    pub(super) fn new(row: Row, limits: &Limits) -> Self {
        Self {
            frames: Vec::from([Frame::new(row, 0, false)]),
            known: 1,
            at: 0,
            depth: limits.max_depth(),
            empty_elements: limits.max_empty_elements(),
            pointers: 0,
            #[cfg(test)]
            items: 0,
        }
    }

    /// Goes on over `bytes`, which are those of the last scan and perhaps more.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Scan {
        let Some(mut rest) = bytes.get(self.at..) else { return Scan::Fault };
        while let Some(mut frame) = self.frames.pop() {
            self.known = self.known.min(self.frames.len() + 1);
            loop {
                let Some(shape) = frame.item() else {
                    self.depth += usize::from(frame.deeper);
                    break;
                };
                match self.item(shape, &mut rest) {
                    Ok(Item::Passed) => frame.next += 1,
                    Ok(Item::Opens(inner)) => {
                        frame.next += 1;
                        self.depth -= usize::from(inner.deeper);
                        self.frames.push(frame);
                        frame = inner;
                    }
                    Err(Stop::Fault) => return Scan::Fault,
                    Err(stop) => {
                        self.frames.push(frame);
                        self.at = bytes.len() - rest.len();
                        return Scan::Incomplete(self.missing(&stop, shape, rest.len()));
                    }
                }
            }
        }
        Scan::End
    }

    /// Passes an item, or its beginning.
    #[inline]
    fn item(&mut self, shape: &Shape, rest: &mut &[u8]) -> Result<Item, Stop> {
        #[cfg(test)]
        {
            self.items += 1;
        }
        match *shape.kind() {
            Kind::Fixed => pass(rest, shape.min_size()).ok_or(Stop::Cut)?,
            Kind::Bool => match rest.split_first() {
                Some((0 | 1, after)) => *rest = after,
                Some(_) => return Err(Stop::Fault),
                None => return Err(Stop::Cut),
            },
            Kind::Varint(bits) => {
                pass_varint(rest, bits)?;
            }
            Kind::Bytes(rule) => {
                let mut after = *rest;
                let length = pass_length(&mut after, rule)?;
                pass(&mut after, length).ok_or_else(|| Stop::Missing(length - after.len()))?;
                *rest = after;
            }
            Kind::Fields(row) => return Ok(Item::Opens(Frame::new(row, 0, false))),
            Kind::Sequence { length, cost, row } => return self.sequence(length, cost, row, rest),
            Kind::Optional(row) => match rest.split_first() {
                Some((0, after)) => {
                    self.enter()?;
                    *rest = after;
                    return Ok(Item::Opens(Frame::new(row(), 0, true)));
                }
                Some((1, after)) => *rest = after,
                Some(_) => return Err(Stop::Fault),
                None => return Err(Stop::Cut),
            },
            Kind::Nested { cost, row } => {
                self.enter()?;
                if shape.min_size() == 0 {
                    self.charge(1, cost)?;
                }
                return Ok(Item::Opens(Frame::new(row(), 0, true)));
            }
            Kind::Mapped { nullable, row } => return self.mapped(nullable, row, rest),
            Kind::Tagged(tag, row) => {
                if pass_varint(rest, 64)?.cast_signed() != tag {
                    return Err(Stop::Fault);
                }
                return Ok(Item::Opens(Frame::new(row, 0, false)));
            }
            Kind::Union(variants) => {
                let tag = pass_varint(rest, 64)?.cast_signed();
                let variants = variants();
                let (_, row) = variants.iter().find(|variant| variant.0 == tag).ok_or(Stop::Fault)?;
                return Ok(Item::Opens(Frame::new(row, 0, false)));
            }
        }
        Ok(Item::Passed)
    }

    fn sequence(
        &mut self,
        rule: LengthRule,
        cost: usize,
        row: fn() -> Row,
        rest: &mut &[u8],
    ) -> Result<Item, Stop> {
        self.enter()?;
        let mut after = *rest;
        let count = pass_length(&mut after, rule)?;
        let row = row();
        match shape::min_size(row) {
            0 => self.charge(count, cost)?,
            each => {
                let least = count.saturating_mul(each);
                if shape::is_fixed(row) {
                    pass(&mut after, least).ok_or_else(|| Stop::Missing(least - after.len()))?;
                } else if least > after.len() {
                    return Err(Stop::MissingElements(least - after.len()));
                } else if count > 0 {
                    *rest = after;
                    return Ok(Item::Opens(Frame::new(row, count - 1, true)));
                }
            }
        }
        *rest = after;
        Ok(Item::Passed)
    }

    fn mapped(&mut self, nullable: bool, row: fn() -> Row, rest: &mut &[u8]) -> Result<Item, Stop> {
        let mut after = match rest.split_first() {
            Some((&mapped::NONE, after)) if nullable => {
                *rest = after;
                return Ok(Item::Passed);
            }
            Some((&mapped::ID, after)) => after,
            Some(_) => return Err(Stop::Fault),
            None => return Err(Stop::Cut),
        };
        let id = pass_varint(&mut after, 64)?;
        if id < self.pointers {
            *rest = after;
            return Ok(Item::Passed);
        } else if id > self.pointers {
            return Err(Stop::Fault);
        }
        self.enter()?;
        self.pointers += 1;
        *rest = after;
        Ok(Item::Opens(Frame::new(row(), 0, true)))
    }

    /// Whether there may be a deeper level.
    const fn enter(&self) -> Result<(), Stop> {
        if self.depth == 0 { Err(Stop::Fault) } else { Ok(()) }
    }

    /// Takes elements without bytes off the budget.
    fn charge(&mut self, count: usize, cost: usize) -> Result<(), Stop> {
        let left = count.checked_mul(cost).and_then(|all| self.empty_elements.checked_sub(all));
        self.empty_elements = left.ok_or(Stop::Fault)?;
        Ok(())
    }

    /// How many bytes are missing at least if the scan stops at an item of which `there` are there.
    fn missing(&mut self, stop: &Stop, item: &Shape, there: usize) -> NonZeroUsize {
        let mut bound = self.after_item();
        match *stop {
            Stop::Cut | Stop::Fault => bound.add_exact(item.min_size().saturating_sub(there).max(1)),
            Stop::Missing(missing) => bound.add_exact(missing),
            Stop::MissingElements(missing) => bound.add_counted(missing),
        }
        let sum = bound.exact.saturating_add(bound.counted.min(MAX_COUNTED));
        NonZeroUsize::new(sum).unwrap_or(NonZeroUsize::MIN)
    }

    /// The least that follows after the item at which the scan stops. What follows after a frame does not change while
    /// it is open, so it is found out once.
    fn after_item(&mut self) -> Bound {
        while self.known < self.frames.len() {
            self.frames[self.known].after = self.frames[self.known - 1].left(0);
            self.known += 1;
        }
        self.frames.last().map(|frame| frame.left(1)).unwrap_or_default()
    }
}

impl Frame {
    /// The row, and so many times more after that.
    #[inline]
    const fn new(row: Row, times: usize, deeper: bool) -> Self {
        // An element that is a struct needs no frame of its own.
        let row = match row {
            [only] => match only.kind() {
                Kind::Fields(fields) => fields,
                _ => row,
            },
            _ => row,
        };
        Self { row, next: 0, times, deeper, after: Bound { exact: 0, counted: 0 } }
    }

    /// The next item.
    #[inline]
    fn item(&mut self) -> Option<&'static Shape> {
        match self.row.get(self.next) {
            None if self.times > 0 => {
                self.times -= 1;
                self.next = 0;
                self.row.first()
            }
            item => item,
        }
    }

    /// The least that follows after the next item but `skip`.
    fn left(&self, skip: usize) -> Bound {
        let mut bound = self.after;
        bound.add_exact(shape::min_size(self.row.get(self.next + skip..).unwrap_or_default()));
        bound.add_counted(self.times.saturating_mul(shape::min_size(self.row)));
        bound
    }
}

impl Bound {
    const fn add_exact(&mut self, bytes: usize) {
        self.exact = self.exact.saturating_add(bytes);
    }

    const fn add_counted(&mut self, bytes: usize) {
        self.counted = self.counted.saturating_add(bytes);
    }
}

/// Passes so many bytes.
#[inline]
fn pass(rest: &mut &[u8], count: usize) -> Option<()> {
    *rest = rest.get(count..)?;
    Some(())
}

#[inline]
fn pass_varint(rest: &mut &[u8], bits: u32) -> Result<u64, Stop> {
    if let [first, after @ ..] = *rest
        && *first < 0x80
    {
        *rest = after;
        return Ok(u64::from(*first));
    }
    match varint::find(rest, bits) {
        Found::Number(value, taken) => {
            *rest = &rest[taken..];
            Ok(value)
        }
        Found::Cut => Err(Stop::Cut),
        Found::Overflow(_) => Err(Stop::Fault),
    }
}

/// Passes a length that the rule allows.
#[inline]
fn pass_length(rest: &mut &[u8], rule: LengthRule) -> Result<usize, Stop> {
    let length = match rule.encoding {
        LengthEncoding::Positive => pass_varint(rest, 64)?.cast_signed(),
        LengthEncoding::Varint => varint::unzigzag(pass_varint(rest, 64)?),
        LengthEncoding::Raw => {
            let (bytes, after) = rest.split_first_chunk().ok_or(Stop::Cut)?;
            *rest = after;
            i64::from_le_bytes(*bytes)
        }
    };
    match usize::try_from(length) {
        Ok(length) if length <= rule.max && rule.exact.is_none_or(|exact| exact == length) => Ok(length),
        _ => Err(Stop::Fault),
    }
}
