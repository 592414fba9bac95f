//! How a connection of a server ends.
//!
//! Anybody may ask for it, by [`Line::end`](super::line::Line::end), which keeps the most urgent of what was asked, and
//! wakes the connection's task:
//!
//! | who | what |
//! | --- | --- |
//! | [`Handle::shutdown`](super::Handle::shutdown) | [`Ending::WhenIdle`] |
//! | `serve`, when half of [`Limits::drain`](super::Limits::drain) is over | [`Ending::WhenAnswered`] |
//! | [`Handle::close`](super::Handle::close); `serve`, when all of the drain is over, or when it is dropped | [`Ending::Now`] |
//! | a connection that waits for a place, if this one is idle (`places.rs`) | [`Ending::Now`] |
//! | the driver: reading failed, its bytes do not decode, its seq may not be used, decoding panicked | [`Ending::AfterOutput`] |
//! | whoever writes while the connection's task is in a Command (`desk.rs`): writing failed | [`Ending::Now`] |
//! | a Command that failed, if its Protocol says `close_connection` | [`Ending::AfterOutput`] |
//!
//! Only the connection's task carries it out; those who wait for room hear of [`Ending::Now`] at once. It looks before it takes a batch of output; for [`Ending::Now`] also when a
//! write is blocked, so that a client that does not read cannot put off a close. What had been taken is written at the very
//! end (5), and what had not been taken is lost.
//!
//! Three things end the driver without being asked for. A client that sends nothing more ends it when its Commands are
//! answered, or when [`Limits::half_closed`](super::Limits::half_closed) is over. A connection that breaks and a time-out end
//! it without the output that had not been taken.
//!
//! What follows is always the same, and always in this order (`accept.rs`):
//!
//! 1. The driver returns the reason. It gives its buffers back.
//! 2. `Line::close`: nothing can be sent any more. Those who wait for room in the output are woken, and get the reason.
//!    Commands that run continue; [`Context::closed`](crate::Context::closed) tells them.
//! 3. The log, and the lost-connection callback. The values of the connection are still there for it.
//! 4. The values are dropped. One of them may hold a Command of this connection, which would keep the values.
//! 5. What had been taken to be written is written, in whole frames, as far as the client takes it, and this direction is
//!    closed: within a second, in which what the client sends is read and discarded (`connection/goodbye.rs`). This is left out
//!    if the transport failed.
//! 6. What the client still sends is read and discarded until it closes, for up to another second. Closing a socket with
//!    unread bytes resets it, and the client would lose its last Replies. This is left out if the client left first, and
//!    with a connection that has nothing left to write if a time was over or it makes room.
//!
//! Until then the connection keeps its place, so that [`Limits::connections`](super::Limits::connections) bounds the sockets,
//! and what is in their output. Each has its own time, so that ten thousand take as long as one.
//!
//! If its task is dropped before, with the runtime, 2 to 4 are done by the destructor of `Lost`.
//!
//! `serve` does not wait for that longer than `CUTTING`. The user's code may block the thread of a connection, which then ends
//! by itself when it goes on.

use crate::error::Error;

/// How a connection is to end.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    /// When no Command is in flight any more, and none has arrived whole.
    WhenIdle,
    /// When no Command is in flight any more. None is started: a connection that is always busy would never be idle.
    WhenAnswered,
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
            (Some(Self::WhenAnswered), new) => !matches!(new, Self::WhenIdle),
            (Some(Self::AfterOutput(_)), new) => matches!(new, Self::Now(_)),
            (Some(Self::Now(_)), _) => false,
        }
    }

    /// Why nothing can be sent any more, if that is so.
    pub(super) fn reason(&self) -> Option<&Error> {
        match self {
            Self::WhenIdle | Self::WhenAnswered => None,
            Self::AfterOutput(reason) | Self::Now(reason) => Some(reason),
        }
    }
}
