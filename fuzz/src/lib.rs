//! The checks of the fuzz targets. Each target has a module here, whose `check` takes the input and panics if an oracle
//! fails.
//!
//! The library's tests replay the committed inputs through the same functions, without a fuzzer.

pub mod bodies;
pub mod frame;
pub mod handshake;
pub mod input;
pub mod json;
pub mod memory;
pub mod mus;
pub mod protobuf;
pub mod sample;
pub mod session;
pub mod varint;
