//! The Reply by which a Protocol reports failures.

use std::error::Error as StdError;

use super::Failed;

/// A Reply that reports a failure. A Protocol that declares one, by `failure CalcError`, answers each Command that fails
/// with it, and the connection goes on.
///
/// It is always a last Reply, and every Command may be answered with it. The client gets it typed, as
/// [`CallError::Failed`](crate::CallError::Failed).
///
/// `#[derive(Failure)]` implements it for a struct with one text. [`Problem`](crate::Problem) is ready-made. By hand:
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
///         // What leaves the server is decided here.
///         CalcError { message: failed.to_string() }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the failure of a Protocol",
    note = "derive it: `#[derive(cmd_stream::Failure)]`, or write `impl Failure for {Self}`, which says how it is made of \
            any error"
)]
pub trait Failure: StdError + Send + Sync + Sized + 'static {
    /// Makes it of whatever a Command failed with. It is not asked if the Command failed with a value of this very
    /// type: that one is sent.
    fn from_failed(failed: &Failed) -> Self;

    /// Whether the server refused the Command because it sheds load, so that waiting, or trying another server, may
    /// help. A type that cannot tell keeps this default: false. So does `#[derive(Failure)]`;
    /// [`Problem`](crate::Problem) tells.
    fn is_overloaded(&self) -> bool {
        false
    }
}
