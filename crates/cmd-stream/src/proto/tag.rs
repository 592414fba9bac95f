//! The numbers of the types of a Protocol. How they look on the wire is up to the Format; `frame.rs` has the usual way.

use std::fmt;

/// The number that identifies a type of a Protocol on the wire. (The Go library calls it DTM.) Commands and Replies are
/// numbered separately.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(i64);

impl Tag {
    /// Creates the tag with this number.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
