//! MUS for the types of a Protocol: all of mus-format, so that a program needs no dependency of its own on it.
//!
//! ```
//! use cmd_stream::mus::Mus;
//!
//! #[derive(Mus, Debug, PartialEq)]
//! struct Add {
//!     #[mus(raw)]
//!     a: i32,
//!     b: i64,
//! }
//!
//! let bytes = cmd_stream::mus::to_vec(&Add { a: 1, b: -1 })?;
//! assert_eq!(bytes, [1, 0, 0, 0, 1]);
//! # Ok::<(), cmd_stream::mus::EncodeError>(())
//! ```
//!
//! The [MUS Format](struct@crate::Mus) sends and receives such types. `derive` needs the macro of this module, and not the
//! Format of that name at the root of the crate; both may be imported, `use cmd_stream::{Mus, mus::Mus};`, as one is a type
//! and the other a macro.

pub use mus_format::*;

/// Implements [`Encode`], [`Decode`] and [`Describe`] for a struct or an enum.
///
/// It takes the same options as [`mus_format::Mus`](macro@mus_format::Mus), where they are explained. Its code names
/// `::cmd_stream::mus`. A program that has this crate under another name says so on each type, with the path of this
/// module:
///
/// ```
/// use cmd_stream as commands; // in a manifest: `commands = { package = "cmd-stream", .. }`
/// use commands::mus::Mus;
///
/// #[derive(Mus)]
/// #[mus(crate = commands::mus)]
/// struct Greet {
///     #[mus(max_len = 100)]
///     name: String,
/// }
/// ```
#[doc(inline)]
pub use mus_format::derive::MusOfCmdStream as Mus;
