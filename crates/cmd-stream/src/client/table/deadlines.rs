//! The deadlines of calls. A call compares its own instant; the table only knows when to wake it for that.

use std::task::{Poll, Waker};

use tokio::time::Instant;

use super::{
    Error, ErrorKind, MutexGuard, Origin, QueueState, Seq, State, Table, Waiter, add, wake, wake_all,
};
use crate::client::link::Link;
use crate::error::drop_contained;

/// What a call waited for when its deadline was over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    /// For nothing: its deadline was over before.
    Not,
    ForRoom,
    /// Its Command stood in the output.
    InOutput,
    /// A one-way Command was being written.
    ForRest,
    ForReply,
}

impl<R> Table<R> {
    /// A caller in the table waits on, unless its deadline is over. Then it is out of the table.
    #[inline]
    pub(super) fn time_out_or_wait(
        &self,
        mut state: MutexGuard<'_, State<R>>,
        seq: Seq,
        deadline: Option<Instant>,
    ) -> Poll<Error> {
        let Some(deadline) = deadline else { return Poll::Pending };
        if Instant::now() < deadline {
            state.note(seq, deadline);
            let task = state.alarm_for(Some(deadline));
            drop(state);
            wake(task);
            return Poll::Pending;
        }
        let was_sent = seq < state.written_before;
        let mut wakers = Vec::new();
        let waiter = state.abandon(seq, &mut wakers);
        self.health.set_in_flight(state.room.calls);
        drop(state);
        wake_all(wakers);
        let is_written = matches!(waiter, Some(Waiter::Posted { .. }));
        drop_contained(waiter);
        Poll::Ready(self.timed_out(match (was_sent, is_written) {
            (true, false) => Waited::ForReply,
            (true, true) => Waited::ForRest,
            (false, _) => Waited::InOutput,
        }))
    }

    /// The error of a call whose deadline is over.
    pub(crate) fn timed_out(&self, waited: Waited) -> Error {
        add(&self.counts.timed_out, 1);
        self.time_out_error(waited)
    }

    fn time_out_error(&self, waited: Waited) -> Error {
        let link = self.link.link();
        let message = match (waited, &link) {
            (Waited::ForReply, _) => "the call timed out waiting for a reply",
            (Waited::ForRest, _) => "the call timed out while its command was being written",
            (Waited::Not, _) => "the deadline of the call was over before it began",
            (_, Link::Connecting | Link::Down { .. }) => "the call timed out waiting for a connection",
            (Waited::InOutput, _) => "the call timed out before its command was written",
            (Waited::ForRoom, _) => {
                "the call timed out waiting for room (`Limits::in_flight`, `in_flight_bytes` or `output`)"
            }
        };
        let (kind, origin) = (ErrorKind::Timeout, Origin::Local);
        match (waited, link) {
            (Waited::ForReply | Waited::ForRest, _) => Error::new(kind, origin, message).into_sent(),
            (Waited::InOutput | Waited::ForRoom, Link::Down { reason, .. }) => {
                Error::with_source(kind, origin, message, reason)
            }
            _ => Error::new(kind, origin, message),
        }
    }

    /// Wakes the callers whose deadlines are over. Their Commands are not written any more, also if the callers do not come.
    pub(in crate::client) fn expire(&self, now: Instant) {
        let unwritten = self.time_out_error(Waited::InOutput);
        let mut wakers = Vec::new();
        let timed_out = {
            let mut state = self.lock();
            let timed_out = state.expire(now, &unwritten, &mut wakers);
            self.health.set_in_flight(state.room.calls);
            timed_out
        };
        add(&self.counts.timed_out, timed_out);
        wake_all(wakers);
    }
}

impl<R> State<R> {
    /// Notes until when a caller in the table waits.
    #[inline]
    pub(super) fn note(&mut self, seq: Seq, deadline: Instant) {
        let number = seq.get().cast_unsigned();
        if self.deadlines.note(number, deadline) {
            let (first, stragglers) = self.pending.first();
            self.deadlines.leave_behind(first.get().cast_unsigned(), stragglers);
        }
    }

    /// Returns the task's waker if it sleeps longer than until this deadline.
    pub(super) fn alarm_for(&mut self, deadline: Option<Instant>) -> Option<Waker> {
        let deadline = deadline?;
        if self.alarm.is_none_or(|alarm| deadline < alarm) { self.task.take() } else { None }
    }

    /// Returns how many callers failed. Those whose Commands are written are only woken: each may find a Reply.
    fn expire(&mut self, now: Instant, unwritten: &Error, wakers: &mut Vec<Waker>) -> u64 {
        self.room.expire(now, wakers);
        let mut any_unwritten = false;
        for range in self.deadlines.take_due(now) {
            let range = range.start.cast_signed()..range.end.cast_signed();
            for (seq, waiter) in self.pending.range_mut(range) {
                match waiter.deadline() {
                    Some(deadline) if deadline <= now => {
                        wakers.extend(waiter.take_waker());
                        any_unwritten |= seq >= self.written_before;
                    }
                    Some(deadline) => _ = self.deadlines.note(seq.get().cast_unsigned(), deadline),
                    None => {}
                }
            }
        }
        if !any_unwritten {
            return 0;
        }
        let timed_out = self.drop_frames(Some((now, unwritten)), wakers);
        self.room.wake(self.outbox.len(), wakers);
        timed_out
    }
}

impl<R> Waiter<R> {
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Reply { deadline, .. } | Self::Posted { deadline, .. } => *deadline,
            Self::Stream(queue) => queue.deadline,
            Self::Arrived { .. } | Self::Failed(_) | Self::HandedBack(_) | Self::Abandoned { .. } => None,
        }
    }

    /// Taken, not cloned: a clone may panic.
    pub(super) fn take_waker(&mut self) -> Option<Waker> {
        match self {
            Self::Reply { waker, .. } | Self::Posted { waker, .. } => {
                Some(std::mem::replace(waker, Waker::noop().clone()))
            }
            Self::Stream(queue) => queue.waker.take(),
            Self::Arrived { .. } | Self::Failed(_) | Self::HandedBack(_) | Self::Abandoned { .. } => None,
        }
    }

    /// The caller finds this error when it comes. Its waker is not here any more.
    pub(super) fn fail(&mut self, error: Error) {
        match self {
            Self::Stream(queue) => queue.state = QueueState::Failed(error),
            other => *other = Self::Failed(error),
        }
    }
}
