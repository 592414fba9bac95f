//! Replacing a connection that still works, because of its age, or because its address is not to be used any more. What the
//! server has is still answered, within a time. Nothing more is written: it goes out on the next connection, or is handed
//! back.
//!
//! A client that hands nothing back is alone. Its calls would have to wait meanwhile, so it goes on until a moment at which
//! the server has nothing to answer, and stops writing only if there is none for too long.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::{Error, ErrorKind, Origin, State, Table, Waiter, wake_all};

/// How far the replacing of a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Retiring {
    /// There is no connection.
    #[default]
    NotConnected,
    /// There is no connection, and the pause before the next attempt is cut short. If an attempt is under way, its connection
    /// is replaced at once.
    Hurry,
    Connected,
    /// The connection is to be replaced when the server has answered everything. Calls go on meanwhile, until this instant.
    Soon(Option<Instant>),
    /// As `Soon`, and nothing more is written. The connection is to be replaced when the server has answered what
    /// it has, or at this instant. `None` is never.
    Until(Option<Instant>),
    /// The connection was given up to be replaced.
    Done,
}

impl Retiring {
    #[inline]
    pub(super) fn is_asked_for(self) -> bool {
        matches!(self, Self::Soon(_) | Self::Until(_))
    }

    /// Whether nothing more is written.
    pub(super) fn stops_writing(self) -> bool {
        matches!(self, Self::Until(_))
    }

    pub(super) fn is_done(self) -> bool {
        self == Self::Done
    }

    /// When the task is to look again, at the latest.
    #[inline]
    pub(super) fn until(self) -> Option<Instant> {
        if let Self::Soon(until) | Self::Until(until) = self { until } else { None }
    }
}

impl<R> Table<R> {
    /// Replaces the connection when the server has answered what it has, or after this time. A client that is alone begins
    /// only after this time to make its calls wait for that. If there is no connection, the next attempt begins at once.
    pub(crate) fn retire(&self, within: Duration) {
        self.retire_if(within, || true);
    }

    /// As [`retire`](Self::retire), unless this is the last client of a group that takes calls. Returns whether it is replaced.
    pub(crate) fn retire_unless_last(&self, within: Duration) -> bool {
        // One alone keeps what it cannot send.
        self.retire_if(within, || !self.hands_back || self.health.leave_unless_last())
    }

    fn retire_if(&self, within: Duration, may: impl FnOnce() -> bool) -> bool {
        let mut wakers = Vec::new();
        let _before = {
            let mut guard = self.lock();
            let state = &mut *guard;
            if state.closed.is_some() {
                return true;
            }
            let mut before = None;
            match state.retiring {
                Retiring::NotConnected => state.retiring = Retiring::Hurry,
                Retiring::Connected => {
                    if !may() {
                        return false;
                    }
                    let until = Instant::now().checked_add(within);
                    state.retiring = Retiring::Soon(until);
                    if self.hands_back {
                        state.retiring = Retiring::Until(until);
                        let reason =
                            Error::new(ErrorKind::Closed, Origin::System, "the connection is being replaced");
                        state.hand_back(&reason, &mut wakers);
                        state.room.wake_all(&mut wakers);
                        self.health.set_takes_calls(false);
                        self.health.set_in_flight(state.room.calls);
                        before = state.refuses.replace(reason);
                    }
                }
                Retiring::Hurry | Retiring::Soon(_) | Retiring::Until(_) | Retiring::Done => return true,
            }
            wakers.extend(state.task.take());
            before
        };
        wake_all(wakers);
        true
    }

    /// Ready when the next attempt is to begin before its time. Otherwise the task is woken by
    /// [`poll_alarm`](Self::poll_alarm).
    pub(in crate::client) fn poll_hurry(&self, _: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.retiring == Retiring::Hurry {
            state.retiring = Retiring::NotConnected;
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Whether nothing more is written on the connection, because it is to be replaced.
    pub(in crate::client) fn is_draining(&self) -> bool {
        self.lock().retiring.stops_writing()
    }

    /// Whether the connection was given up to be replaced.
    pub(in crate::client) fn is_replaced(&self) -> bool {
        self.lock().retiring.is_done()
    }
}

impl<R> State<R> {
    /// The connection may be given up, if it is to be replaced: nobody waits for what the server has, or the time is over.
    #[cold]
    pub(super) fn retire_if_drained(&mut self, drain: Duration) -> Option<Error> {
        let written = 0..self.written_before.get();
        let awaits = |waiter: &Waiter<R>| match waiter {
            Waiter::Reply { .. } => true,
            Waiter::Stream(queue) => queue.awaits_replies(),
            // The server may still execute an abandoned Command. Nobody is told of it either way.
            Waiter::Abandoned { .. }
            | Waiter::Arrived { .. }
            | Waiter::Failed(_)
            | Waiter::HandedBack(_)
            | Waiter::Posted { .. } => false,
        };
        let is_drained = !self.pending.range_mut(written).any(|(_, waiter)| awaits(waiter));
        if is_drained { Some(self.retired()) } else { self.retire_if_over(drain) }
    }

    /// As [`retire_if_drained`](Self::retire_if_drained), if the time is over. When the time of calls that go on is over,
    /// nothing more is written, and the server has this time to answer what it has.
    pub(super) fn retire_if_over(&mut self, drain: Duration) -> Option<Error> {
        let (until, now) = (self.retiring.until()?, Instant::now());
        if now < until {
            return None;
        }
        if let Retiring::Soon(_) = self.retiring {
            self.retiring = Retiring::Until(now.checked_add(drain));
            return None;
        }
        Some(self.retired())
    }

    fn retired(&mut self) -> Error {
        self.retiring = Retiring::Done;
        Error::new(
            ErrorKind::Closed,
            Origin::System,
            "the connection was replaced before the reply came (`Limits::drain`)",
        )
    }
}
