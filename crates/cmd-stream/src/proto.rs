//! The wire protocol without I/O, for implementing a [`Format`](crate::format::Format).
//!
//! Nothing here reads a clock, uses a socket or knows tokio, so that everything can be fuzzed, and tested without
//! waiting.

// Parts without documentation are for the library's own fuzzing and tests, and may change at any time.
pub(crate) mod backoff;
pub(crate) mod budget;
pub(crate) mod circuit;
pub(crate) mod codel;
#[doc(hidden)]
pub mod decode;
pub(crate) mod foreign;
#[doc(hidden)]
pub mod frame;
#[doc(hidden)]
pub mod handshake;
#[doc(hidden)]
pub mod in_flight;
pub(crate) mod liveness;
pub(crate) mod minima;
pub(crate) mod never;
#[doc(hidden)]
pub mod pending;
pub(crate) mod quantile;
pub(crate) mod rate;
pub(crate) mod steps;
pub mod varint;

mod tag;

pub use decode::{DecodeError, Decoded, Fault};
pub use frame::Seq;
pub use tag::Tag;
