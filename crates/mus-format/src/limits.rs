//! What a value may cost to decode beyond its own bytes.

/// Bounds on a value that is being decoded or encoded, for what its size in bytes does not bound.
///
/// ```
/// use mus_format::{Decoded, Fault, Limits, decode_with};
///
/// let limits = Limits::new().depth(1);
/// assert!(matches!(decode_with::<Vec<u8>>(&[1, 7], &limits), Decoded::Value(_, 2)));
/// assert!(matches!(
///     decode_with::<Vec<Vec<u8>>>(&[1, 1, 7], &limits),
///     Decoded::Invalid(error) if matches!(error.fault, Fault::TooDeep(1))
/// ));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    depth: usize,
    empty_elements: usize,
}

impl Limits {
    /// How deep a value may be nested, unless it is set.
    pub const DEPTH: usize = 128;
    /// How many elements without bytes a value may have, unless it is set.
    pub const EMPTY_ELEMENTS: usize = 4 << 20;

    /// The defaults.
    pub const fn new() -> Self {
        Self { depth: Self::DEPTH, empty_elements: Self::EMPTY_ELEMENTS }
    }

    /// How deep a value may be nested: sequences, sets, maps, and the contents of `Option`, `Box`, `Rc` and `Arc` in
    /// each other. Bounds the stack that decoding needs. Default: 128. A deeper value is refused with
    /// [`Fault::TooDeep`](crate::Fault::TooDeep).
    #[must_use]
    pub const fn depth(self, depth: usize) -> Self {
        Self { depth, ..self }
    }

    /// How many elements without bytes (`()`, structs without fields) a value may have in all; each counts as many
    /// times as it takes bytes of memory, and at least once. Bounds the work and the memory that no bytes have paid
    /// for. Default: 4 Mi. More are refused with [`Fault::TooManyEmpty`](crate::Fault::TooManyEmpty).
    #[must_use]
    pub const fn empty_elements(self, elements: usize) -> Self {
        Self { empty_elements: elements, ..self }
    }

    pub(crate) const fn max_depth(&self) -> usize {
        self.depth
    }

    pub(crate) const fn max_empty_elements(&self) -> usize {
        self.empty_elements
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
