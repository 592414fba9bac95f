//! Numbers that are random enough, and the same in every process and every language. Knows no types of values.

/// Marsaglia's xorshift with 64 bits of state: three lines in any language.
#[derive(Clone, Debug)]
pub struct XorShift(u64);

impl XorShift {
    /// The generator at the start of every workload.
    pub const fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number less than `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }

    /// A text of this many lower-case letters.
    pub fn letters(&mut self, count: u64) -> String {
        (0..count).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }

    /// The fields of the struct that the participants echo: a bool, a number, a string of 0 to 1000 bytes, a float.
    // The order of the draws is part of the workload.
    pub fn echo(&mut self) -> (bool, i64, String, f64) {
        let bool = self.draw() & 1 == 1;
        let int64 = self.draw().cast_signed();
        let length = self.below(1001);
        let string = self.letters(length);
        let float64 = (self.draw() >> 11) as f64 / 1024.0;
        (bool, int64, string, float64)
    }
}

impl Default for XorShift {
    fn default() -> Self {
        Self::new()
    }
}
