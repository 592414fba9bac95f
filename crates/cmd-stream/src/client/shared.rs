//! One connection of a client as its callers and its task share it: who waits, what is to be written, why it ended.
//! Knows no sockets.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Waker;

use tokio::sync::Notify;

use super::OnUnexpected;
use super::limits::{Limits, Overflow};
use crate::connection::Outbox;
use crate::error::{Error, ErrorKind, Origin};
use crate::proto::frame::Seq;
use crate::proto::pending::Pending;
use crate::protocol::Protocol;
use crate::sync::{Mutex, MutexGuard, PoisonError};
use crate::transport::Peer;

/// What the callers and the task of one connection share.
pub(super) struct Shared<P: Protocol, F> {
    pub(super) format: F,
    pub(super) limits: Limits,
    pub(super) on_unexpected: Option<OnUnexpected<P::Reply>>,
    pub(super) peer: Peer,
    on_closed: Notify,
    state: Mutex<State<P::Reply>>,
}

pub(super) struct State<R> {
    pub(super) pending: Pending<Waiter<R>>,
    pub(super) outbox: Outbox,
    /// The connection's task, if it sleeps; whoever has something for it takes this and wakes it.
    pub(super) task: Option<Waker>,
    /// Commands with seqs below this one may have reached the server.
    pub(super) written_before: Seq,
    /// Why the connection ended.
    pub(super) closed: Option<Error>,
    /// Streams that are full, with [`Overflow::Pause`]: nothing is read until there are none.
    pub(super) full_streams: usize,
    /// One-way Commands in the outbox, whose callers wait until they are written.
    pub(super) posted: Vec<Seq>,
    /// Those that are being written.
    pub(super) posting: Vec<Seq>,
}

/// A Reply that has been decoded.
pub(super) struct Arrived<R> {
    pub(super) seq: Seq,
    pub(super) reply: R,
    /// Asked when it was decoded, as the user's code answers.
    pub(super) is_last: bool,
}

/// A caller.
pub(super) enum Waiter<R> {
    /// It waits for one Reply.
    One { accepts: fn(&R) -> bool, waker: Waker },
    /// Its Reply is here.
    Arrived(R),
    /// It reads a stream.
    Many(Box<Queue<R>>),
    /// It waits until its one-way Command is written.
    Posted(Waker),
}

/// The Replies of a stream that nobody has read yet.
pub(super) struct Queue<R> {
    pub(super) accepts: fn(&R) -> bool,
    pub(super) replies: VecDeque<R>,
    pub(super) waker: Option<Waker>,
    pub(super) state: QueueState,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum QueueState {
    /// More Replies may come.
    Open,
    /// It is full, and the connection is not read.
    Pausing,
    /// The last Reply is here.
    Ended,
    /// A Reply came when it was full.
    Overflowed,
}

impl<R> State<R> {
    /// Why a call that waits fails, if the connection has ended.
    pub(super) fn failure(&self, seq: Seq) -> Option<Error> {
        let error = self.closed.clone()?;
        Some(if seq < self.written_before { error.into_sent() } else { error })
    }

    /// Takes a caller out, and lets the connection be read again if it stood in its way.
    pub(super) fn remove(&mut self, seq: Seq) -> (Option<Waiter<R>>, Option<Waker>) {
        let waiter = self.pending.remove(seq);
        let task = match &waiter {
            Some(Waiter::Many(queue)) if queue.state == QueueState::Pausing => self.resume(),
            _ => None,
        };
        (waiter, task)
    }

    /// All that was taken is written. Adds the callers whose one-way Commands were in it to `wakers`.
    #[inline]
    pub(super) fn written(&mut self, wakers: &mut Vec<Waker>) {
        if self.posting.is_empty() {
            return;
        }
        for seq in self.posting.drain(..) {
            if let Some(Waiter::Posted(waker)) = self.pending.remove(seq) {
                wakers.push(waker);
            }
        }
    }

    /// One of the full streams has room again. Returns the task to wake.
    pub(super) fn resume(&mut self) -> Option<Waker> {
        self.full_streams -= 1;
        if self.full_streams == 0 { self.task.take() } else { None }
    }
}

impl<P: Protocol, F> Shared<P, F> {
    pub(super) fn new(
        format: F,
        limits: Limits,
        on_unexpected: Option<OnUnexpected<P::Reply>>,
        peer: Peer,
    ) -> Self {
        let state = Mutex::new(State {
            pending: Pending::default(),
            outbox: Outbox::new(limits.output),
            task: None,
            written_before: Seq::FIRST,
            closed: None,
            full_streams: 0,
            posted: Vec::new(),
            posting: Vec::new(),
        });
        Self { format, limits, on_unexpected, peer, on_closed: Notify::new(), state }
    }

    /// The lock is held for a few instructions, and never while user code runs, so that nothing can poison it.
    pub(super) fn lock(&self) -> MutexGuard<'_, State<P::Reply>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn close(&self, message: &str) {
        self.fail(Error::new(ErrorKind::Closed, Origin::Local, message));
    }

    /// Ends the connection: every call that waits fails, every later one too. The first reason stays.
    pub(super) fn fail(&self, reason: Error) {
        let (mut wakers, pending);
        {
            let mut state = self.lock();
            if state.closed.is_some() {
                return;
            }
            state.closed = Some(reason.clone());
            pending = state.pending.len();
            wakers = state.outbox.clear();
            wakers.extend(state.task.take());
            wakers.extend(state.pending.iter_mut().filter_map(|waiter| match waiter {
                Waiter::One { waker, .. } | Waiter::Posted(waker) => Some(waker.clone()),
                Waiter::Many(queue) => queue.waker.take(),
                Waiter::Arrived(_) => None,
            }));
        }
        self.on_closed.notify_waiters();
        wakers.into_iter().for_each(Waker::wake);
        // Without the lock: what an error of a Format says is the user's code.
        let report = || tracing::debug!(peer = %self.peer, reason = format_args!("{reason:#}"), pending, "connection ended");
        let _ = catch_unwind(AssertUnwindSafe(report));
    }

    pub(super) async fn closed(&self) -> Error {
        loop {
            let mut notified = pin!(self.on_closed.notified());
            // Registered before the look, or an end between the two would be missed.
            notified.as_mut().enable();
            if let Some(reason) = self.lock().closed.clone() {
                return reason;
            }
            notified.await;
        }
    }

    /// Hands Replies to their callers, all under one lock. Whom to wake is added to `wakers`, what nobody waits for to
    /// `unexpected`. Returns whether the connection is to be read on.
    ///
    /// # Errors
    ///
    /// A Reply is of a type that its Command does not declare. The Replies before it are handed on.
    pub(super) fn complete(
        &self,
        arrived: &mut Vec<Arrived<P::Reply>>,
        wakers: &mut Vec<Waker>,
        unexpected: &mut Vec<(Seq, P::Reply)>,
    ) -> Result<bool, Error> {
        // Both are dropped after the guard: the destructor of a Reply is the user's.
        let mut arrived = arrived.drain(..);
        let _refused;
        let mut guard = self.lock();
        let state = &mut *guard;
        for Arrived { seq, reply, is_last } in arrived.by_ref() {
            let Some(waiter) = state.pending.get_mut(seq) else {
                unexpected.push((seq, reply));
                continue;
            };
            let accepts = match &waiter {
                Waiter::One { accepts, .. } => *accepts,
                Waiter::Many(queue) => queue.accepts,
                Waiter::Arrived(_) | Waiter::Posted(_) => {
                    unexpected.push((seq, reply));
                    continue;
                }
            };
            if !P::is_failure(&reply) && !accepts(&reply) {
                let message =
                    format!("the reply to command {seq} is of a type that the command does not declare");
                _refused = reply;
                return Err(Error::new(ErrorKind::Protocol, Origin::Remote, message));
            }
            let Waiter::Many(queue) = waiter else {
                if let Waiter::One { waker, .. } = std::mem::replace(waiter, Waiter::Arrived(reply)) {
                    wakers.push(waker);
                }
                continue;
            };
            match queue.state {
                QueueState::Ended | QueueState::Overflowed => {
                    unexpected.push((seq, reply));
                    continue;
                }
                QueueState::Open if queue.replies.len() >= self.limits.stream_replies => {
                    match self.limits.stream_overflow {
                        Overflow::Fail => {
                            queue.state = QueueState::Overflowed;
                            unexpected.push((seq, reply));
                            wakers.extend(queue.waker.take());
                            continue;
                        }
                        Overflow::Pause => {
                            queue.state = QueueState::Pausing;
                            state.full_streams += 1;
                        }
                    }
                }
                QueueState::Open | QueueState::Pausing => {}
            }
            if is_last {
                if queue.state == QueueState::Pausing {
                    state.full_streams -= 1;
                }
                queue.state = QueueState::Ended;
            }
            queue.replies.push_back(reply);
            wakers.extend(queue.waker.take());
        }
        Ok(state.full_streams == 0)
    }
}
