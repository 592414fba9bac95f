//! The output that appends to a vector. Knows nothing of types.

use alloc::vec::Vec;

use super::{Encoding, Output, sealed};
use crate::error::EncodeError;
use crate::limits::Limits;
use crate::varint;

/// Appends to a vector.
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

// What is rare is out of line, and is the last call where it is made, so that nothing is saved for it.
impl Buffer<'_> {
    /// Returns for how many bytes there is room.
    #[inline]
    const fn room(&self) -> usize {
        self.out.capacity() - self.out.len()
    }

    /// Writes a number of three bytes or more.
    #[inline(never)]
    fn long_varint(&mut self, value: u64) {
        if self.room() < varint::ROOM {
            return self.varint_at_the_end(value);
        }
        let start = self.out.len();
        let len = if value < 1 << 28 {
            let (bytes, len) = varint::bytes_of_28_bits(value as u32);
            self.out.extend_from_slice(&bytes);
            len
        } else {
            let (bytes, len) = varint::bytes(value);
            self.out.extend_from_slice(&bytes);
            len
        };
        self.out.truncate(start + len);
    }

    /// Writes a number where the vector may have room for no more bytes than it takes.
    #[cold]
    #[inline(never)]
    fn varint_at_the_end(&mut self, value: u64) {
        let (bytes, len) = varint::bytes(value);
        self.out.extend_from_slice(&bytes[..len]);
    }

    /// Writes bytes for which there is no room.
    #[cold]
    #[inline(never)]
    fn bytes_at_the_end(&mut self, bytes: &[u8]) {
        if bytes.len() >= LARGE {
            // It would have room for them exactly, and be copied as soon as anything follows.
            self.out.reserve(bytes.len() + bytes.len() / 8);
        }
        self.out.extend_from_slice(bytes);
    }
}

/// A string or a piece of bytes that is worth a copy less.
const LARGE: usize = 16 << 10;

impl sealed::State for Buffer<'_> {
    #[inline]
    fn state(&mut self) -> &mut Encoding {
        &mut self.encoding
    }

    #[inline]
    fn written(&self) -> usize {
        self.out.len()
    }
}

impl Output for Buffer<'_> {
    #[inline]
    fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        if bytes.len() <= self.room() {
            self.out.extend_from_slice(bytes);
        } else {
            self.bytes_at_the_end(bytes);
        }
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

    #[inline(always)]
    fn varint(&mut self, value: u64) {
        match value {
            0..0x80 => self.out.push(value as u8),
            0x80..0x4000 => self.out.extend_from_slice(&[value as u8 | 0x80, (value >> 7) as u8]),
            _ => self.long_varint(value),
        }
    }
}
