//! The Reply by which a Protocol reports failures.

use std::error::Error as StdError;

use super::Failed;

/// A Reply that reports a failure.
///
/// A Protocol that declares one, by `failure CalcError`, answers each failed Command with it, and the connection stays
/// open.
///
/// It is always a last Reply, and may answer every Command. The client receives it as
/// [`CallError::Failed`](crate::CallError::Failed).
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
