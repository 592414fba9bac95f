//! Reads the fuzzer's input: a few bytes of settings, then the bytes of the wire or a script that makes them.

/// The input that is left. Past its end, it yields zeros.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// Creates an input from all of the data.
    pub fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// Returns whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the next byte.
    pub fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    /// Takes the next bytes: as many as are left, and at most `count`.
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Takes the next eight bytes as a number.
    pub fn number(&mut self) -> u64 {
        let mut number = [0; 8];
        let bytes = self.bytes(8);
        number[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(number)
    }

    /// Takes a byte and chooses by it.
    pub fn choice<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::from(self.byte()) % of.len()]
    }

    /// Takes the rest.
    pub fn rest(&mut self) -> &'a [u8] {
        self.bytes(usize::MAX)
    }
}

/// How bytes are cut into pieces, as two bytes of the input.
#[derive(Clone, Copy, Debug)]
pub struct Cuts {
    seed: u8,
    longest: u8,
}

/// A piece of the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Its end, where the next one begins.
    pub end: usize,
    /// A random bit, for decisions.
    pub coin: bool,
}

impl Piece {
    /// Creates one piece of `len` bytes.
    pub fn whole(len: usize) -> Self {
        Self { end: len, coin: false }
    }
}

impl Cuts {
    /// Reads the next two bytes of the input.
    pub fn read(input: &mut Input<'_>) -> Self {
        Self { seed: input.byte(), longest: input.byte() }
    }

    /// Cuts `len` bytes into at least one piece: the whole if the seed is 0, single bytes if `longest` is 0, or else
    /// any.
    pub fn pieces(self, len: usize) -> Vec<Piece> {
        if self.seed == 0 || len == 0 {
            return vec![Piece::whole(len)];
        }
        let mut state = u64::from(self.seed);
        let mut pieces = Vec::new();
        let mut end = 0;
        // A long input is cut into longer pieces, so that there are never too many.
        let scale = 1 + len as u64 / 4096;
        while end < len {
            // A linear congruential generator, after Knuth.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let step = scale * (1 + (state >> 40) % (1 + u64::from(self.longest)));
            end = len.min(end + step as usize);
            pieces.push(Piece { end, coin: state >> 63 == 1 });
        }
        pieces
    }
}
