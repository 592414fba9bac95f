//! How a connection of a server ends.
//!
//! Anybody may ask for it, by [`Line::end`](super::line::Line::end), which keeps the most urgent of what was asked, and
//! wakes the connection's task:
//!
//! | who | what |
//! | --- | --- |
//! | [`Handle::shutdown`](super::Handle::shutdown) | [`Ending::WhenIdle`] |
//! | [`Handle::close`](super::Handle::close) | [`Ending::Now`] |
//! | the driver: the client has left, or its bytes do not decode | [`Ending::AfterOutput`] |
//! | a Command that failed, if its Protocol says `close_connection` | [`Ending::AfterOutput`] |
//!
//! Only the connection's task carries it out, before it takes a batch of output: then nothing is half taken when it
//! stops. A time-out and an error of the transport end the driver directly, as nothing can be written any more.
//!
//! What follows is always the same, and always in this order (`accept.rs`):
//!
//! 1. The driver returns the reason. It gives its buffers back.
//! 2. `Line::close`: nothing can be sent any more. Those who wait for room in the output are woken, and get the reason.
//!    Commands that run continue; [`Context::closed`](crate::Context::closed) tells them.
//! 3. The log, and the lost-connection callback. The values of the connection are still there for it.
//! 4. The values are dropped. One of them may hold a Command of this connection, which would keep the values.
//! 5. Unless it was closed at once, what the client still sends is read and discarded for a moment. Closing a socket with
//!    unread bytes resets it, and the client would lose its last Replies.
//!
//! If its task is dropped before (the server was closed, the runtime ends), 2 to 4 are done by the destructor of `Lost`.

use crate::error::Error;

/// How a connection is to end.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    /// When no Command is in flight any more.
    WhenIdle,
    /// When the output has been written.
    AfterOutput(Error),
    /// At once.
    Now(Error),
}

impl Ending {
    /// Whether this one takes the place of another one that was asked for before.
    pub(super) fn replaces(&self, before: Option<&Self>) -> bool {
        match (before, self) {
            (None | Some(Self::WhenIdle), _) => true,
            (Some(Self::AfterOutput(_)), new) => matches!(new, Self::Now(_)),
            (Some(Self::Now(_)), _) => false,
        }
    }

    /// Why nothing can be sent any more, if that is so.
    pub(super) fn reason(&self) -> Option<&Error> {
        match self {
            Self::WhenIdle => None,
            Self::AfterOutput(reason) | Self::Now(reason) => Some(reason),
        }
    }
}
