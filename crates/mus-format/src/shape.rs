//! The layout of a type on the wire, as a constant from which the end of a value can be found without decoding it.
//! Knows nothing of values and bytes.

use core::fmt;

use crate::encoding::Length;
use crate::varint::{self, Unsigned};

/// The layout of a type on the wire. [`Progress`](crate::Progress) uses it to find the end of a value.
///
/// The derive generates it. An implementation by hand composes it from the shapes of the parts, in the order in which
/// they are decoded. Where a type can contain itself (in a sequence, a map, an `Option`, a `Box` or an enum), the parts
/// are given as a function, so that no constant depends on itself.
///
/// ```
/// use mus_format::{Decode, Encode, Output, Reader, Shape, Stopped};
///
/// struct Point {
///     x: i64,
///     y: f64,
/// }
///
/// impl Encode for Point {
///     fn encode<O: Output + ?Sized>(&self, out: &mut O) {
///         self.x.encode(out);
///         self.y.encode(out);
///     }
/// }
///
/// impl<'de> Decode<'de> for Point {
///     const SHAPE: Shape = Shape::fields(&[i64::SHAPE, f64::SHAPE]);
///
///     fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
///         Ok(Self { x: i64::decode(reader)?, y: f64::decode(reader)? })
///     }
/// }
///
/// assert_eq!(Point::SHAPE.min_size(), 9);
/// ```
#[derive(Clone, Copy)]
pub struct Shape {
    kind: Kind,
    min_size: usize,
}

/// Shapes that follow each other.
pub(crate) type Row = &'static [Shape];

/// The variants of an enum: the tag and the fields of each.
pub(crate) type Variants = &'static [(i64, Row)];

// `repr(u8)` gives it a discriminant of its own. One hidden in the niche of a field takes longer to read.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Kind {
    /// `min_size` bytes, whatever they hold.
    Fixed,
    Bool,
    /// A number of this many bits.
    Varint(u32),
    /// A length, then that many bytes.
    Bytes(LengthRule),
    /// A length, then the row that many times.
    Sequence {
        length: LengthRule,
        /// What an element costs of the budget if it has no bytes.
        cost: usize,
        /// The memory that an element takes.
        room: usize,
        row: fn() -> Row,
    },
    /// A flag, then the row if there is a value.
    Optional(fn() -> Row),
    /// A flag, an id, then the row if the id is new.
    Mapped {
        nullable: bool,
        /// The size of the value in memory.
        size: usize,
        row: fn() -> Row,
    },
    /// The row, one level deeper.
    Nested {
        /// What it costs of the budget if it has no bytes.
        cost: usize,
        row: fn() -> Row,
    },
    Fields(Row),
    /// A constant tag, then the fields.
    Tagged(i64, Row),
    Union(fn() -> Variants),
}

/// How a length is written, and which lengths are allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LengthRule {
    pub(crate) encoding: LengthEncoding,
    pub(crate) max: usize,
    /// The only length allowed, for an array.
    pub(crate) exact: Option<usize>,
}

/// How a length is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(unnameable_types, reason = "only this crate implements or reads it")]
pub enum LengthEncoding {
    /// As a varint of its bits.
    Positive,
    /// As a zigzag varint.
    Varint,
    /// In eight bytes.
    Raw,
}

impl LengthEncoding {
    /// Returns its name in a description. The default has none.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Positive => None,
            Self::Varint => Some("zigzag"),
            Self::Raw => Some("raw"),
        }
    }

    const fn min_size(self) -> usize {
        match self {
            Self::Raw => 8,
            Self::Positive | Self::Varint => 1,
        }
    }
}

impl Shape {
    /// `size` bytes, whatever they hold.
    pub const fn fixed(size: usize) -> Self {
        Self { kind: Kind::Fixed, min_size: size }
    }

    /// A byte that is 0 or 1.
    pub const fn boolean() -> Self {
        Self { kind: Kind::Bool, min_size: 1 }
    }

    /// A varint of the width of `U`.
    pub const fn varint<U: Unsigned>() -> Self {
        Self { kind: Kind::Varint(U::BITS), min_size: 1 }
    }

    /// A length of at most `max`, then that many bytes.
    pub const fn bytes<L: Length>(max: usize) -> Self {
        let length = LengthRule { encoding: L::ENCODING, max, exact: None };
        Self { kind: Kind::Bytes(length), min_size: L::ENCODING.min_size() }
    }

    /// A length of at most `max`, then that many elements. `row` is the layout of one element (in a map: key and
    /// value), `size` its size in memory.
    pub const fn sequence<L: Length>(max: usize, size: usize, row: fn() -> &'static [Self]) -> Self {
        let length = LengthRule { encoding: L::ENCODING, max, exact: None };
        Self::elements(length, size, row)
    }

    /// The length of an array, which is at most `max`, then its elements, as in [`Shape::sequence`].
    pub const fn array<L: Length>(
        max: usize,
        length: usize,
        size: usize,
        row: fn() -> &'static [Self],
    ) -> Self {
        let length = LengthRule { encoding: L::ENCODING, max, exact: Some(length) };
        Self::elements(length, size, row)
    }

    const fn elements(length: LengthRule, size: usize, row: fn() -> Row) -> Self {
        let kind = Kind::Sequence { length, cost: empty_cost(size), room: size, row };
        Self { kind, min_size: length.encoding.min_size() }
    }

    /// The same sequence, collected in a table or a tree, which has room for more elements than are in it.
    pub(crate) const fn in_table(self) -> Self {
        match self.kind {
            // A hash table has up to 16/7 slots per element, and a byte more per slot. A tree has less.
            Kind::Sequence { length, cost, room, row } => {
                let kind = Kind::Sequence { length, cost, room: 3 * (room + 1), row };
                Self { kind, ..self }
            }
            _ => self,
        }
    }

    /// An `Option`: a flag, then the row if there is a value, one level deeper.
    pub const fn optional(row: fn() -> &'static [Self]) -> Self {
        Self { kind: Kind::Optional(row), min_size: 1 }
    }

    /// A mapped pointer: a flag, an id, then the row if the id is new, one level deeper. If `nullable`, the flag may
    /// say that there is no pointer.
    pub const fn mapped(nullable: bool, row: fn() -> &'static [Self]) -> Self {
        Self { kind: Kind::Mapped { nullable, size: 0, row }, min_size: if nullable { 1 } else { 2 } }
    }

    /// The same mapped pointer, to a value of this size in memory.
    pub(crate) const fn to_size(self, size: usize) -> Self {
        match self.kind {
            Kind::Mapped { nullable, row, .. } => Self { kind: Kind::Mapped { nullable, size, row }, ..self },
            _ => self,
        }
    }

    /// A `Box`: the row, one level deeper. `min_size` is the least that the row takes on the wire, `size` its size in
    /// memory.
    pub const fn nested(min_size: usize, size: usize, row: fn() -> &'static [Self]) -> Self {
        Self { kind: Kind::Nested { cost: empty_cost(size), row }, min_size }
    }

    /// Fields, one after the other.
    pub const fn fields(fields: &'static [Self]) -> Self {
        let min_size = min_size(fields);
        let kind = if is_fixed(fields) { Kind::Fixed } else { Kind::Fields(fields) };
        Self { kind, min_size }
    }

    /// A constant tag, then fields.
    pub const fn tagged(tag: i64, fields: &'static [Self]) -> Self {
        let size = varint::len(tag.cast_unsigned());
        Self { kind: Kind::Tagged(tag, fields), min_size: size.saturating_add(min_size(fields)) }
    }

    /// An enum: a tag, then the fields of the variant with that tag.
    pub const fn union(variants: fn() -> &'static [(i64, &'static [Self])]) -> Self {
        Self { kind: Kind::Union(variants), min_size: 1 }
    }

    /// Returns the least number of bytes that a value takes. It is 0 only if every value takes none.
    pub const fn min_size(&self) -> usize {
        self.min_size
    }

    /// Returns whether all values have the same size, and no byte of it needs to be checked.
    pub(crate) const fn is_fixed(&self) -> bool {
        matches!(self.kind, Kind::Fixed)
    }

    pub(crate) const fn kind(&self) -> &Kind {
        &self.kind
    }
}

/// Returns the least number of bytes that the shapes take in sequence.
pub(crate) const fn min_size(mut row: &[Shape]) -> usize {
    let mut sum: usize = 0;
    while let [first, rest @ ..] = row {
        sum = sum.saturating_add(first.min_size);
        row = rest;
    }
    sum
}

pub(crate) const fn is_fixed(mut row: &[Shape]) -> bool {
    while let [first, rest @ ..] = row {
        if !first.is_fixed() {
            return false;
        }
        row = rest;
    }
    true
}

/// What is inside a row without bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Empty {
    /// What it costs of the budget for elements without bytes.
    pub(crate) cost: usize,
    /// How many levels it has.
    pub(crate) levels: usize,
}

/// Returns what is inside a row without bytes: pointers to what has none either.
pub(crate) fn inside_empty(row: Row) -> Empty {
    row.iter().fold(Empty::default(), |sum, shape| {
        let of = match *shape.kind() {
            Kind::Fields(fields) => inside_empty(fields),
            Kind::Nested { cost, row } => {
                let inner = inside_empty(row());
                Empty { cost: inner.cost.saturating_add(cost), levels: inner.levels + 1 }
            }
            _ => Empty::default(),
        };
        Empty { cost: sum.cost.saturating_add(of.cost), levels: sum.levels.max(of.levels) }
    })
}

/// Returns what an element without bytes costs of the budget, by its size in memory.
pub(crate) const fn empty_cost(size: usize) -> usize {
    if size == 0 { 1 } else { size }
}

impl fmt::Debug for Shape {
    /// Shows one level, because a type may contain itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            Kind::Fixed => "Fixed",
            Kind::Bool => "Bool",
            Kind::Varint(_) => "Varint",
            Kind::Bytes(_) => "Bytes",
            Kind::Sequence { .. } => "Sequence",
            Kind::Optional(_) => "Optional",
            Kind::Mapped { .. } => "Mapped",
            Kind::Nested { .. } => "Nested",
            Kind::Fields(_) => "Fields",
            Kind::Tagged(..) => "Tagged",
            Kind::Union(_) => "Union",
        };
        f.debug_struct(name).field("min_size", &self.min_size).finish_non_exhaustive()
    }
}
