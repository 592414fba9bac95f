//! What a Command that did not succeed failed with.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;

use super::Failure;
use crate::error::{CallError, Chain, Error, panic_message};

/// Why a Command failed. `?` makes it of any [`std::error::Error`]. Errors that are none, such as `anyhow::Error`, a boxed
/// error or a text, become one by `.map_err(Failed::new)`. In a boxed error the Protocol's failure is found and sent as it
/// is; in an `anyhow::Error` it is not, so downcast that first.
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
    reason: FailedReason,
    error: Box<dyn StdError + Send + Sync>,
}

/// In which way a Command failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum FailedReason {
    /// It, or the Invoker, returned an error.
    Error,
    /// It, or the Invoker, panicked.
    Panic,
    /// It returned without having sent a last Reply.
    NoLastReply,
    /// The server shed load; see [`Failed::overloaded`].
    Overloaded,
}

impl Failed {
    /// A failure with a message, or any error.
    pub fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { reason: FailedReason::Error, error: error.into() }
    }

    /// A failure of a server that sheds load, with a message or any error.
    ///
    /// A Command or an Invoker returns it if it refuses work that the server has no room for now. The Protocol's failure
    /// may tell the client so ([`Failure::is_overloaded`]), which can then wait or try another server.
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
        Self { reason: FailedReason::Overloaded, error: error.into() }
    }

    pub(crate) fn panic(payload: &(dyn Any + Send)) -> Self {
        Self { reason: FailedReason::Panic, error: format!("panic: {}", panic_message(payload)).into() }
    }

    pub(crate) fn no_last_reply() -> Self {
        Self { reason: FailedReason::NoLastReply, error: "the command ended without a last reply".into() }
    }

    /// In which way it failed.
    pub fn reason(&self) -> FailedReason {
        self.reason
    }

    /// The error, if it is of type `T`. The failure of a call that was made for this Command and forwarded with `?` is
    /// found, too: inside a [`CallError<T>`] and inside an [`Error`](crate::Error).
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
        self.error
    }

    /// The Protocol's failure: the error itself if it is one, else one made of it.
    #[doc(hidden)]
    pub fn into_failure<T: Failure>(self) -> T {
        let Self { reason, error } = self;
        forwarded(error).unwrap_or_else(|error| T::from_failed(&Self { reason, error }))
    }
}

/// The failure in an error: the error itself, or what a forwarded call failed with.
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

impl<E: StdError + Send + Sync + 'static> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

/// The text of the error. With `{:#}` the texts of its sources follow, each after a colon.
impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { Chain(&*self.error).fmt(f) } else { self.error.fmt(f) }
    }
}

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failed").field("reason", &self.reason).field("error", &self.error).finish()
    }
}
