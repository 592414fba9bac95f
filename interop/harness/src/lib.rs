//! What the interoperability tests share: the Go programs, and the Formats that both sides have. In `tests/matrix/` the two
//! sides talk to each other. `tests/mus_random/` compares how they encode and decode values in MUS. In
//! `tests/restarts/` either end is killed. `tests/traced.rs` follows a trace from one to the other.
//!
//! ```text
//! cargo test -p interop
//! ```
//!
//! requires Go. The README of the parent folder says what the Go peer does.

mod formats;
pub mod go;
pub mod numbered;
pub mod protobuf;

pub use formats::{Call, SampleFormat};
