#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod encoding;
pub mod varint;

mod decode;
#[doc(hidden)]
pub mod derive;
mod describe;
mod encode;
mod error;
mod expansion;
mod limits;
mod output;
mod progress;
mod reader;
mod shape;
mod tuples;

pub use self::decode::{Decode, DecodeOwned, Decoded, decode, decode_with, from_slice};
pub use self::describe::{Describe, Description, Part, description};
pub use self::encode::{Encode, append, append_with, encode, size, to_vec};
pub use self::error::{EncodeError, Error, Fault, Refusal};
pub use self::expansion::Expansion;
pub use self::limits::Limits;
pub use self::output::Output;
pub use self::progress::Progress;
pub use self::reader::{Reader, Stopped};
pub use self::shape::Shape;
#[cfg(feature = "derive")]
pub use mus_format_derive::Mus;
