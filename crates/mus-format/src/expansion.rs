//! How much memory a decoded value can take for each of its bytes, found from the shape of its type.
//!
//! Memory is taken where a value has elements, or a pointer. Each element, each content of an `Option` and each variant of an
//! enum has bytes of its own on the wire: those of its fields, with the lengths and flags of what is in them, but without
//! what these announce. No byte belongs to two of them. So the greatest ratio of what one takes to its own bytes bounds the
//! whole value.

use alloc::vec::Vec;

use crate::encoding::mapped;
use crate::limits::Limits;
use crate::shape::{Kind, Row, Shape};

/// How much memory a decoded value takes at most, beyond the size of its type: for each byte on the wire, and once. From
/// [`Shape::expansion`].
///
/// What a vector keeps for elements to come is not counted: beyond 64 KiB it is not written to.
///
/// ```
/// use mus_format::{Decode, Expansion, Limits};
///
/// let expansion = <Vec<Option<[u64; 17]>>>::SHAPE.expansion(&Limits::new());
/// assert_eq!(expansion.per_byte, 144); // `None` takes one byte on the wire
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Expansion {
    /// For each byte of the value, in bytes.
    pub per_byte: usize,
    /// Once for each value, in bytes.
    pub fixed: usize,
}

impl Shape {
    /// Returns how much memory a decoded value takes at most, if it is decoded with these limits.
    #[must_use]
    pub fn expansion(&self, limits: &Limits) -> Expansion {
        let row = core::slice::from_ref(self);
        let mut search = Search { seen: Vec::new(), per_byte: 0, has_empty: false };
        search.look_into(row, false);
        // Elements without bytes have a bound of their own, which does not count what the allocator needs.
        let budget = if search.has_empty { limits.max_empty_elements().saturating_mul(4) } else { 0 };
        let fixed = taken_by(row, 0).saturating_add(blocks(row)).saturating_add(budget);
        Expansion { per_byte: search.per_byte.max(1), fixed }
    }
}

/// The search for the greatest ratio.
struct Search {
    /// Where it has been, as types may contain themselves.
    seen: Vec<(usize, bool)>,
    per_byte: usize,
    /// Whether there are elements that have no bytes and take memory.
    has_empty: bool,
}

impl Search {
    /// Looks at all that is announced in a row. `repeats` says whether there may be many of it.
    fn look_into(&mut self, row: &[Shape], repeats: bool) {
        for shape in row {
            match *shape.kind() {
                Kind::Fields(fields) | Kind::Tagged(_, fields) => self.look_into(fields, repeats),
                Kind::Bytes(_) if repeats => self.note(BLOCK, 1),
                Kind::Sequence { length, row, .. } if length.exact.is_some() => {
                    if self.is_new(row as usize, repeats) {
                        self.look_into(row(), repeats);
                    }
                }
                Kind::Sequence { room, row, .. } => {
                    if self.is_new(row as usize, repeats) {
                        let elements = row();
                        // Of many sequences each may have one element, and a block for it.
                        let block = if repeats { BLOCK } else { 0 };
                        let taken = taken_by(elements, 0).saturating_add(room + block);
                        let own = own_bytes(elements, 0);
                        self.note(taken, own);
                        self.has_empty |= own == 0 && taken > 0;
                        self.look_into(elements, true);
                    }
                }
                Kind::Nested { row, .. } => {
                    if self.is_new(row as usize, repeats) {
                        self.look_into(row(), repeats);
                    }
                }
                Kind::Optional(row) | Kind::Mapped { row, .. } => {
                    if self.is_new(row as usize, repeats) {
                        let content = row();
                        self.note(content_of(shape, content), own_bytes(content, 0));
                        self.look_into(content, repeats);
                    }
                }
                Kind::Union(variants) => {
                    if self.is_new(variants as usize, repeats) {
                        for (_, fields) in variants() {
                            self.note(taken_by(fields, 0), own_bytes(fields, 0));
                            self.look_into(fields, repeats);
                        }
                    }
                }
                Kind::Fixed | Kind::Bool | Kind::Varint(_) | Kind::Bytes(_) => {}
            }
        }
    }

    fn is_new(&mut self, place: usize, repeats: bool) -> bool {
        let is_new = !self.seen.contains(&(place, repeats));
        if is_new {
            self.seen.push((place, repeats));
        }
        is_new
    }

    fn note(&mut self, taken: usize, own: usize) {
        if own > 0 {
            self.per_byte = self.per_byte.max(taken.div_ceil(own));
        }
    }
}

/// The memory that belongs to a row itself: what its pointers point to, without what is announced in it. Content without
/// bytes of its own belongs to what announces it.
fn taken_by(row: &[Shape], depth: usize) -> usize {
    if depth > DEEPEST {
        return 0;
    }
    row.iter().fold(0, |sum: usize, shape| {
        sum.saturating_add(match *shape.kind() {
            Kind::Fields(fields) | Kind::Tagged(_, fields) => taken_by(fields, depth + 1),
            Kind::Nested { cost, row } => {
                BLOCK.saturating_add(cost).saturating_add(taken_by(row(), depth + 1))
            }
            Kind::Sequence { length, row, .. } => match length.exact {
                Some(count) => taken_by(row(), depth + 1).saturating_mul(count),
                None => 0,
            },
            Kind::Optional(row) | Kind::Mapped { row, .. } if own_bytes(row(), depth + 1) == 0 => {
                content_of(shape, row())
            }
            Kind::Union(variants) => {
                let empty = variants().iter().filter(|(_, fields)| own_bytes(fields, depth + 1) == 0);
                empty.map(|(_, fields)| taken_by(fields, depth + 1)).max().unwrap_or(0)
            }
            _ => 0,
        })
    })
}

/// What the content of an `Option` or of a mapped pointer takes.
fn content_of(shape: &Shape, content: Row) -> usize {
    let pointed_to = match *shape.kind() {
        Kind::Mapped { size, .. } => size + BLOCK + mapped::ENTRY,
        _ => 0,
    };
    pointed_to.saturating_add(taken_by(content, 1))
}

/// What the allocator needs for the blocks of a row, beyond the bytes that are in them.
fn blocks(row: &[Shape]) -> usize {
    row.iter().fold(0, |sum: usize, shape| {
        sum.saturating_add(match *shape.kind() {
            Kind::Fields(fields) | Kind::Tagged(_, fields) => blocks(fields),
            Kind::Bytes(_) | Kind::Sequence { .. } => BLOCK,
            _ => 0,
        })
    })
}

/// The bytes on the wire that belong to a row itself, at least.
fn own_bytes(row: &[Shape], depth: usize) -> usize {
    if depth > DEEPEST {
        return 1;
    }
    row.iter().fold(0, |sum: usize, shape| {
        sum.saturating_add(match *shape.kind() {
            Kind::Fields(fields) => own_bytes(fields, depth + 1),
            Kind::Nested { row, .. } => own_bytes(row(), depth + 1),
            Kind::Sequence { length, row, .. } => {
                let elements = length.exact.map(|count| own_bytes(row(), depth + 1).saturating_mul(count));
                shape.min_size().saturating_add(elements.unwrap_or(0))
            }
            _ => shape.min_size(),
        })
    })
}

/// What an allocator takes for a block, beyond the bytes that were asked for.
const BLOCK: usize = 32;
/// Types are not nested deeper without an announcement in between, unless somebody describes a type that has no values.
const DEEPEST: usize = 64;
