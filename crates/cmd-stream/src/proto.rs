//! The protocol without I/O: bytes and instants come in as arguments, values and decisions go out.
//!
//! Nothing here reads a clock, touches a socket or knows tokio, so that everything here can be fuzzed, and tested by
//! arithmetic. It imports nothing of ours.

pub mod decode;
pub mod frame;
pub mod handshake;
pub mod in_flight;
pub mod pending;
pub mod varint;

pub use decode::{DecodeError, Decoded, Fault};
