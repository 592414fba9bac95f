//! The errors of the library. [`Error`]: what happened, whose doing it was, and whether the Command had been sent.
//! [`CallError`]: the same, or the failure that the server answered with.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::proto::decode::{DecodeError, Fault};

/// Why a call, a connection or a server failed.
///
/// Cheap to clone, as one lost connection fails all calls that were waiting on it.
///
/// Its text says what happened, and its [`source`](StdError::source) why. `{error:#}` prints both, and all sources
/// below: "cannot connect to 127.0.0.1:9000: Connection refused (os error 111)".
///
/// ```
/// use cmd_stream::{Error, ErrorKind};
///
/// fn is_worth_another_try(error: &Error) -> bool {
///     matches!(error.kind(), ErrorKind::Closed | ErrorKind::Io) && !error.was_sent()
/// }
/// ```
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
    was_sent: bool,
}

struct Inner {
    kind: ErrorKind,
    origin: Origin,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The connection was closed in good order, by either side, and with it the call.
    Closed,
    /// The peer's bytes do not decode.
    Decode,
    /// A value cannot be encoded; the connection goes on.
    Encode,
    /// A Command failed on the server, and its Protocol declares no failure to answer with. The reason of the lost
    /// connection on the server's side; the client sees [`ErrorKind::Closed`].
    Execution,
    /// The operating system reports an error.
    Io,
    /// A limit was reached, of [`server::Limits`](crate::server::Limits) or [`client::Limits`](crate::client::Limits);
    /// the message names it.
    Limit,
    /// The user's code panicked.
    Panic,
    /// The peer broke the protocol: a seq used twice, a Reply of a type that its Command does not declare.
    Protocol,
    /// The server answered with the Protocol's failure: a [`CallError::Failed`] that was turned into an `Error`. See
    /// [`Error::remote`].
    Remote,
    /// The server greeted with another ServerInfo than the client expects.
    ServerInfoMismatch,
    /// Something did not happen in time.
    Timeout,
    /// The connection ended in the middle of a frame.
    UnexpectedEof,
    /// A tag that the Protocol does not declare.
    UnknownTag,
}

/// Whose doing an error is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Origin {
    /// This side: the application, or the library on its behalf.
    Local,
    /// The peer.
    Remote,
    /// The network or the operating system.
    System,
}

impl Inner {
    /// The Protocol's failure, to which an error of kind [`Remote`](ErrorKind::Remote) adds nothing.
    fn failure(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.source.as_deref().filter(|_| self.kind == ErrorKind::Remote)
    }
}

impl Error {
    /// An error, for whoever stands in for this library: a fake [`SendCommand`](crate::sender::SendCommand) of a test, or a layer
    /// over a [`Client`](crate::Client). Its Command was not sent.
    pub fn new(kind: ErrorKind, origin: Origin, message: impl Into<String>) -> Self {
        Self {
            inner: Arc::new(Inner { kind, origin, message: message.into(), source: None }),
            was_sent: false,
        }
    }

    pub(crate) fn with_source(
        kind: ErrorKind,
        origin: Origin,
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        let source = Some(source.into());
        Self { inner: Arc::new(Inner { kind, origin, message: message.into(), source }), was_sent: false }
    }

    pub(crate) fn io(doing: impl Into<String>, error: io::Error) -> Self {
        Self::with_source(ErrorKind::Io, Origin::System, doing, error)
    }

    pub(crate) fn panic(doing: &str, payload: &(dyn Any + Send)) -> Self {
        Self::new(ErrorKind::Panic, Origin::Local, format!("panic in {doing}: {}", panic_message(payload)))
    }

    /// The bytes of a frame that the peer sent do not decode.
    pub(crate) fn decode(what: &str, error: DecodeError) -> Self {
        let kind = match error.fault {
            Fault::UnknownTag(_) => ErrorKind::UnknownTag,
            Fault::TooLong { .. } => ErrorKind::Limit,
            _ => ErrorKind::Decode,
        };
        Self::with_source(kind, Origin::Remote, format!("invalid {what}"), error)
    }

    /// The same error for a call whose Command may have reached the server.
    #[must_use]
    pub fn sent(self) -> Self {
        Self { was_sent: true, ..self }
    }

    /// What happened.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Whose doing it is.
    pub fn origin(&self) -> Origin {
        self.inner.origin
    }

    /// Whether the Command may have reached the server. If not, sending it again cannot execute it twice.
    pub fn was_sent(&self) -> bool {
        self.was_sent
    }

    /// The failure that the server answered with, if it is of type `T`: the type that the Protocol declares as its
    /// `failure`. A [`CallError`] has it without a question; this is for one that was turned into an `Error` by `?`.
    pub fn remote<T: StdError + 'static>(&self) -> Option<&T> {
        self.inner.failure()?.downcast_ref()
    }

    /// The failure that the server answered with, if it is of type `T` and nobody else holds this error.
    pub(crate) fn into_remote<T: StdError + Send + Sync + 'static>(self) -> Result<T, Self> {
        if self.remote::<T>().is_none() {
            return Err(self);
        }
        let was_sent = self.was_sent;
        let mut inner = Arc::try_unwrap(self.inner).map_err(|inner| Self { inner, was_sent })?;
        match inner.source.map(<dyn StdError + Send + Sync>::downcast) {
            Some(Ok(failure)) => return Ok(*failure),
            Some(Err(source)) => inner.source = Some(source),
            None => inner.source = None,
        }
        Err(Self { inner: Arc::new(inner), was_sent })
    }
}

/// Why a call did not get its Reply: the Protocol's failure, or anything else.
///
/// `F` is the type that the Protocol declares as its `failure`. With `failure close_connection` it is
/// [`Infallible`](std::convert::Infallible), and `Other` is all there is to match.
///
/// It adds nothing to what it holds: its text and its source are those of the failure or the [`Error`]. `?` turns it
/// into an [`Error`], into a [`Failed`](crate::Failed) (a Command that calls another service and passes its failure on,
/// with its type), and into whatever takes any error. (The type is kept if nobody else holds a clone of the [`Error`] that
/// it was turned into. Else only the text is.)
///
/// ```
/// use cmd_stream::{CallError, ErrorKind, Problem};
///
/// fn describe(error: &CallError<Problem>) -> String {
///     match error {
///         CallError::Failed(problem) => format!("the server refuses: {problem}"),
///         CallError::Other(error) if error.kind() == ErrorKind::Timeout => "too slow".into(),
///         CallError::Other(error) => format!("{error:#}"),
///     }
/// }
/// # assert_eq!(describe(&CallError::Failed(Problem::new(1000, "no"))), format!("the server refuses: {}", Problem::new(1000, "no")));
/// ```
#[derive(Clone, Debug)]
pub enum CallError<F> {
    /// The server answered with the Protocol's failure.
    Failed(F),
    /// Anything else: the Command cannot be sent, the connection was lost, or the Reply cannot be read.
    Other(Error),
}

impl<F> CallError<F> {
    /// What happened; [`ErrorKind::Remote`] if the server answered with its failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Failed(_) => ErrorKind::Remote,
            Self::Other(error) => error.kind(),
        }
    }

    /// Whose doing it is.
    pub fn origin(&self) -> Origin {
        match self {
            Self::Failed(_) => Origin::Remote,
            Self::Other(error) => error.origin(),
        }
    }

    /// Whether the Command may have reached the server. If not, sending it again cannot execute it twice.
    pub fn was_sent(&self) -> bool {
        match self {
            Self::Failed(_) => true,
            Self::Other(error) => error.was_sent(),
        }
    }
}

impl<F> From<Error> for CallError<F> {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl<F: StdError + Send + Sync + 'static> From<CallError<F>> for Error {
    fn from(error: CallError<F>) -> Self {
        match error {
            CallError::Failed(failure) => {
                Self::with_source(ErrorKind::Remote, Origin::Remote, String::new(), failure).sent()
            }
            CallError::Other(error) => error,
        }
    }
}

impl<F: fmt::Display> fmt::Display for CallError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => failure.fmt(f),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl<F: StdError> StdError for CallError<F> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Failed(failure) => failure.source(),
            Self::Other(error) => error.source(),
        }
    }
}

/// The text of an error and of all its sources, each after a colon.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn StdError + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.inner.failure() {
            _ if f.alternate() => Chain(self).fmt(f),
            Some(failure) => fmt::Display::fmt(failure, f),
            None => f.write_str(&self.inner.message),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind())
            .field("origin", &self.origin())
            .field("was_sent", &self.was_sent)
            .field("message", &format_args!("{self:#}"))
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self.inner.failure() {
            Some(failure) => failure.source(),
            None => self.inner.source.as_deref().map(|source| source as _),
        }
    }
}

/// What a panic said.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(not a string)")
}
