//! What the code of `#[derive(Mus)]` needs and nobody else: validation functions as types, and the
//! derive of the crate that exports this one as a module. May change at any time.

pub use crate::error::Refusal;
// `Mus` whose code names `::cmd_stream::mus`, which exports and documents it.
#[cfg(feature = "derive")]
pub use mus_format_derive::MusOfCmdStream;

use crate::encoding::Validate;
use crate::error::Fault;
use crate::reader::{Reader, Stopped};

/// A validation function that the derive found on a type or in its fields.
pub trait Checks<const NUMBER: usize> {
    /// What it checks.
    type Value;

    /// Calls it.
    fn check(value: &Self::Value) -> Result<(), Refusal>;
}

/// The validation function of `T` with this number.
#[derive(Debug)]
pub struct Check<T: ?Sized, const NUMBER: usize>(core::marker::PhantomData<T>);

impl<V, T: Checks<NUMBER, Value = V> + ?Sized, const NUMBER: usize> Validate<V> for Check<T, NUMBER> {
    #[inline]
    fn validate(value: &V) -> Result<(), Refusal> {
        T::check(value)
    }
}

/// Checks a value that has just been read.
#[inline]
pub fn check<C: Validate<T>, T>(value: &T, reader: &mut Reader<'_>) -> Result<(), Stopped> {
    C::validate(value).map_err(|refusal| reader.invalid(Fault::Validation(refusal)))
}
