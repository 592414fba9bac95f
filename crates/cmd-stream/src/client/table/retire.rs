//! Replacing a connection that still works, because of its age, or because its address is not to be used any more. What the
//! server has is still answered, within a time. Nothing more is written: it goes out on the next connection, or is handed
//! back.

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
    /// The connection is to be replaced when the server has answered everything, or at this instant. `None` is never.
    Until(Option<Instant>),
    /// The connection was given up to be replaced.
    Done,
}

impl Retiring {
    #[inline]
    pub(super) fn is_asked_for(self) -> bool {
        matches!(self, Self::Until(_))
    }

    pub(super) fn is_done(self) -> bool {
        self == Self::Done
    }

    /// When the connection is replaced at the latest.
    #[inline]
    pub(super) fn until(self) -> Option<Instant> {
        if let Self::Until(until) = self { until } else { None }
    }
}

impl<R> Table<R> {
    /// Replaces the connection when the server has answered what it has, or after this time. If there is no connection, the
    /// next attempt begins at once.
    pub(crate) fn retire(&self, within: Duration) {
        self.retire_if(within, || true);
    }

    /// As [`retire`](Self::retire), unless this is the last client of a group that takes calls. Returns whether it is replaced.
    pub(in crate::client) fn retire_unless_last(&self, within: Duration) -> bool {
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
                    state.retiring = Retiring::Until(Instant::now().checked_add(within));
                    if self.hands_back {
                        let reason =
                            Error::new(ErrorKind::Closed, Origin::System, "the connection is being replaced");
                        state.hand_back(&reason, &mut wakers);
                        state.room.wake_all(&mut wakers);
                        self.health.set_takes_calls(false);
                        self.health.set_in_flight(state.room.calls);
                        before = state.refuses.replace(reason);
                    }
                }
                Retiring::Hurry | Retiring::Until(_) | Retiring::Done => return true,
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

    /// Whether the connection was given up to be replaced.
    pub(in crate::client) fn is_replaced(&self) -> bool {
        self.lock().retiring.is_done()
    }
}

impl<R> State<R> {
    /// The connection may be given up, if it is to be replaced: the server has answered what it has, or the time is over.
    #[cold]
    pub(super) fn retire_if_drained(&mut self) -> Option<Error> {
        let written = 0..self.written_before.get();
        let awaits = |waiter: &Waiter<R>| match waiter {
            Waiter::Reply { .. } => true,
            Waiter::Stream(queue) => queue.is_in_flight(),
            Waiter::Abandoned { is_call, .. } => *is_call,
            Waiter::Arrived { .. } | Waiter::Failed(_) | Waiter::HandedBack(_) | Waiter::Posted { .. } => {
                false
            }
        };
        let is_drained = !self.pending.range_mut(written).any(|(_, waiter)| awaits(waiter));
        if is_drained { Some(self.retired()) } else { self.retire_if_over() }
    }

    /// As [`retire_if_drained`](Self::retire_if_drained), if the time is over.
    pub(super) fn retire_if_over(&mut self) -> Option<Error> {
        let until = self.retiring.until()?;
        (until <= Instant::now()).then(|| self.retired())
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
