//! The Reply by which a Protocol reports failures, and how what a Command failed with becomes one.

use std::error::Error as StdError;

use super::failed::Failed;
use crate::error::{CallError, Error, UserError};

/// A Reply that reports a failure.
///
/// A Protocol that declares one, by `failure CalcError`, answers each failed Command with it, and the connection stays
/// open.
///
/// It can answer any Command, and is always its last Reply. The client receives it as
/// [`CallError::Failed`](crate::CallError::Failed). One-way Commands are never answered: if one fails, the server
/// counts and logs it, and the connection stays open.
///
/// `#[derive(Failure)]` implements it for a struct with one text. [`Problem`](crate::Problem) is a ready-made failure.
/// By hand:
///
/// ```
/// use cmd_stream::{Failed, Failure};
///
/// #[derive(Debug)]
/// struct CalcError {
///     message: String,
/// }
///
/// impl std::fmt::Display for CalcError {
///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
///         f.write_str(&self.message)
///     }
/// }
///
/// impl std::error::Error for CalcError {}
///
/// impl Failure for CalcError {
///     fn from_failed(failed: &Failed) -> Self {
///         // Decides what leaves the server.
///         CalcError { message: failed.to_string() }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the failure of a Protocol",
    note = "derive it: `#[derive(cmd_stream::Failure)]`, or write `impl Failure for {Self}`, which converts \
            any error"
)]
pub trait Failure: StdError + Send + Sync + Sized + 'static {
    /// Converts whatever a Command failed with. Not called if the Command failed with a value of this type, which is
    /// sent unchanged.
    fn from_failed(failed: &Failed) -> Self;

    /// Returns whether the server refused the Command because it sheds load, so that waiting or trying another server
    /// may help. The default, which `#[derive(Failure)]` keeps, is `false`. [`Problem`](crate::Problem) implements it.
    fn is_overloaded(&self) -> bool {
        false
    }
}

impl Failed {
    /// Returns the error itself if it is the Protocol's failure, or else converts it.
    #[doc(hidden)]
    pub fn into_failure<T: Failure>(self) -> T {
        let Self { reason, error } = self;
        forwarded(error.into_inner())
            .unwrap_or_else(|error| T::from_failed(&Self { reason, error: UserError::new(error) }))
    }
}

/// Returns the failure in an error: the error itself, or the failure of a forwarded call.
fn forwarded<T: Failure>(
    error: Box<dyn StdError + Send + Sync>,
) -> Result<T, Box<dyn StdError + Send + Sync>> {
    let error = match error.downcast() {
        Ok(failure) => return Ok(*failure),
        Err(error) => error,
    };
    let error = match error.downcast::<CallError<T>>().map(|error| *error) {
        Ok(CallError::Failed(failure)) => return Ok(failure),
        Ok(CallError::Other(error)) => error.into(),
        Err(error) => error,
    };
    match error.downcast::<Error>() {
        Ok(error) => error.into_remote().map_err(Into::into),
        Err(error) => Err(error),
    }
}
