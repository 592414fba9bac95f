//! Destinations of encoded values: a buffer, or a counter that computes their size. Knows nothing of types.

mod buffer;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::any::{Any, TypeId};

use crate::error::EncodeError;
use crate::limits::Limits;
use crate::shape::empty_cost;
use crate::varint;

pub(crate) use self::buffer::Buffer;

/// The destination of encoded values.
///
/// The same code encodes a value twice: once to count its bytes, and then into a buffer that is large enough.
///
/// The encoding function returns the error of the first [`fail`](Self::fail); what is written after it is discarded.
pub trait Output: sealed::State {
    /// Writes a byte.
    fn byte(&mut self, byte: u8);

    /// Writes bytes unchanged.
    fn bytes(&mut self, bytes: &[u8]);

    /// Writes the bytes of an array unchanged. Faster than [`bytes`](Self::bytes) for numbers of fixed width.
    fn fixed<const N: usize>(&mut self, bytes: [u8; N]);

    /// Writes arrays one after the other.
    #[doc(hidden)]
    fn all_fixed<const N: usize>(&mut self, arrays: impl ExactSizeIterator<Item = [u8; N]>);

    /// Writes a varint.
    fn varint(&mut self, value: u64);

    /// Writes a zigzag varint.
    #[inline]
    fn zigzag(&mut self, value: i64) {
        self.varint(varint::zigzag(value));
    }

    /// Writes a tag.
    #[inline]
    fn tag(&mut self, tag: i64) {
        self.varint(tag.cast_unsigned());
    }

    /// Reports that the value cannot be written, and why. The first error counts.
    #[cold]
    fn fail(&mut self, error: EncodeError) {
        self.state().fail(error);
    }

    /// Writes what is one level deeper: the elements of a sequence, or the content of a pointer. At a level over the
    /// limit, nothing is written and encoding fails.
    #[inline]
    fn nest(&mut self, write: impl FnOnce(&mut Self)) {
        if self.state().enter() {
            write(self);
            self.state().leave();
        }
    }

    /// Returns the id of a pointer in this value, and whether the pointer is new. Ids begin at 0 and are shared by
    /// pointers of all types.
    ///
    /// A pointer is known again by its type and its address. A new one is cloned, and the clone is kept until the whole
    /// value is written, so that no other value can have the address meanwhile.
    fn pointer<P: Clone + 'static>(&mut self, pointer: &P, address: usize) -> (u64, bool) {
        self.state().pointer(pointer, address)
    }
}

pub(crate) mod sealed {
    use super::Encoding;

    /// Only this crate has outputs.
    #[expect(unnameable_types, reason = "only this crate implements or reads it")]
    pub trait State {
        fn state(&mut self) -> &mut Encoding;

        /// Returns how many bytes have been written, with those that were there before.
        fn written(&self) -> usize;
    }
}

/// The state of encoding one value.
#[derive(Debug)]
#[expect(unnameable_types, reason = "only this crate implements or reads it")]
pub struct Encoding {
    /// The number of levels left. Far below zero once encoding has failed.
    depth: isize,
    limits: Limits,
    rare: Option<Box<Rare>>,
}

/// State that few values need.
#[derive(Debug, Default)]
struct Rare {
    error: Option<EncodeError>,
    /// What the elements without bytes have cost so far.
    empty_elements: usize,
    /// The ids of pointers by address and type, each with a clone of the pointer: what it points to may be made for this
    /// encoding alone, and its address would be used again once it is dropped.
    pointers: BTreeMap<(usize, TypeId), (u64, Box<dyn Any>)>,
}

impl Encoding {
    #[inline]
    const fn new(limits: &Limits) -> Self {
        Self { depth: limits.max_depth().cast_signed(), limits: *limits, rare: None }
    }

    #[inline]
    fn finish(self) -> Result<(), EncodeError> {
        match self.rare {
            Some(rare) => (*rare).finish(),
            None => Ok(()),
        }
    }

    #[inline]
    fn enter(&mut self) -> bool {
        self.depth -= 1;
        self.depth >= 0 || self.too_deep()
    }

    #[inline]
    const fn leave(&mut self) {
        self.depth += 1;
    }

    #[cold]
    fn too_deep(&mut self) -> bool {
        self.depth += 1;
        self.fail(EncodeError::TooDeep(self.limits.max_depth()));
        false
    }

    #[cold]
    fn fail(&mut self, error: EncodeError) {
        self.rare().error.get_or_insert(error);
        // No level is entered any more. A value that shares its parts can be exponentially larger than its memory, and
        // would otherwise be walked to its end.
        self.depth = isize::MIN / 2;
    }

    /// Charges the budget for elements without bytes. `size` is the size of each in memory.
    #[cold]
    pub(crate) fn charge(&mut self, count: usize, size: usize) {
        let limit = self.limits.max_empty_elements();
        let elements = count.saturating_mul(empty_cost(size));
        let spent = self.rare().empty_elements.saturating_add(elements);
        self.rare().empty_elements = spent;
        if spent > limit {
            self.fail(EncodeError::TooManyEmpty { elements: elements as u64, limit });
        }
    }

    fn pointer<P: Clone + 'static>(&mut self, pointer: &P, address: usize) -> (u64, bool) {
        let pointers = &mut self.rare().pointers;
        let next = pointers.len() as u64;
        let known = pointers.entry((address, TypeId::of::<P>()));
        let (id, _) = known.or_insert_with(|| (next, Box::new(pointer.clone())));
        (*id, *id == next)
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

impl Rare {
    #[cold]
    fn finish(self) -> Result<(), EncodeError> {
        self.error.map_or(Ok(()), Err)
    }
}

/// Counts bytes.
pub(crate) struct Counter {
    size: usize,
    encoding: Encoding,
}

impl Counter {
    #[inline]
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self { size: 0, encoding: Encoding::new(limits) }
    }

    #[inline]
    pub(crate) fn finish(self) -> Result<usize, EncodeError> {
        self.encoding.finish().map(|()| self.size)
    }
}

impl sealed::State for Counter {
    #[inline]
    fn state(&mut self) -> &mut Encoding {
        &mut self.encoding
    }

    #[inline]
    fn written(&self) -> usize {
        self.size
    }
}

impl Output for Counter {
    #[inline]
    fn byte(&mut self, _: u8) {
        self.size += 1;
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.size += bytes.len();
    }

    #[inline]
    fn fixed<const N: usize>(&mut self, _: [u8; N]) {
        self.size += N;
    }

    #[inline]
    fn all_fixed<const N: usize>(&mut self, arrays: impl ExactSizeIterator<Item = [u8; N]>) {
        self.size += N * arrays.len();
    }

    #[inline]
    fn varint(&mut self, value: u64) {
        self.size += varint::len(value);
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec::Vec;

    use crate::{append, to_vec};

    #[test]
    fn a_buffer_that_a_large_string_has_filled_need_not_grow_for_what_follows() {
        let value = (String::from_iter(core::iter::repeat_n('x', 1 << 20)), 1_u64, 2.0_f64);
        let mut out = Vec::new();
        append(&value, &mut out).unwrap();
        assert!(out.capacity() < out.len() / 2 * 3, "it has doubled: {}", out.capacity());
        let exact = to_vec(&value).unwrap();
        assert_eq!((exact.capacity(), &exact), (exact.len(), &out));
    }
}
