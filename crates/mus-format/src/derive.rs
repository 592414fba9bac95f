//! Support for the code that `#[derive(Mus)]` generates, and for nothing else: validation functions as types, and the
//! derive for the crate that re-exports this one as a module. May change at any time.

pub use crate::error::Refusal;
// The `Mus` derive whose generated code names `::cmd_stream::mus`, where it is exported and documented.
#[cfg(feature = "derive")]
pub use mus_format_derive::MusOfCmdStream;

use crate::encoding::Validate;
use crate::error::Fault;
use crate::reader::{Reader, Stopped};

/// A validation function named in an attribute of a type or of one of its fields.
pub trait Checks<const NUMBER: usize> {
    /// The type it checks.
    type Value;

    /// Calls the function.
    fn check(value: &Self::Value) -> Result<(), Refusal>;
}

/// The validation function number `NUMBER` of `T`.
#[derive(Debug)]
pub struct Check<T: ?Sized, const NUMBER: usize>(core::marker::PhantomData<T>);

impl<V, T: Checks<NUMBER, Value = V> + ?Sized, const NUMBER: usize> Validate<V> for Check<T, NUMBER> {
    #[inline]
    fn validate(value: &V) -> Result<(), Refusal> {
        T::check(value)
    }
}

/// Validates a value that has just been read.
#[inline]
pub fn check<C: Validate<T>, T>(value: &T, reader: &mut Reader<'_>) -> Result<(), Stopped> {
    C::validate(value).map_err(|refusal| reader.invalid(Fault::Validation(refusal)))
}
