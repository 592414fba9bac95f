//! What a type looks like on the wire, as a constant: enough to find a value's end without decoding it. Knows no
//! values and no bytes.

use core::fmt;

use crate::encoding::Length;
use crate::varint::{self, Unsigned};

/// What a type looks like on the wire. [`Progress`](crate::Progress) finds the end of a value by it.
///
/// The derive makes it; in an implementation by hand it is put together from that of the parts, in the order in which
/// they are decoded. Where a type can contain itself (behind a sequence, a map, an `Option`, a `Box`, or in an enum),
/// the part is given as a function, so that no constant needs itself.
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

/// The variants of a union: the tag of each and its fields.
pub(crate) type Variants = &'static [(i64, Row)];

// A tag of its own is found sooner than one that hides in a field.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Kind {
    /// So many bytes as `min_size` says.
    Fixed,
    Bool,
    /// A number of so many bits.
    Varint(u32),
    /// A length, and so many bytes.
    Bytes(LengthRule),
    /// A length, and so many times the row.
    Sequence {
        length: LengthRule,
        /// What one element costs of the budget if it has no bytes.
        cost: usize,
        row: fn() -> Row,
    },
    /// A flag, and perhaps the row.
    Optional(fn() -> Row),
    /// A flag, an id, and the row if the id is new.
    Mapped {
        nullable: bool,
        row: fn() -> Row,
    },
    /// The row, one level deeper.
    Nested {
        /// What it costs of the budget if it has no bytes.
        cost: usize,
        row: fn() -> Row,
    },
    Fields(Row),
    /// A tag that must be this one, and the fields.
    Tagged(i64, Row),
    Union(fn() -> Variants),
}

/// How a length is written, and which are allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LengthRule {
    pub(crate) encoding: LengthEncoding,
    pub(crate) max: usize,
    /// The only one that is allowed, of an array.
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
    /// How a description names it; the usual one is not named.
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
    /// So many bytes, whatever they hold.
    pub const fn fixed(size: usize) -> Self {
        Self { kind: Kind::Fixed, min_size: size }
    }

    /// A byte that is 0 or 1.
    pub const fn boolean() -> Self {
        Self { kind: Kind::Bool, min_size: 1 }
    }

    /// A varint of a type's width.
    pub const fn varint<U: Unsigned>() -> Self {
        Self { kind: Kind::Varint(U::BITS), min_size: 1 }
    }

    /// A length, at most `max`, and so many bytes.
    pub const fn bytes<L: Length>(max: usize) -> Self {
        let length = LengthRule { encoding: L::ENCODING, max, exact: None };
        Self { kind: Kind::Bytes(length), min_size: L::ENCODING.min_size() }
    }

    /// A length, at most `max`, and so many elements. The row is what makes up one element (of a map: key and value),
    /// `size` its size in memory.
    pub const fn sequence<L: Length>(max: usize, size: usize, row: fn() -> &'static [Self]) -> Self {
        let length = LengthRule { encoding: L::ENCODING, max, exact: None };
        Self::elements(length, size, row)
    }

    /// The length of an array, which is at most `max`, and its elements, as in [`Shape::sequence`].
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
        let kind = Kind::Sequence { length, cost: empty_cost(size), row };
        Self { kind, min_size: length.encoding.min_size() }
    }

    /// What an `Option` is: a flag, and behind it perhaps what the row says, one level deeper.
    pub const fn optional(row: fn() -> &'static [Self]) -> Self {
        Self { kind: Kind::Optional(row), min_size: 1 }
    }

    /// What a mapped pointer is: a flag, an id, and behind a new id what the row says, one level deeper. `nullable`:
    /// whether the flag may say that there is none.
    pub const fn mapped(nullable: bool, row: fn() -> &'static [Self]) -> Self {
        Self { kind: Kind::Mapped { nullable, row }, min_size: if nullable { 1 } else { 2 } }
    }

    /// What a `Box` is: what the row says, one level deeper. `min_size` is the least that the row takes, and `size` its
    /// size in memory.
    pub const fn nested(min_size: usize, size: usize, row: fn() -> &'static [Self]) -> Self {
        Self { kind: Kind::Nested { cost: empty_cost(size), row }, min_size }
    }

    /// Fields, one after the other.
    pub const fn fields(fields: &'static [Self]) -> Self {
        let min_size = min_size(fields);
        let kind = if is_fixed(fields) { Kind::Fixed } else { Kind::Fields(fields) };
        Self { kind, min_size }
    }

    /// A tag that is always the same, and fields.
    pub const fn tagged(tag: i64, fields: &'static [Self]) -> Self {
        let size = varint::len(tag.cast_unsigned());
        Self { kind: Kind::Tagged(tag, fields), min_size: size.saturating_add(min_size(fields)) }
    }

    /// A tag, and the fields of the variant that it stands for.
    pub const fn union(variants: fn() -> &'static [(i64, &'static [Self])]) -> Self {
        Self { kind: Kind::Union(variants), min_size: 1 }
    }

    /// The least number of bytes that a value takes. It is 0 only if every value takes none.
    pub const fn min_size(&self) -> usize {
        self.min_size
    }

    /// Whether all values take the same number of bytes, whatever these hold.
    pub(crate) const fn is_fixed(&self) -> bool {
        matches!(self.kind, Kind::Fixed)
    }

    pub(crate) const fn kind(&self) -> &Kind {
        &self.kind
    }
}

/// The least that the shapes take one after the other.
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

/// What an element of this size in memory costs of the budget if it has no bytes.
pub(crate) const fn empty_cost(size: usize) -> usize {
    if size == 0 { 1 } else { size }
}

impl fmt::Debug for Shape {
    /// One level of it: a type may contain itself.
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
