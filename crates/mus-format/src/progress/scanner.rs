//! Finds the end of a value by its shape. A scan stops where the bytes end and resumes there.
//!
//! It keeps an explicit stack, because a scan that stops inside a value could not resume in recursive calls. It checks
//! the structure exactly as decoding does, so that a fault is found as soon as it is certain. What is wrong is left for
//! decoding to say, which sees the same bytes again.

mod leaf;

use alloc::vec::Vec;
use core::num::NonZeroUsize;

use self::leaf::{Cursor, Stop, Stopped};
use crate::encoding::mapped;
use crate::limits::Limits;
use crate::reader::MAX_COUNTED;
use crate::shape::{self, Kind, LengthRule, Row, Shape};

/// The result of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// The end of the value.
    End,
    /// The end of the bytes; at least this many more are needed.
    Incomplete(NonZeroUsize),
    /// Bytes that do not fit the shape.
    Fault,
}

/// A scan that can stop at any item and resume there.
#[derive(Debug)]
pub(super) struct Scanner {
    /// The open frames, the innermost last.
    frames: Vec<Frame>,
    /// The least that follows each frame. May be shorter than `frames`: it is computed only when a scan stops.
    after: Vec<Bound>,
    /// Where the next item begins.
    at: usize,
    /// The number of levels left.
    depth: usize,
    /// The budget left for elements without bytes.
    empty_elements: usize,
    /// The number of mapped pointers announced so far.
    pointers: u64,
    /// The number of items examined, for tests.
    #[cfg(test)]
    pub(super) items: usize,
}

/// A row that is being scanned, once or repeatedly.
#[derive(Clone, Copy, Debug)]
struct Frame {
    row: Row,
    /// The items of the row that are left.
    items: Row,
    /// How many more times the row follows.
    times: usize,
    /// Whether it is one level deeper than the frame around it.
    deeper: bool,
}

/// The least number of bytes that follow. Those of items that surely follow are exact; those of elements known only by
/// their announced count are kept apart, because the total claims at most [`MAX_COUNTED`] of them.
#[derive(Clone, Copy, Debug, Default)]
struct Bound {
    exact: usize,
    counted: usize,
}

impl Scanner {
    pub(super) fn new(row: Row, limits: &Limits) -> Self {
        Self {
            frames: Vec::from([Frame::new(row, 0, false)]),
            after: Vec::new(),
            at: 0,
            depth: limits.max_depth(),
            empty_elements: limits.max_empty_elements(),
            pointers: 0,
            #[cfg(test)]
            items: 0,
        }
    }

    /// Where the value ends, if a scan has found its end.
    pub(super) fn end(&self) -> usize {
        self.at
    }

    /// Resumes over `bytes`: those of the last scan, and perhaps more after them.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Scan {
        let Some(mut cursor) = Cursor::new(bytes, self.at) else { return Scan::Fault };
        let Some(mut frame) = self.frames.pop() else { return Scan::Fault };
        loop {
            let [item, after @ ..] = frame.items else {
                if frame.times > 0 {
                    frame.times -= 1;
                    frame.items = frame.row;
                    continue;
                }
                self.depth += usize::from(frame.deeper);
                let Some(outer) = self.frames.pop() else {
                    self.at = cursor.at;
                    return Scan::End;
                };
                frame = outer;
                continue;
            };
            #[cfg(test)]
            {
                self.items += 1;
            }
            let opened = match cursor.pass_leaf(item, self.depth) {
                Ok(true) => Ok(None),
                Ok(false) => self.item(item, &mut cursor),
                Err(stopped) => Err(stopped),
            };
            match opened {
                Ok(None) => frame.items = after,
                Ok(Some(inner)) => {
                    frame.items = after;
                    self.depth -= usize::from(inner.deeper);
                    self.after.truncate(self.frames.len() + 1);
                    self.frames.push(frame);
                    frame = inner;
                }
                Err(Stopped) => {
                    self.after.truncate(self.frames.len() + 1);
                    self.frames.push(frame);
                    return self.stopped(&cursor);
                }
            }
        }
    }

    /// Passes an item that may hold others. If it does, passes only its beginning and returns the frame of what it
    /// holds.
    #[inline]
    fn item(&mut self, item: &Shape, cursor: &mut Cursor<'_>) -> Result<Option<Frame>, Stopped> {
        match item.kind() {
            Kind::Fields(row) => Ok(Some(Frame::new(row, 0, false))),
            Kind::Sequence { length, cost, row, .. } => self.sequence(length, *cost, *row, cursor),
            Kind::Optional(row) => {
                self.enter(cursor)?;
                cursor.at += 1;
                Ok(Some(Frame::new(row(), 0, true)))
            }
            Kind::Nested { cost, row } => {
                self.enter(cursor)?;
                if item.min_size() == 0 {
                    self.charge(1, *cost, cursor)?;
                }
                Ok(Some(Frame::new(row(), 0, true)))
            }
            Kind::Mapped { nullable, row, .. } => self.mapped(*nullable, *row, cursor),
            Kind::Tagged(tag, row) => match cursor.varint(64)?.cast_signed() {
                found if found == *tag => Ok(Some(Frame::new(row, 0, false))),
                _ => Err(cursor.fault()),
            },
            Kind::Union(variants) => {
                let tag = cursor.varint(64)?.cast_signed();
                let variant = variants().iter().find(|variant| variant.0 == tag);
                match variant {
                    Some((_, row)) => Ok(Some(Frame::new(row, 0, false))),
                    None => Err(cursor.fault()),
                }
            }
            Kind::Fixed | Kind::Bool | Kind::Varint(_) | Kind::Bytes(_) => Ok(None),
        }
    }

    #[inline]
    fn sequence(
        &mut self,
        rule: &LengthRule,
        cost: usize,
        row: fn() -> Row,
        cursor: &mut Cursor<'_>,
    ) -> Result<Option<Frame>, Stopped> {
        self.enter(cursor)?;
        let start = cursor.at;
        let count = cursor.length(rule)?;
        let row = row();
        let each = shape::min_size(row);
        let least = count.saturating_mul(each);
        if each == 0 {
            self.pass_empty(count, cost, row, cursor)?;
        } else if shape::is_fixed(row) {
            cursor.pass(least, start)?;
        } else if least > cursor.remaining() {
            let missing = least - cursor.remaining();
            return Err(cursor.stop(start, Stop::MissingElements(missing)));
        } else if count > 0 {
            return Ok(Some(Frame::new(row, count - 1, true)));
        }
        Ok(None)
    }

    fn mapped(
        &mut self,
        nullable: bool,
        row: fn() -> Row,
        cursor: &mut Cursor<'_>,
    ) -> Result<Option<Frame>, Stopped> {
        let start = cursor.at;
        let flag = cursor.peek()?;
        cursor.at += 1;
        match flag {
            mapped::NONE if nullable => return Ok(None),
            mapped::ID => {}
            _ => return Err(cursor.fault()),
        }
        let Ok(id) = cursor.varint(64) else { return Err(cursor.stop(start, cursor.stop)) };
        if id < self.pointers {
            return Ok(None);
        } else if id > self.pointers {
            return Err(cursor.fault());
        }
        self.enter(cursor)?;
        self.pointers += 1;
        Ok(Some(Frame::new(row(), 0, true)))
    }

    /// Fails if the value may not be nested deeper.
    #[inline]
    fn enter(&self, cursor: &mut Cursor<'_>) -> Result<(), Stopped> {
        if self.depth == 0 { Err(cursor.fault()) } else { Ok(()) }
    }

    /// Passes elements without bytes, one level deeper, with what is inside them.
    fn pass_empty(
        &mut self,
        count: usize,
        cost: usize,
        row: Row,
        cursor: &mut Cursor<'_>,
    ) -> Result<(), Stopped> {
        let inside = shape::inside_empty(row);
        if count > 0 && inside.levels >= self.depth {
            return Err(cursor.fault());
        }
        self.charge(count, cost.saturating_add(inside.cost), cursor)
    }

    /// Charges the budget for elements without bytes.
    fn charge(&mut self, count: usize, cost: usize, cursor: &mut Cursor<'_>) -> Result<(), Stopped> {
        let left = count.checked_mul(cost).and_then(|all| self.empty_elements.checked_sub(all));
        self.empty_elements = left.ok_or_else(|| cursor.fault())?;
        Ok(())
    }

    /// Returns the result of a scan that could not pass the next item, and how many bytes are missing at least.
    #[cold]
    fn stopped(&mut self, cursor: &Cursor<'_>) -> Scan {
        self.at = cursor.at;
        let (item, mut bound) = self.next_item();
        match cursor.stop {
            Stop::Fault => return Scan::Fault,
            Stop::Cut => bound.add_exact(item.saturating_sub(cursor.remaining()).max(1)),
            Stop::Missing(missing) => bound.add_exact(missing),
            Stop::MissingElements(missing) => bound.add_counted(missing),
        }
        let sum = bound.exact.saturating_add(bound.counted.min(MAX_COUNTED));
        Scan::Incomplete(NonZeroUsize::new(sum).unwrap_or(NonZeroUsize::MIN))
    }

    /// Returns the least that the next item takes, and the least that follows it. What follows a frame does not change
    /// while the frame is open, so it is computed once; otherwise a deep value that arrives byte by byte would take
    /// quadratic time.
    fn next_item(&mut self) -> (usize, Bound) {
        for at in self.after.len()..self.frames.len() {
            let outer = at.checked_sub(1).map(|outer| self.frames[outer].left(0, self.after[outer]));
            self.after.push(outer.unwrap_or_default());
        }
        match (self.frames.last(), self.after.last()) {
            (Some(frame), Some(after)) => {
                (frame.items.first().map_or(0, Shape::min_size), frame.left(1, *after))
            }
            _ => (0, Bound::default()),
        }
    }
}

impl Frame {
    /// Creates the frame of a row that is followed by itself `times` more times.
    #[inline]
    const fn new(row: Row, times: usize, deeper: bool) -> Self {
        // An element that is a struct needs no frame of its own: its fields take the place of the row.
        let row = match row {
            [only] => match only.kind() {
                Kind::Fields(fields) => fields,
                _ => row,
            },
            _ => row,
        };
        Self { row, items: row, times, deeper }
    }

    /// Returns the least that follows the first `skip` items left, if `after` is what follows the frame.
    fn left(&self, skip: usize, after: Bound) -> Bound {
        let mut bound = after;
        bound.add_exact(shape::min_size(self.items.get(skip..).unwrap_or_default()));
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
