//! What a Command that did not succeed failed with.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;

use crate::error::panic_message;
use crate::protocol::Failure;

/// Why a Command failed. `?` makes it of any error.
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
    /// use cmd_stream::server::FailedReason;
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

    /// The error, if it is of type `T`.
    pub fn downcast_ref<T: StdError + 'static>(&self) -> Option<&T> {
        self.error.downcast_ref()
    }

    pub(crate) fn into_error(self) -> Box<dyn StdError + Send + Sync> {
        self.error
    }

    /// The Protocol's failure: the error itself if it is one, else one made of it.
    #[doc(hidden)]
    pub fn into_failure<T: Failure>(self) -> T {
        match self.error.downcast() {
            Ok(failure) => *failure,
            Err(error) => T::from_failed(&Self { error, ..self }),
        }
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failed").field("reason", &self.reason).field("error", &self.error).finish()
    }
}
