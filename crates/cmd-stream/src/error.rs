//! The errors of the library. [`Error`] tells what happened, who caused it, and whether the Command had been sent.
//! [`CallError`] is either that, or the failure that the server answered with.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::proto::decode::{DecodeError, Fault};

pub(crate) mod cause;

use cause::Cause;

/// Why a call, a connection or a server failed.
///
/// It is cheap to clone, because one lost connection fails all calls that were waiting on it.
///
/// The message tells what happened, and the [`source`](StdError::source) why. `{error:#}` prints the message and all
/// sources: "cannot connect to 127.0.0.1:9000: Connection refused (os error 111)".
///
/// # Sending a Command again
///
/// [`was_sent`](Self::was_sent) and [`origin`](Self::origin) of the error of a call tell whether that makes sense:
///
/// - Not sent, and the origin is not [`Local`](Origin::Local): there was no connection in time, and the kind says why
///   ([`Io`](ErrorKind::Io), [`Timeout`](ErrorKind::Timeout), [`Tls`](ErrorKind::Tls),
///   [`ServerInfoMismatch`](ErrorKind::ServerInfoMismatch) and others). Wait for
///   [`Client::connected`](crate::Client::connected), and send the Command again. It cannot be executed twice.
/// - Not sent, and the origin is [`Local`](Origin::Local): the same call would fail again. The Command cannot be encoded
///   or is too large ([`Encode`](ErrorKind::Encode), [`Panic`](ErrorKind::Panic), [`Limit`](ErrorKind::Limit)), the
///   deadline of the call has passed ([`Timeout`](ErrorKind::Timeout)), or the client was closed
///   ([`Closed`](ErrorKind::Closed)).
/// - Sent: the Command may have been executed. Send it again only if executing it twice does no harm. That helps if the
///   connection was lost ([`Closed`](ErrorKind::Closed), [`Io`](ErrorKind::Io) or
///   [`UnexpectedEof`](ErrorKind::UnexpectedEof), or [`Timeout`](ErrorKind::Timeout) if the origin is not
///   [`Local`](Origin::Local)). Other errors are likely to occur again.
///
/// ```
/// use cmd_stream::{Error, ErrorKind, Origin};
///
/// /// Whether to wait for `client.connected()` and to send the Command again.
/// fn is_worth_another_try(error: &Error) -> bool {
///     !error.was_sent() && error.origin() != Origin::Local
/// }
///
/// let refused = Error::new(ErrorKind::Io, Origin::System, "connection refused");
/// assert!(is_worth_another_try(&refused));
/// assert!(!is_worth_another_try(&refused.into_sent()));
///
/// let closed = Error::new(ErrorKind::Closed, Origin::Local, "the client was closed");
/// assert!(!is_worth_another_try(&closed));
/// ```
///
/// After a client has ended for good, every call fails. Then [`Client::link`](crate::Client::link) is
/// [`Link::Closed`](crate::client::Link::Closed), and [`Client::connected`](crate::Client::connected) and
/// [`Client::closed`](crate::Client::closed) return the reason at once.
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
    was_sent: bool,
}

struct Inner {
    kind: ErrorKind,
    origin: Origin,
    message: String,
    source: Option<UserError>,
    /// In which way it has ended a connection, where the kind does not tell it.
    cause: Option<Cause>,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Either side closed the connection in an orderly way, which ended the call.
    Closed,
    /// The peer's bytes cannot be decoded.
    Decode,
    /// A value cannot be encoded. The connection stays open.
    Encode,
    /// A Command failed, and its Protocol declares no failure to answer with, so the connection was closed. Only the
    /// server sees this kind; the client sees [`ErrorKind::Closed`].
    Execution,
    /// The operating system reported an error.
    Io,
    /// A limit of [`server::Limits`](crate::server::Limits) or [`client::Limits`](crate::client::Limits) was reached.
    /// The message names it.
    Limit,
    /// User code panicked.
    Panic,
    /// The peer violated the protocol: it used a seq twice, or sent a Reply of a type that its Command does not
    /// declare.
    Protocol,
    /// A [hook](crate::hooks) did not let the Command be sent. The source says why.
    Refused,
    /// The server answered with the Protocol's failure, and the [`CallError::Failed`] was converted to an `Error`. See
    /// [`Error::remote`].
    Remote,
    /// The server's ServerInfo is not the one that the client expects.
    ServerInfoMismatch,
    /// A timeout expired.
    Timeout,
    /// A certificate or a key cannot be used, or the TLS handshake failed. The message and the source say why.
    Tls,
    /// The connection ended in the middle of a frame.
    UnexpectedEof,
    /// The peer sent a tag that the Protocol does not declare.
    UnknownTag,
}

/// Who caused an error.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Origin {
    /// This side: the application, or the library on behalf of it.
    Local,
    /// The peer.
    Remote,
    /// The network or the operating system.
    System,
}

impl Inner {
    /// Returns the Protocol's failure, to which an error of kind [`Remote`](ErrorKind::Remote) adds nothing.
    fn failure(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.source.as_deref().filter(|_| self.kind == ErrorKind::Remote)
    }
}

impl Error {
    /// Creates an error whose Command was not sent.
    ///
    /// Meant for code that takes the place of this library: a fake [`SendCommand`](crate::sender::SendCommand) in a
    /// test, or a layer over a [`Client`](crate::Client).
    ///
    /// ```
    /// use cmd_stream::{Error, ErrorKind, Origin};
    ///
    /// let error = Error::new(ErrorKind::Io, Origin::System, "connection reset");
    /// assert!(!error.was_sent());
    /// ```
    pub fn new(kind: ErrorKind, origin: Origin, message: impl Into<String>) -> Self {
        Self {
            inner: Arc::new(Inner { kind, origin, message: message.into(), source: None, cause: None }),
            was_sent: false,
        }
    }

    pub(crate) fn with_source(
        kind: ErrorKind,
        origin: Origin,
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        let source = Some(UserError::new(source.into()));
        let inner = Inner { kind, origin, message: message.into(), source, cause: None };
        Self { inner: Arc::new(inner), was_sent: false }
    }

    /// Creates the error of a transport. It has the kind and the origin of an `Error` that the transport has put inside.
    pub(crate) fn io(doing: impl Into<String>, error: io::Error) -> Self {
        let inside = error.get_ref().and_then(|inside| inside.downcast_ref::<Self>());
        let (kind, origin) =
            inside.map_or((ErrorKind::Io, Origin::System), |inside| (inside.kind(), inside.origin()));
        Self::with_source(kind, origin, doing, error)
    }

    pub(crate) fn panic(doing: &str, payload: Box<dyn Any + Send>) -> Self {
        Self::new(ErrorKind::Panic, Origin::Local, format!("panic in {doing}: {}", take_message(payload)))
    }

    /// Notes what has ended the connection. Only the one who makes the error can: for a clone it has no effect.
    pub(crate) fn caused_by(mut self, cause: impl Into<Option<Cause>>) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.cause = cause.into();
        }
        self
    }

    pub(crate) fn cause(&self) -> Option<Cause> {
        self.inner.cause
    }

    /// Creates the error of a peer's frame that cannot be decoded.
    pub(crate) fn decode(what: &str, error: DecodeError) -> Self {
        let kind = match error.fault {
            Fault::UnknownTag(_) => ErrorKind::UnknownTag,
            Fault::TooLong { .. } => ErrorKind::Limit,
            _ => ErrorKind::Decode,
        };
        Self::with_source(kind, Origin::Remote, format!("invalid {what}"), error)
    }

    /// Marks the error as that of a call whose Command may have reached the server.
    #[must_use]
    pub fn into_sent(self) -> Self {
        Self { was_sent: true, ..self }
    }

    /// Returns what happened.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Returns who caused it.
    pub fn origin(&self) -> Origin {
        self.inner.origin
    }

    /// Returns whether the Command may have reached the server. If not, sending it again cannot execute it twice.
    pub fn was_sent(&self) -> bool {
        self.was_sent
    }

    /// Returns the failure that the server answered with, if it is of type `T`, the type that the Protocol declares as
    /// its `failure`. [`CallError::Failed`] holds the failure itself; this is for one that `?` has converted to an
    /// `Error`.
    pub fn remote<T: StdError + 'static>(&self) -> Option<&T> {
        self.inner.failure()?.downcast_ref()
    }

    /// Returns the failure that the server answered with, if it is of type `T` and there is no other clone of this
    /// error.
    pub(crate) fn into_remote<T: StdError + Send + Sync + 'static>(self) -> Result<T, Self> {
        if self.remote::<T>().is_none() {
            return Err(self);
        }
        let was_sent = self.was_sent;
        let mut inner = Arc::try_unwrap(self.inner).map_err(|inner| Self { inner, was_sent })?;
        match inner.source.map(|source| source.into_inner().downcast()) {
            Some(Ok(failure)) => return Ok(*failure),
            Some(Err(source)) => inner.source = Some(UserError::new(source)),
            None => inner.source = None,
        }
        Err(Self { inner: Arc::new(inner), was_sent })
    }
}

/// The error of a call: the Protocol's failure, or anything else.
///
/// `F` is the type that the Protocol declares as its `failure`. With `failure close_connection` it is
/// [`Infallible`](std::convert::Infallible), and `Other` is the only variant to match.
///
/// Its message and source are those of the failure or the [`Error`] inside. `?` converts it to an [`Error`], to a
/// [`Failed`](crate::Failed) (so that a Command can call another service and pass on its typed failure), and to any
/// type that accepts every error. (An [`Error`] keeps the type of the failure when it is passed on, unless there is
/// another clone of it. Then only the message is kept.)
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
    /// Any other error: the Command could not be sent, the connection was lost, or the Reply could not be read.
    Other(Error),
}

impl<F> CallError<F> {
    /// Returns what happened: [`ErrorKind::Remote`] if the server answered with its failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Failed(_) => ErrorKind::Remote,
            Self::Other(error) => error.kind(),
        }
    }

    /// Returns who caused it.
    pub fn origin(&self) -> Origin {
        match self {
            Self::Failed(_) => Origin::Remote,
            Self::Other(error) => error.origin(),
        }
    }

    /// Returns whether the Command may have reached the server. If not, sending it again cannot execute it twice.
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
                Self::with_source(ErrorKind::Remote, Origin::Remote, String::new(), failure).into_sent()
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

/// Writes the message of an error and those of all its sources, each after a colon.
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

/// An error that may be the user's. Whoever drops the last one of it may be a connection's task, which a destructor that
/// panics must not harm.
pub(crate) struct UserError(Option<Box<dyn StdError + Send + Sync>>);

impl UserError {
    pub(crate) fn new(error: Box<dyn StdError + Send + Sync>) -> Self {
        Self(Some(error))
    }

    pub(crate) fn into_inner(mut self) -> Box<dyn StdError + Send + Sync> {
        self.0.take().expect(THERE)
    }
}

impl Deref for UserError {
    type Target = dyn StdError + Send + Sync;

    fn deref(&self) -> &Self::Target {
        self.0.as_deref().expect(THERE)
    }
}

impl Drop for UserError {
    fn drop(&mut self) {
        if let Some(error) = self.0.take() {
            drop_contained(error);
        }
    }
}

const THERE: &str = "it is only taken out at the end";

/// Drops a value of the user's. If its destructor panics, that is logged, and harms nobody else.
pub(crate) fn drop_contained<T>(value: T) {
    if std::mem::needs_drop::<T>() {
        contained(|| drop(value));
    }
}

/// Runs what drops values of the user's. A panic in it is logged.
pub(crate) fn contained(drops: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(drops)) {
        tracing::error!(panic = take_message(payload), "the destructor of a value panicked");
    }
}

/// Drops what a panic has left, whose destructor may panic again.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again); // and so on
    }
}

/// Returns the message of a panic, and drops the rest of it.
pub(crate) fn take_message(payload: Box<dyn Any + Send>) -> String {
    let message = panic_message(&*payload).to_owned();
    discard(payload);
    message
}

/// Returns the message of a panic.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(not a string)")
}
