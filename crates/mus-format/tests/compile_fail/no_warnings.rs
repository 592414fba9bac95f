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
use std::collections::BTreeMap;
use std::marker::PhantomData;

use mus_format::Mus;

/// No fields.
#[derive(Mus, Clone, Copy, Debug)]
pub struct Unit;

/// Everything.
#[derive(Mus, Clone, Debug, PartialEq)]
#[mus(dtm = 3, validate = Self::check)]
pub struct Everything<'a, T, const N: usize> {
    /// Plain.
    pub plain: T,
    /// Raw.
    #[mus(raw)]
    pub raw: u32,
    /// Lengths.
    #[mus(len = raw, max_len = 10 + 3, elem(raw, validate = even))]
    pub list: Vec<u32>,
    /// Elements.
    #[mus(max_len = 10, key(max_len = 5, validate = short), elem(elem(varint)))]
    pub map: BTreeMap<String, [u8; N]>,
    /// Borrowed.
    #[mus(borrow, validate = short)]
    pub text: Cow<'a, str>,
    /// Not on the wire.
    #[mus(skip)]
    pub skipped: Option<u8>,
    /// Nothing.
    pub nothing: PhantomData<T>,
}

impl<T, const N: usize> Everything<'_, T, N> {
    fn check(&self) -> Result<(), &'static str> {
        if self.raw == 0 { Err("nothing") } else { Ok(()) }
    }
}

fn even(number: &u32) -> Result<(), &'static str> {
    if number % 2 == 0 { Ok(()) } else { Err("odd") }
}

fn short(text: &str) -> Result<(), &'static str> {
    if text.len() < 10 { Ok(()) } else { Err("long") }
}

/// Variants.
#[derive(Mus, Clone, Copy, Debug, PartialEq)]
pub enum Variants {
    /// Unit.
    Unit,
    /// Tuple.
    Tuple(u8, #[mus(skip)] u8),
    /// Named.
    Named {
        /// A field.
        field: u8,
    },
    /// Nothing of it is written.
    Skipped(#[mus(skip)] u8),
    /// Nothing.
    Empty {},
}

/// All integers are raw.
#[derive(Mus, Clone, Debug, PartialEq)]
#[mus(raw)]
pub struct Fixed<'a, T> {
    /// An integer.
    pub number: u64,
    /// A sequence, and text.
    #[mus(max_len = 3)]
    pub list: Vec<T>,
    /// Text.
    #[mus(max_len = 3)]
    pub text: String,
    /// Borrowed.
    pub word: &'a str,
}

/// Only one.
#[derive(Mus, Clone, Copy, Debug)]
pub enum Single {
    /// It.
    Only,
}

fn main() {}
