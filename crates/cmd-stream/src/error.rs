//! The one public error of the library: what happened, whose doing it was, and whether the Command had been sent.

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
    /// The server answered with the Protocol's failure; see [`Error::remote`].
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

impl Error {
    /// An error, for whoever stands in for this library: a fake [`SendCommand`](crate::SendCommand) of a test, or a layer
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

    pub(crate) fn io(doing: &str, error: io::Error) -> Self {
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

    /// What a call fails with whose Command the server answered with the failure of its Protocol; for the same purposes.
    pub fn from_remote(failure: impl StdError + Send + Sync + 'static) -> Self {
        Self::with_source(ErrorKind::Remote, Origin::Remote, "the server reports a failure", failure).sent()
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
    /// `failure`.
    pub fn remote<T: StdError + 'static>(&self) -> Option<&T> {
        self.inner.source.as_ref().filter(|_| self.kind() == ErrorKind::Remote)?.downcast_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)?;
        match &self.inner.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind())
            .field("origin", &self.origin())
            .field("was_sent", &self.was_sent)
            .field("message", &format_args!("{self}"))
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
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
