// compiles
//! The code of the derive gives no warnings, whatever the program asks to be warned of.

#![forbid(unsafe_code, warnings, unused, future_incompatible, nonstandard_style, rust_2018_idioms)]
#![forbid(missing_docs, missing_debug_implementations, missing_copy_implementations)]
#![forbid(unreachable_pub, unused_qualifications, unused_results, unused_lifetimes, single_use_lifetimes)]
#![forbid(trivial_casts, trivial_numeric_casts, elided_lifetimes_in_paths, explicit_outlives_requirements)]
#![forbid(let_underscore_drop, redundant_lifetimes, redundant_imports, unit_bindings, unnameable_types)]
#![forbid(
    variant_size_differences,
    meta_variable_misuse,
    macro_use_extern_crate,
    absolute_paths_not_starting_with_crate
)]

use std::borrow::Cow;

use cmd_stream::{Failure, Problem};

/// Named fields.
#[derive(Clone, Debug, PartialEq, Failure)]
pub struct Named {
    /// The text.
    pub message: String,
    /// Another field.
    pub code: u32,
}

/// A tuple.
#[derive(Clone, Debug, PartialEq, Failure)]
pub struct Tuple(Cow<'static, str>);

/// Parameters.
#[derive(Clone, Debug, PartialEq, Failure)]
pub struct Generic<T: Clone, const N: usize>
where
    T: PartialEq,
{
    #[failure(message)]
    text: String,
    more: Hidden<T>,
    numbers: [T; N],
    concrete: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Hidden<T>(T);

/// A part that warns.
#[derive(Debug, Failure)]
pub struct Old {
    /// The text.
    #[deprecated]
    pub message: String,
    /// Another field.
    #[deprecated]
    pub code: u32,
}

fn main() {
    fn function() -> impl Failure {
        /// In a function.
        #[derive(Debug, Failure)]
        struct Local(String);

        Local(String::new())
    }
    drop((function(), Problem::default()));
}
