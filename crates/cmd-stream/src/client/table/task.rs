//! What the client's task does with the table: it hands Replies on, and takes what is to be written.

use std::mem::swap;
use std::task::{Context, Waker};

use tokio::time::Instant;

use super::{
    Error, ErrorKind, Origin, Queue, QueueState, Scratch, Seq, State, Table, Waiter, Writer, add, wake_all,
};
use crate::error::drop_contained;

/// A Reply that has been decoded.
pub(in crate::client) struct Arrived<R> {
    pub(in crate::client) seq: Seq,
    pub(in crate::client) reply: R,
    /// The bytes of its frame.
    pub(in crate::client) size: u32,
    /// Asked when it was decoded, as the user's code answers.
    pub(in crate::client) is_last: bool,
}

/// What is to be written next.
pub(in crate::client) enum Batch {
    /// The writer has it.
    Taken,
    Nothing,
    /// The callers have their turn first; the task has woken itself.
    Later,
}

impl<R> Table<R> {
    /// Hands Replies to their callers, all under one lock. Whom to wake is added to `wakers`, what nobody waits for to
    /// `unexpected`. Returns whether the connection is to be read on.
    ///
    /// # Errors
    ///
    /// A Reply is of a type that its Command does not declare. The Replies before it are handed on.
    pub(in crate::client) fn complete(
        &self,
        arrived: &mut Vec<Arrived<R>>,
        wakers: &mut Vec<Waker>,
        unexpected: &mut Vec<(Seq, R)>,
    ) -> Result<bool, Error> {
        // Declared before the guard, so that what is left is dropped after it: the destructor of a Reply is the user's.
        let mut arrived = arrived.drain(..);
        let mut refused = None;
        let mut guard = self.lock();
        let state = &mut *guard;
        for Arrived { seq, reply, size, is_last } in arrived.by_ref() {
            // What was not written on this connection cannot be answered on it.
            let waiter = if seq < state.written_before { state.pending.get_mut(seq) } else { None };
            let Some(waiter) = waiter else {
                unexpected.push((seq, reply));
                continue;
            };
            let accepts = match &waiter {
                Waiter::Reply { accepts, .. } => *accepts,
                Waiter::Stream(queue) => queue.accepts,
                Waiter::Abandoned { len, is_call } => {
                    unexpected.push((seq, reply));
                    if is_last && *is_call {
                        state.room.release(*len as usize);
                        state.abandoned -= 1;
                        state.pending.remove(seq);
                    }
                    continue;
                }
                Waiter::Arrived { .. }
                | Waiter::Posted { .. }
                | Waiter::Failed(_)
                | Waiter::HandedBack(_) => {
                    unexpected.push((seq, reply));
                    continue;
                }
            };
            if !accepts(&reply) {
                refused = Some((seq, reply));
                break;
            }
            if let Waiter::Stream(queue) = waiter {
                let was_in_flight = queue.is_in_flight();
                let (was_open, full) = (matches!(queue.state, QueueState::Open), state.full_streams);
                if let Err(reply) = queue.push((reply, size), is_last, &self.limits, &mut state.full_streams)
                {
                    unexpected.push((seq, reply));
                    add(&self.counts.stream_overflows, u64::from(was_open));
                }
                add(&self.counts.stream_pauses, u64::from(state.full_streams > full));
                if was_in_flight && !queue.is_in_flight() {
                    state.room.release(queue.len as usize);
                }
                wakers.extend(queue.waker.take());
            } else if !is_last {
                waiter.more_will_come((reply, size), wakers);
            } else if let Waiter::Reply { waker, len, .. } =
                std::mem::replace(waiter, Waiter::Arrived { reply, size })
            {
                state.room.release(len as usize);
                wakers.push(waker);
            }
        }
        if let Some((seq, reply)) = refused {
            drop(guard);
            drop_contained(reply);
            arrived.for_each(|arrived| drop_contained(arrived.reply));
            let message =
                format!("the reply to command {seq} is of a type that the command does not declare");
            return Err(Error::new(ErrorKind::Protocol, Origin::Remote, message));
        }
        state.room.wake(state.outbox.len(), wakers);
        self.health.set_in_flight(state.room.calls);
        Ok(state.full_streams == 0)
    }

    /// Whether no full stream keeps the connection from being read. If one does, the task is woken when none does.
    pub(in crate::client) fn may_read(&self, cx: &Context<'_>) -> bool {
        let mut waker = Some(cx.waker().clone());
        let mut state = self.lock();
        if state.full_streams > 0 {
            swap(&mut state.task, &mut waker);
        }
        state.full_streams == 0
    }

    /// Loads what is to be written next into the writer, which is idle: all that was loaded before is written. If there
    /// is nothing, the task is woken when there is, and `alarm` is set to when the first caller has waited long enough.
    /// `yielded` says whether the callers have had their turn since the last batch.
    ///
    /// # Errors
    ///
    /// Why the client has ended.
    pub(in crate::client) fn next_batch(
        &self,
        writer: &mut Writer,
        yielded: &mut bool,
        alarm: &mut Option<Instant>,
        cx: &Context<'_>,
    ) -> Result<Batch, Error> {
        let mut waker = Some(cx.waker().clone());
        let mut guard = self.lock();
        // What is overdue must not be written. A clock is looked at only if somebody has a deadline.
        if let Some(earliest) = guard.deadlines.earliest()
            && !guard.outbox.is_empty()
        {
            let now = Instant::now();
            if earliest <= now {
                drop(guard);
                self.expire(now);
                guard = self.lock();
            }
        }
        let state = &mut *guard;
        if let Some(reason) = &state.closed {
            return Err(reason.clone());
        }
        let mut wakers = Vec::new();
        state.outbox.book(0);
        state.written(&mut wakers);
        state.room.wake(state.outbox.len(), &mut wakers);
        let mut stops_writing = false;
        if state.retiring.is_asked_for() {
            if let Some(reason) = state.retire_if_drained(self.limits.drain) {
                drop(guard);
                wake_all(wakers);
                return Err(reason);
            }
            stops_writing = state.retiring.stops_writing();
        }
        let batch = if (state.outbox.is_empty() || stops_writing) && !state.ping {
            *alarm = state.sleep(&mut waker);
            Batch::Nothing
        } else if stops_writing {
            // What is in the output waits for the next connection.
            state.ping = false;
            let mut ping = Vec::new();
            Seq::PING.encode(&mut ping);
            writer.load_frame(ping);
            Batch::Taken
        } else if *yielded || state.pending.len() <= 1 {
            // With one call in flight there is nobody else who could add to the output.
            if state.abandoned_bytes > 0 {
                state.drop_frames(None, &mut wakers);
            }
            if std::mem::take(&mut state.ping) {
                state.outbox.append(|out| Seq::PING.encode(out), &mut Scratch::default());
            }
            writer.load(&mut state.outbox);
            // Before the first byte is written: a connection that is lost in the middle must not pass for unsent.
            state.written_before = state.pending.next_seq();
            std::mem::swap(&mut state.posting, &mut state.posted); // the one that was written is empty
            *yielded = false;
            Batch::Taken
        } else {
            *yielded = true;
            Batch::Later
        };
        drop(guard);
        wake_all(wakers);
        if matches!(batch, Batch::Later) {
            cx.waker().wake_by_ref();
        }
        Ok(batch)
    }

    /// Books how many bytes of the batch the server has not taken. The task is woken when there is something for it.
    /// Returns when the first caller has waited long enough.
    ///
    /// # Errors
    ///
    /// Why the client has ended.
    pub(in crate::client) fn book_unwritten(
        &self,
        bytes: usize,
        cx: &Context<'_>,
    ) -> Result<Option<Instant>, Error> {
        let (mut wakers, mut waker) = (Vec::new(), Some(cx.waker().clone()));
        let alarm = {
            let mut guard = self.lock();
            let state = &mut *guard;
            if let Some(reason) = &state.closed {
                return Err(reason.clone());
            }
            if let Some(reason) = state.retire_if_over(self.limits.drain) {
                return Err(reason);
            }
            state.outbox.book(bytes);
            state.room.wake(state.outbox.len(), &mut wakers);
            // A blocked write ends when the client does, so the task must hear of that.
            state.sleep(&mut waker)
        };
        wake_all(wakers);
        Ok(alarm)
    }

    /// When the first caller has waited long enough, for a task that does not sleep.
    pub(in crate::client) fn earliest_deadline(&self) -> Option<Instant> {
        self.lock().earliest()
    }

    /// A ping goes out with what is written next.
    pub(in crate::client) fn ping(&self) {
        self.lock().ping = true;
    }
}

impl<R> Waiter<R> {
    /// The first Reply of several is here, for a call that takes one. The others are unexpected.
    #[cold]
    fn more_will_come(&mut self, reply: (R, u32), wakers: &mut Vec<Waker>) {
        let Self::Reply { accepts, waker, len, .. } = self else { return };
        let mut queue = Queue::new(*accepts, *len, None);
        queue.push_only(reply);
        wakers.push(std::mem::replace(waker, Waker::noop().clone()));
        *self = Self::Stream(Box::new(queue));
    }
}

impl<R> State<R> {
    /// The task is about to sleep, and leaves its waker. What was there is to be dropped without the lock. Returns when the
    /// first caller has waited long enough.
    pub(super) fn sleep(&mut self, waker: &mut Option<Waker>) -> Option<Instant> {
        swap(&mut self.task, waker);
        self.alarm = self.earliest();
        self.alarm
    }

    fn earliest(&self) -> Option<Instant> {
        [self.deadlines.earliest(), self.room.earliest(), self.retiring.until()].into_iter().flatten().min()
    }

    /// All that was taken is written. Adds the callers whose one-way Commands were in it to `wakers`.
    #[inline]
    fn written(&mut self, wakers: &mut Vec<Waker>) {
        if self.posting.is_empty() {
            return;
        }
        for seq in self.posting.drain(..) {
            if let Some(Waiter::Posted { waker, .. }) = self.pending.remove(seq) {
                wakers.push(waker);
            }
        }
    }
}
