//! Where encoded values go: a buffer, or a counter that finds out their size. Knows no types.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::any::TypeId;

use crate::error::EncodeError;
use crate::limits::Limits;
use crate::varint;

/// What values are encoded into. A value is encoded twice by the same code: into something that counts, and then into a
/// buffer that is large enough.
///
/// The first [`fail`](Self::fail) is what the encoding function returns; what is written after it goes nowhere.
pub trait Output: sealed::State {
    /// Writes a byte.
    fn byte(&mut self, byte: u8);

    /// Writes bytes as they are.
    fn bytes(&mut self, bytes: &[u8]);

    /// Writes the bytes of an array as they are: for numbers of fixed width, faster than [`bytes`](Self::bytes).
    fn fixed<const N: usize>(&mut self, bytes: [u8; N]);

    /// Writes many arrays one after the other.
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

    /// The value cannot be written, and this is why. The first reason counts.
    #[cold]
    fn fail(&mut self, error: EncodeError) {
        self.state().fail(error);
    }

    /// Writes what is one level deeper: the elements of a sequence, the content of a pointer. Where the value is
    /// deeper than the limit, nothing is written and encoding fails.
    #[inline]
    fn nest(&mut self, write: impl FnOnce(&mut Self)) {
        if self.state().enter() {
            write(self);
            self.state().leave();
        }
    }

    /// The id of a pointer in this value, and whether it is the first time that it is met. Ids begin at 0, and pointers
    /// of all types share them.
    fn pointer<T: ?Sized + 'static>(&mut self, address: usize) -> (u64, bool) {
        self.state().pointer(address, TypeId::of::<T>())
    }
}

pub(crate) mod sealed {
    use super::Encoding;

    /// Outputs are those of this crate.
    #[expect(unnameable_types, reason = "only this crate implements or reads it")]
    pub trait State {
        fn state(&mut self) -> &mut Encoding;
    }
}

/// What is remembered of one value while it is encoded.
#[derive(Debug)]
#[expect(unnameable_types, reason = "only this crate implements or reads it")]
pub struct Encoding {
    /// How many levels deeper the value may go; far below zero once encoding has failed.
    depth: isize,
    max_depth: usize,
    rare: Option<Box<Rare>>,
}

/// What few values need.
#[derive(Debug, Default)]
struct Rare {
    error: Option<EncodeError>,
    pointers: BTreeMap<(usize, TypeId), u64>,
}

impl Encoding {
    #[inline]
    const fn new(limits: &Limits) -> Self {
        let max_depth = limits.max_depth();
        Self { depth: max_depth.cast_signed(), max_depth, rare: None }
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
        self.fail(EncodeError::TooDeep(self.max_depth));
        false
    }

    #[cold]
    fn fail(&mut self, error: EncodeError) {
        self.rare().error.get_or_insert(error);
        // Nothing is entered any more: a value that shares its parts would otherwise be walked to its end.
        self.depth = isize::MIN / 2;
    }

    fn pointer(&mut self, address: usize, of: TypeId) -> (u64, bool) {
        let pointers = &mut self.rare().pointers;
        let next = pointers.len() as u64;
        let id = *pointers.entry((address, of)).or_insert(next);
        (id, id == next)
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

/// Writes at the end of a buffer.
pub(crate) struct Buffer<'a> {
    out: &'a mut Vec<u8>,
    encoding: Encoding,
}

impl<'a> Buffer<'a> {
    #[inline]
    pub(crate) const fn new(out: &'a mut Vec<u8>, limits: &Limits) -> Self {
        Self { out, encoding: Encoding::new(limits) }
    }

    #[inline]
    pub(crate) fn finish(self) -> Result<(), EncodeError> {
        self.encoding.finish()
    }
}

impl Buffer<'_> {
    /// Writes a number of any length.
    #[inline]
    fn long_varint(&mut self, value: u64) {
        let (bytes, len) = varint::bytes(value);
        if self.out.capacity() - self.out.len() >= bytes.len() {
            let end = self.out.len() + len;
            self.out.extend_from_slice(&bytes);
            self.out.truncate(end);
        } else {
            self.varint_at_the_end(value);
        }
    }

    /// Writes a number where there may be no room for more bytes than it takes.
    #[cold]
    fn varint_at_the_end(&mut self, value: u64) {
        let (bytes, len) = varint::bytes(value);
        self.out.extend_from_slice(&bytes[..len]);
    }
}

impl sealed::State for Buffer<'_> {
    #[inline]
    fn state(&mut self) -> &mut Encoding {
        &mut self.encoding
    }
}

impl Output for Buffer<'_> {
    #[inline]
    fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    #[inline]
    fn fixed<const N: usize>(&mut self, bytes: [u8; N]) {
        self.out.extend_from_slice(&bytes);
    }

    #[inline]
    fn all_fixed<const N: usize>(&mut self, arrays: impl ExactSizeIterator<Item = [u8; N]>) {
        let start = self.out.len();
        self.out.resize(start + N * arrays.len(), 0);
        for (place, array) in self.out[start..].chunks_exact_mut(N).zip(arrays) {
            place.copy_from_slice(&array);
        }
    }

    #[inline]
    fn varint(&mut self, value: u64) {
        match value {
            0..0x80 => self.out.push(value as u8),
            0x80..0x4000 => self.out.extend_from_slice(&[value as u8 | 0x80, (value >> 7) as u8]),
            _ => self.long_varint(value),
        }
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
