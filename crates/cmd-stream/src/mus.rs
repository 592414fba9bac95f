//! MUS for the types of a Protocol. Re-exports mus-format, so that a program need not depend on it.
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
//! The [MUS Format](struct@crate::Mus) sends and receives such types. `derive` needs the macro of this module, and not
//! the Format of the same name at the root of the crate. Both may be imported, `use cmd_stream::{Mus, mus::Mus};`,
//! because one is a type and the other a macro.

pub use mus_format::*;

/// Implements [`Encode`], [`Decode`] and [`Describe`] for a struct or an enum.
///
/// It takes the options of [`mus_format::Mus`](macro@mus_format::Mus), which explains them. The generated code names
/// `::cmd_stream::mus`. If this crate has another name in a program, each type needs the path of this module:
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
