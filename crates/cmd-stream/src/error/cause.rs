//! In which way a connection has ended, where the kind and the origin of the error do not tell it.

use std::sync::Arc;

use super::Error;

/// What has ended a connection. The counters and the log of both sides tell these apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cause {
    /// This side was closed, or its time to drain was over.
    Cut,
    /// A frame was not whole in time, or none came.
    FrameTime,
    /// The handshake took too long.
    Handshake,
    /// The peer did not answer a ping.
    Keepalive,
    /// It was idle, and made room for another one.
    MadeRoom,
    /// The peer took no output.
    OutputStall,
    /// Nothing moved while a limit kept it from being read.
    Paused,
    /// The server shut down, and nothing was in flight.
    ShutDown,
}

impl Error {
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
}
