//! The bytes of the wire, without I/O: what a [`Format`](crate::format::Format) is written with.
//!
//! Nothing here reads a clock, touches a socket or knows tokio, so that everything here can be fuzzed, and tested by
//! arithmetic.

// The parts that are not documented are for the library's own fuzzing and tests. They may change at any time.
#[doc(hidden)]
pub mod decode;
#[doc(hidden)]
pub mod frame;
#[doc(hidden)]
pub mod handshake;
#[doc(hidden)]
pub mod in_flight;
#[doc(hidden)]
pub mod pending;
pub mod varint;

pub use decode::{DecodeError, Decoded, Fault};
pub use frame::{Seq, Tag};
