//! What the interoperability tests stand on: the Go programs, and the Formats that both sides know. `tests/matrix/` has
//! both sides talk to each other, `tests/mus_random/` compares what they make of values in MUS.
//!
//! ```text
//! cargo test -p interop
//! ```
//!
//! needs Go. See the README of the folder above for what the Go peer does.

mod formats;
pub mod go;
pub mod protobuf;

pub use formats::{Call, SampleFormat};
