//! Why a Command failed.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;

use crate::error::{CallError, Chain, Error, UserError, take_message};

/// Why a Command failed.
///
/// `?` converts any [`std::error::Error`]. For errors that do not implement that trait, such as `anyhow::Error`, a
/// boxed error or a string, use `.map_err(Failed::new)`. If a boxed error is the Protocol's failure, it is sent as
/// such. An `anyhow::Error` hides its content, so downcast it first.
///
/// ```
/// use cmd_stream::Failed;
///
/// fn parse(text: &str) -> Result<i64, Failed> {
///     let number: i64 = text.parse()?;
///     if number < 0 {
///         return Err(Failed::new("negative"));
///     }
///     Ok(number)
/// }
/// # assert_eq!(parse("-1").unwrap_err().to_string(), "negative");
/// ```
pub struct Failed {
    pub(super) reason: FailedReason,
    pub(super) error: UserError,
}

/// How a Command failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum FailedReason {
    /// The Command or the Invoker returned an error.
    Error,
    /// The Command or the Invoker panicked.
    Panic,
    /// The Command returned without having sent a last Reply.
    NoLastReply,
    /// The server shed load; see [`Failed::overloaded`].
    Overloaded,
}

impl Failed {
    /// Creates a failure from a message or any error.
    pub fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { reason: FailedReason::Error, error: UserError::new(error.into()) }
    }

    /// Creates the failure of a server that sheds load, from a message or any error.
    ///
    /// A Command or an Invoker returns it to refuse work that the server has no room for now. The Protocol's failure
    /// may pass that on to the client ([`Failure::is_overloaded`](crate::Failure::is_overloaded)), which can then wait or try another server.
    ///
    /// ```
    /// use cmd_stream::Failed;
    /// use cmd_stream::protocol::FailedReason;
    ///
    /// fn admit(waiting: usize) -> Result<(), Failed> {
    ///     if waiting > 1000 { Err(Failed::overloaded("too many jobs are waiting")) } else { Ok(()) }
    /// }
    /// # assert!(admit(1000).is_ok());
    /// # assert_eq!(admit(1001).unwrap_err().reason(), FailedReason::Overloaded);
    /// ```
    pub fn overloaded(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { reason: FailedReason::Overloaded, error: UserError::new(error.into()) }
    }

    pub(crate) fn panic(payload: Box<dyn Any + Send>) -> Self {
        let message = format!("panic: {}", take_message(payload));
        Self { reason: FailedReason::Panic, ..Self::new(message) }
    }

    pub(crate) fn no_last_reply() -> Self {
        Self { reason: FailedReason::NoLastReply, ..Self::new("the command ended without a last reply") }
    }

    /// Returns how the Command failed.
    pub fn reason(&self) -> FailedReason {
        self.reason
    }

    /// Returns the error, if it is of type `T`.
    ///
    /// If this Command made a call and passed its error on with `?`, the failure inside is found too, whether in a
    /// [`CallError<T>`] or in an [`Error`](crate::Error).
    pub fn downcast_ref<T: StdError + 'static>(&self) -> Option<&T> {
        let error = &*self.error;
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        match error.downcast_ref::<CallError<T>>() {
            Some(CallError::Failed(failure)) => Some(failure),
            Some(CallError::Other(error)) => error.remote(),
            None => error.downcast_ref::<Error>()?.remote(),
        }
    }

    pub(crate) fn into_error(self) -> Box<dyn StdError + Send + Sync> {
        self.error.into_inner()
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

/// Writes the message of the error. With `{:#}`, those of its sources follow, each after a colon.
impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { Chain(&*self.error).fmt(f) } else { fmt::Display::fmt(&*self.error, f) }
    }
}

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failed").field("reason", &self.reason).field("error", &&*self.error).finish()
    }
}
