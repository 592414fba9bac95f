//! What the interoperability tests (`tests/matrix/`) stand on: the Go peer, and the Formats that both sides know.
//!
//! ```text
//! cargo test -p interop
//! ```
//!
//! needs Go. See the README of the folder above for what the Go peer does.

mod formats;
pub mod go;

pub use formats::{Codes, SampleFormat};
