//! The table of one client connection: which calls wait, what is to be written, and why the connection ended. The callers
//! and the connection's task share it under one lock. It knows Replies, but no Protocol, no Format and no socket.
//!
//! `connection.rs` explains who wakes whom, and why no wake-up is lost. `models.rs` runs that in every order of the threads.
//!
//! # How a connection ends
//!
//! [`Table::fail`] ends it. Only the first call has an effect, so the first reason stays. The task calls it when the
//! connection is lost, or breaks a rule or a limit. [`Client::close`](crate::Client::close) calls it, and so does dropping
//! the last client, or the task when the runtime ends. It drops the output that the task has not taken, and wakes
//! everybody. Each call first gets the Replies that have arrived, and then the reason. The error says that the Command was
//! sent if the task had taken it for writing. The task sees the reason when it next looks for output, and then closes the
//! transport.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use super::limits::{Limits, Overflow};
use crate::connection::outbox::Scratch;
use crate::connection::{Outbox, Writer};
use crate::error::{Error, ErrorKind, Origin};
use crate::proto::frame::Seq;
use crate::proto::pending::Pending;
use crate::sync::{Mutex, MutexGuard, PoisonError};
use crate::transport::Peer;

#[cfg(all(test, cmd_stream_model))]
mod models;

/// What the callers and the task of one connection share. `R` is the type of the Replies.
pub(super) struct Table<R> {
    pub(super) limits: Limits,
    pub(super) peer: Peer,
    /// Notifies those who wait for the end of the connection. Models do not cover it: it is tokio's.
    on_closed: Notify,
    state: Mutex<State<R>>,
}

struct State<R> {
    pending: Pending<Waiter<R>>,
    outbox: Outbox,
    /// Wakes the connection's task, if it sleeps.
    task: Option<Waker>,
    /// Commands with seqs below this one may have reached the server.
    written_before: Seq,
    /// Why the connection ended.
    closed: Option<Error>,
    /// How many streams are full, with [`Overflow::Pause`]. Nothing is read until there are none.
    full_streams: usize,
    /// One-way Commands in the outbox. Their callers wait until they are written.
    posted: Vec<Seq>,
    /// One-way Commands that are being written.
    posting: Vec<Seq>,
}

/// What a Command is answered with. The functions say whether a Reply may answer the Command: it is of a type that the
/// Command declares, or the Protocol's failure.
pub(super) enum Expects<R> {
    Reply(fn(&R) -> bool),
    Stream(fn(&R) -> bool),
    /// It is one-way.
    Nothing,
}

/// A caller.
enum Waiter<R> {
    /// It waits for one Reply.
    Reply { accepts: fn(&R) -> bool, waker: Waker },
    /// Its Reply is here.
    Arrived(R),
    /// It reads a stream.
    Stream(Box<Queue<R>>),
    /// It waits until its one-way Command is written.
    Posted(Waker),
}

/// The Replies of a stream that nobody has read yet.
struct Queue<R> {
    accepts: fn(&R) -> bool,
    replies: VecDeque<R>,
    waker: Option<Waker>,
    state: QueueState,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum QueueState {
    /// More Replies may come.
    Open,
    /// It is full, and the connection is not read. It is counted in [`State::full_streams`].
    Pausing,
    /// The last Reply is here.
    Ended,
    /// A Reply came when it was full.
    Overflowed,
}

/// A Reply that has been decoded.
pub(super) struct Arrived<R> {
    pub(super) seq: Seq,
    pub(super) reply: R,
    /// Asked when it was decoded, as the user's code answers.
    pub(super) is_last: bool,
}

/// What is to be written next.
pub(super) enum Batch {
    /// The writer has it.
    Taken,
    Nothing,
    /// The callers have their turn first; the task has woken itself.
    Later,
}

impl<R> Table<R> {
    pub(super) fn new(limits: Limits, peer: Peer) -> Self {
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
        Self { limits, peer, on_closed: Notify::new(), state }
    }

    /// The lock is held for a few instructions. The code of a Protocol or of a Format never runs under it. Wakers are
    /// cloned under it, and one that a caller brought may panic; nothing has been changed at those points.
    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of callers in the table.
    pub(super) fn in_flight(&self) -> usize {
        self.lock().pending.len()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed.is_some()
    }

    /// Waits until the connection has ended, and returns the reason.
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

    /// Ends the connection on behalf of this side.
    pub(super) fn close(&self, message: &str) {
        self.fail(Error::new(ErrorKind::Closed, Origin::Local, message));
    }

    /// Ends the connection: all waiting calls and all later ones fail. The first reason stays.
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
            // The entries stay: each call takes its own out, and with it the Replies that have arrived.
            wakers.extend(state.pending.iter_mut().filter_map(|waiter| match waiter {
                // Taken, not cloned: a clone may panic, and nobody would be woken.
                Waiter::Reply { waker, .. } | Waiter::Posted(waker) => {
                    Some(std::mem::replace(waker, Waker::noop().clone()))
                }
                Waiter::Stream(queue) => queue.waker.take(),
                Waiter::Arrived(_) => None,
            }));
        }
        self.on_closed.notify_waiters();
        wakers.into_iter().for_each(Waker::wake);
        // Without the lock: what an error of a Format says is the user's code.
        let report = || tracing::debug!(peer = %self.peer, reason = format_args!("{reason:#}"), pending, "connection ended");
        let _ = catch_unwind(AssertUnwindSafe(report));
    }
}

/// For the callers.
impl<R> Table<R> {
    /// Puts a Command into the output and its caller into the table, once there is room. `encoded` is its frame without
    /// the seq; `turn` is what the outbox remembers of a caller that waits.
    ///
    /// # Errors
    ///
    /// The connection has ended, or the frame is over its limit. Nothing is sent.
    #[inline(always)] // every call passes here
    pub(super) fn poll_send(
        &self,
        encoded: &mut Scratch,
        turn: &mut Option<u64>,
        expects: Expects<R>,
        cx: &Context<'_>,
    ) -> Poll<Result<Seq, Error>> {
        let mut state = self.lock();
        if let Some(error) = state.closed.clone() {
            return Poll::Ready(Err(error));
        }
        let seq = state.pending.next_seq();
        let (len, limit) = (seq.wire_len() + encoded.len(), self.limits.frame);
        if len > limit {
            let message = format!("command of {len} bytes is over the limit of {limit} (`Limits::frame`)");
            return Poll::Ready(Err(Error::new(ErrorKind::Limit, Origin::Local, message)));
        }
        if state.outbox.is_full() {
            state.outbox.wait_for_room(cx.waker(), turn);
            return Poll::Pending;
        }
        // The entry and the frame come under one lock, so that no Reply can arrive before its caller is in the table, and
        // so that frames stand in the output in the order of their seqs: `written_before` relies on it.
        let waiter = match expects {
            Expects::Reply(accepts) => Waiter::Reply { accepts, waker: cx.waker().clone() },
            Expects::Stream(accepts) => Waiter::Stream(Box::new(Queue {
                accepts,
                replies: VecDeque::new(),
                waker: None,
                state: QueueState::Open,
            })),
            Expects::Nothing => Waiter::Posted(cx.waker().clone()),
        };
        // From here on nothing panics. Cloning a waker may, as it is the caller's: then nothing was changed.
        if let Waiter::Posted(_) = waiter {
            state.posted.push(seq);
        }
        state.pending.insert(waiter);
        state.outbox.append(|out| seq.encode(out), encoded);
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
        Poll::Ready(Ok(seq))
    }

    /// Takes the Reply of a call for one, and the call with it. When that fails, the call is out of the table, too.
    #[inline(always)] // every call passes here
    pub(super) fn poll_reply(&self, seq: Seq, cx: &Context<'_>) -> Poll<Result<R, Error>> {
        let mut state = self.lock();
        let failure = state.failure(seq);
        if failure.is_none()
            && let Some(Waiter::Reply { waker, .. }) = state.pending.get_mut(seq)
        {
            waker.clone_from(cx.waker());
            return Poll::Pending;
        }
        // A Reply that arrived before the connection ended is given.
        Poll::Ready(match state.pending.remove(seq) {
            Some(Waiter::Arrived(reply)) => Ok(reply),
            _ => Err(failure.unwrap_or_else(|| {
                Error::new(ErrorKind::Closed, Origin::Local, "the call was forgotten").into_sent()
            })),
        })
    }

    /// Ready when a one-way Command is written, or the connection has ended. Then the call is out of the table.
    pub(super) fn poll_written(&self, seq: Seq, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        let mut state = self.lock();
        let failure = state.failure(seq);
        match (state.pending.get_mut(seq), failure) {
            (Some(Waiter::Posted(waker)), None) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            (Some(_), Some(error)) => {
                state.pending.remove(seq);
                Poll::Ready(Err(error))
            }
            // The task has taken it out: it is written, whatever became of the connection afterwards.
            _ => Poll::Ready(Ok(())),
        }
    }

    /// The next Reply of a stream; nothing after the last one. The stream stays in the table until it is
    /// [forgotten](Self::forget).
    pub(super) fn poll_next(&self, seq: Seq, cx: &Context<'_>) -> Poll<Option<Result<R, Error>>> {
        let mut state = self.lock();
        let failure = state.failure(seq);
        let limit = self.limits.stream_replies;
        let Some(Waiter::Stream(queue)) = state.pending.get_mut(seq) else { return Poll::Ready(None) };
        if let Some(reply) = queue.replies.pop_front() {
            let has_room = queue.state == QueueState::Pausing && queue.replies.len() < limit;
            let task = if has_room {
                queue.state = QueueState::Open;
                state.resume()
            } else {
                None
            };
            drop(state);
            if let Some(task) = task {
                task.wake();
            }
            return Poll::Ready(Some(Ok(reply)));
        }
        match (queue.state, failure) {
            (QueueState::Ended, _) => Poll::Ready(None),
            (QueueState::Overflowed, _) => {
                let message = format!("over {limit} replies wait in the stream (`Limits::stream_replies`)");
                Poll::Ready(Some(Err(Error::new(ErrorKind::Limit, Origin::Local, message).into_sent())))
            }
            (_, Some(error)) => Poll::Ready(Some(Err(error))),
            (_, None) => {
                // Under the lock of the look: a Reply that lands from here on finds this waker.
                queue.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Takes a caller out. A Reply that comes for it later is unexpected.
    pub(super) fn forget(&self, seq: Seq) {
        let (waiter, task) = {
            let mut state = self.lock();
            let waiter = state.pending.remove(seq);
            // A full stream that nobody will read must not keep the connection from being read.
            let task = match &waiter {
                Some(Waiter::Stream(queue)) if queue.state == QueueState::Pausing => state.resume(),
                _ => None,
            };
            (waiter, task)
        };
        if let Some(task) = task {
            task.wake();
        }
        drop(waiter); // Replies in it are the user's, so their destructors run without the lock
    }
}

/// For the connection's task.
impl<R> Table<R> {
    /// Hands Replies to their callers, all under one lock. Whom to wake is added to `wakers`, what nobody waits for to
    /// `unexpected`. Returns whether the connection is to be read on.
    ///
    /// # Errors
    ///
    /// A Reply is of a type that its Command does not declare. The Replies before it are handed on.
    pub(super) fn complete(
        &self,
        arrived: &mut Vec<Arrived<R>>,
        wakers: &mut Vec<Waker>,
        unexpected: &mut Vec<(Seq, R)>,
    ) -> Result<bool, Error> {
        // Both are declared before the guard, so that they are dropped after it: the destructor of a Reply is the user's.
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
                Waiter::Reply { accepts, .. } => *accepts,
                Waiter::Stream(queue) => queue.accepts,
                Waiter::Arrived(_) | Waiter::Posted(_) => {
                    unexpected.push((seq, reply));
                    continue;
                }
            };
            if !accepts(&reply) {
                let message =
                    format!("the reply to command {seq} is of a type that the command does not declare");
                _refused = reply;
                return Err(Error::new(ErrorKind::Protocol, Origin::Remote, message));
            }
            if let Waiter::Stream(queue) = waiter {
                if let Err(reply) = queue.push(reply, is_last, &self.limits, &mut state.full_streams) {
                    unexpected.push((seq, reply));
                }
                wakers.extend(queue.waker.take());
            } else if let Waiter::Reply { waker, .. } = std::mem::replace(waiter, Waiter::Arrived(reply)) {
                wakers.push(waker);
            }
        }
        Ok(state.full_streams == 0)
    }

    /// Whether no full stream keeps the connection from being read. If one does, the task is woken when none does.
    pub(super) fn may_read(&self, cx: &Context<'_>) -> bool {
        let mut state = self.lock();
        if state.full_streams > 0 {
            state.task = Some(cx.waker().clone());
        }
        state.full_streams == 0
    }

    /// Loads what is to be written next into the writer, which is idle: all that was loaded before is written. If there
    /// is nothing, the task is woken when there is. `yielded` says whether the callers have had their turn since the last
    /// batch.
    ///
    /// # Errors
    ///
    /// Why the connection has ended.
    pub(super) fn next_batch(
        &self,
        writer: &mut Writer,
        yielded: &mut bool,
        cx: &Context<'_>,
    ) -> Result<Batch, Error> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if let Some(reason) = &state.closed {
            return Err(reason.clone());
        }
        let mut wakers = state.outbox.settle(0);
        state.written(&mut wakers);
        let batch = if state.outbox.is_empty() {
            state.task = Some(cx.waker().clone());
            Batch::Nothing
        } else if *yielded || state.pending.len() <= 1 {
            // With one call in flight there is nobody else who could add to the output.
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
        wakers.into_iter().for_each(Waker::wake);
        if matches!(batch, Batch::Later) {
            cx.waker().wake_by_ref();
        }
        Ok(batch)
    }

    /// Books how many bytes of the batch the server has not taken. The task is woken when there is something for it.
    ///
    /// # Errors
    ///
    /// Why the connection has ended.
    pub(super) fn book_unwritten(&self, bytes: usize, cx: &Context<'_>) -> Result<(), Error> {
        let wakers = {
            let mut state = self.lock();
            if let Some(reason) = &state.closed {
                return Err(reason.clone());
            }
            // A blocked write ends when the connection does, so the task must hear of that.
            state.task = Some(cx.waker().clone());
            state.outbox.settle(bytes)
        };
        wakers.into_iter().for_each(Waker::wake);
        Ok(())
    }
}

impl<R> State<R> {
    /// Why a call that waits fails, if the connection has ended.
    fn failure(&self, seq: Seq) -> Option<Error> {
        let error = self.closed.clone()?;
        Some(if seq < self.written_before { error.into_sent() } else { error })
    }

    /// All that was taken is written. Adds the callers whose one-way Commands were in it to `wakers`.
    #[inline]
    fn written(&mut self, wakers: &mut Vec<Waker>) {
        if self.posting.is_empty() {
            return;
        }
        for seq in self.posting.drain(..) {
            if let Some(Waiter::Posted(waker)) = self.pending.remove(seq) {
                wakers.push(waker);
            }
        }
    }

    /// One of the full streams has room again, or is gone. Returns the task's waker if nothing keeps the connection from
    /// being read any more. If the task has left none, it has not looked yet, and will find that it may read.
    fn resume(&mut self) -> Option<Waker> {
        self.full_streams -= 1;
        if self.full_streams == 0 { self.task.take() } else { None }
    }
}

impl<R> Queue<R> {
    /// Adds a Reply, or gives it back if the stream takes no more.
    fn push(&mut self, reply: R, is_last: bool, limits: &Limits, full_streams: &mut usize) -> Result<(), R> {
        match self.state {
            QueueState::Ended | QueueState::Overflowed => return Err(reply),
            QueueState::Open if self.replies.len() >= limits.stream_replies => {
                match limits.stream_overflow {
                    Overflow::Fail => {
                        self.state = QueueState::Overflowed;
                        return Err(reply);
                    }
                    // It is kept all the same: it has been read already.
                    Overflow::Pause => {
                        self.state = QueueState::Pausing;
                        *full_streams += 1;
                    }
                }
            }
            QueueState::Open | QueueState::Pausing => {}
        }
        if is_last {
            // Nothing more comes for this stream, so it need not keep the others waiting.
            if self.state == QueueState::Pausing {
                *full_streams -= 1;
            }
            self.state = QueueState::Ended;
        }
        self.replies.push_back(reply);
        Ok(())
    }
}
