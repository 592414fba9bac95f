//! Limits on what decoding and encoding a value may cost beyond its bytes.

/// Limits on what the size of a value in bytes does not bound.
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
    /// The default limit of nesting.
    pub const DEPTH: usize = 128;
    /// The default limit of elements without bytes.
    pub const EMPTY_ELEMENTS: usize = 4 << 20;

    /// Creates the default limits.
    pub const fn new() -> Self {
        Self { depth: Self::DEPTH, empty_elements: Self::EMPTY_ELEMENTS }
    }

    /// Sets how deep a value may be nested.
    ///
    /// Each sequence, set and map counts as a level, and so does the content of each `Option`, `Box`, `Rc` and `Arc`.
    /// Bounds the stack that decoding needs. Default: 128. A deeper value fails with
    /// [`Fault::TooDeep`](crate::Fault::TooDeep).
    #[must_use]
    pub const fn depth(self, depth: usize) -> Self {
        Self { depth, ..self }
    }

    /// Sets how many elements without bytes (`()`, structs without fields) a value may have in total.
    ///
    /// Each counts as its size in memory, and at least 1. Bounds the work and the memory that a few bytes can demand.
    /// Default: 4 Mi. More fail with [`Fault::TooManyEmpty`](crate::Fault::TooManyEmpty), and in encoding with
    /// [`EncodeError::TooManyEmpty`](crate::EncodeError::TooManyEmpty).
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
