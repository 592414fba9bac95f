//! The table of a client: which calls wait, what is to be written, and whether there is a connection. The callers and the
//! client's task share it under one lock. It knows Replies, but no Protocol, no Format and no socket. It outlives
//! connections: seqs go on counting.
//!
//! `connection.rs` explains who wakes whom, and why no wake-up is lost. `models.rs` runs that in every order of the threads.
//!
//! # How a connection ends, and how a client does
//!
//! [`Table::lose`] ends a connection, if there may be another one. Calls whose Commands the task had taken for writing fail
//! with the reason, as sent. What was half written counts as written. The others stay in the table, and their frames in the
//! output, for the next connection. If there is none in time, [`Table::give_up`] fails them as not sent, and all new calls
//! at once, until [`Table::up`].
//!
//! [`Table::fail`] ends the client. Only the first call has an effect, so the first reason stays. The task calls it when
//! the connection is lost and there is no other. [`Client::close`](crate::Client::close) calls it, and so does dropping the
//! last client, or the task when the runtime ends.
//!
//! All of them wake everybody who is concerned. Each call first gets the Replies that have arrived, and then the reason. The
//! task sees the reason when it next looks for output, and then closes the transport.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::counters::{Counts, add, count_lost};
use super::health::Health;
use super::limits::Limits;
use super::link::{Link, LinkCell};
use super::notices::Notices;
use crate::connection::outbox::Scratch;
use crate::connection::woken;
use crate::connection::{Outbox, Writer, wake_all};
use crate::error::{Error, ErrorKind, Origin, drop_contained};
use crate::proto::frame::Seq;
use crate::proto::minima::Minima;
use crate::proto::pending::Pending;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};
use crate::sync::{Arc, Mutex, MutexGuard, lock_often};
use crate::transport::Peer;

mod abandoned;
mod deadlines;
mod ends;
mod handed_back;
#[cfg(all(test, cmd_stream_model))]
mod models;
mod peers;
mod queue;
mod retire;
mod room;
mod task;
#[cfg(all(test, not(cmd_stream_model)))]
mod wakers;

pub(crate) use deadlines::Waited;
use handed_back::HandedBack;
use peers::Peers;
pub(crate) use queue::Unread;
use queue::{Queue, QueueState};
use retire::Retiring;
use room::{Room, Takes};
pub(super) use task::{Arrived, Batch};

/// What the callers and the task of one client share. `R` is the type of the Replies.
pub(crate) struct Table<R> {
    pub(super) limits: Limits,
    /// How long a call may take that does not say so itself.
    pub(crate) timeout: Duration,
    pub(super) counts: Counts,
    pub(super) notices: Notices,
    pub(super) link: Arc<LinkCell>,
    /// For those who choose among several clients.
    pub(super) health: Arc<Health>,
    /// Calls that were not sent fail at once when there is no connection, and get their Commands back: somebody else may send
    /// them.
    hands_back: bool,
    began: Instant,
    /// When Replies were last read, in nanoseconds since it began.
    read_at: AtomicU64,
    state: Mutex<State<R>>,
}

struct State<R> {
    pending: Pending<Waiter<R>>,
    outbox: Outbox,
    room: Room,
    /// Wakes the client's task, if it sleeps.
    task: Option<Waker>,
    /// Commands with seqs below this one may have reached the server, or went down with an earlier connection.
    written_before: Seq,
    /// Why nothing can be sent: the client has ended, or there has been no connection for too long.
    refuses: Option<Error>,
    /// Why the client has ended.
    closed: Option<Error>,
    /// The connection is to be replaced by another one.
    retiring: Retiring,
    peers: Peers,
    /// How many streams are full, with [`Overflow::Pause`](super::Overflow::Pause). Nothing is read until there are none.
    full_streams: usize,
    /// One-way Commands in the outbox. Their callers wait until they are written.
    posted: Vec<Seq>,
    /// One-way Commands that are being written.
    posting: Vec<Seq>,
    /// A ping goes out with the next batch.
    ping: bool,
    /// Calls in the table that nobody waits for any more. The server still has their Commands, or would get them.
    abandoned: usize,
    /// The bytes of those that are not written yet. They are taken out of the outbox before it is written.
    abandoned_bytes: usize,
    /// When callers in the table have waited long enough, by their seqs.
    deadlines: Minima<Instant>,
    /// When the task wakes by itself for the earliest of all deadlines, at the latest.
    alarm: Option<Instant>,
}

/// What a Command is answered with. The functions say whether a Reply may answer the Command: it is of a type that the
/// Command declares, or the Protocol's failure.
pub(crate) enum Expects<R> {
    Reply(fn(&R) -> bool),
    Stream(fn(&R) -> bool),
    /// It is one-way.
    Nothing,
}

/// A caller. `len` is the length of its Command, `deadline` until when it waits.
enum Waiter<R> {
    /// It waits for one Reply.
    Reply { accepts: fn(&R) -> bool, waker: Waker, len: u32, deadline: Option<Instant> },
    /// Its Reply is here. `size` is that of its frame.
    Arrived { reply: R, size: u32 },
    /// It reads a stream.
    Stream(Box<Queue<R>>),
    /// It waits until its one-way Command is written.
    Posted { waker: Waker, len: u32, deadline: Option<Instant> },
    /// It has failed, and has not been told yet.
    Failed(Error),
    /// As `Failed`, and its Command was not sent.
    HandedBack(Box<HandedBack>),
    /// Nobody waits any more. `is_call`: the Command will be answered.
    Abandoned { len: u32, is_call: bool },
}

impl<R> Table<R> {
    pub(super) fn new(
        limits: Limits,
        timeout: Duration,
        link: Link,
        member: Option<(Arc<Health>, bool)>,
    ) -> Self {
        let mut peers = Peers::default();
        if let Link::Up(peer) = &link {
            peers.add(Seq::FIRST, peer.clone());
        }
        let state = Mutex::new(State {
            pending: Pending::default(),
            outbox: Outbox::new(limits.output),
            room: Room::new(limits.in_flight, limits.in_flight_bytes, limits.output),
            task: None,
            written_before: Seq::FIRST,
            refuses: None,
            closed: None,
            retiring: if let Link::Up(_) = link { Retiring::Connected } else { Retiring::NotConnected },
            peers,
            full_streams: 0,
            posted: Vec::new(),
            posting: Vec::new(),
            ping: false,
            abandoned: 0,
            abandoned_bytes: 0,
            deadlines: Minima::default(),
            alarm: None,
        });
        let (counts, notices) = (Counts::default(), Notices::default());
        let (health, hands_back) = member.unwrap_or_default();
        if let Link::Up(_) = link {
            add(&counts.connected, 1);
            health.set_takes_calls(true);
        }
        let (link, began, read_at) = (Arc::new(LinkCell::new(link)), Instant::now(), AtomicU64::new(0));
        Self { limits, timeout, counts, notices, link, health, hands_back, began, read_at, state }
    }

    /// Replies have been read, and are handed on next.
    #[inline]
    pub(super) fn reads_at(&self, now: Instant) {
        self.read_at.store((now - self.began).as_nanos() as u64, Relaxed);
    }

    /// When Replies were last read: for a call with a Reply not before that was.
    #[inline]
    pub(crate) fn read_at(&self) -> Instant {
        self.began + Duration::from_nanos(self.read_nanos())
    }

    /// When Replies were last read, in nanoseconds since it began.
    #[inline]
    pub(crate) fn read_nanos(&self) -> u64 {
        self.read_at.load(Relaxed)
    }

    /// The lock is held for a few instructions, and for longer only when a connection is lost, or abandoned Commands are taken
    /// out of the output. No code of the user's runs under it: not that of a Protocol or a Format, no destructor, and none of
    /// a waker, which may own a task that owns a call of this very client. A waker is cloned before, and dropped or woken
    /// after. `Waker::will_wake` only compares two pointers, and `Waker::noop` has no code.
    fn lock(&self) -> MutexGuard<'_, State<R>> {
        lock_often(&self.state)
    }

    /// Returns the number of callers in the table.
    pub(super) fn in_flight(&self) -> usize {
        let state = self.lock();
        state.pending.len() - state.abandoned
    }
}

/// For the callers.
impl<R> Table<R> {
    /// Puts a Command into the output and its caller into the table, once there is room. `encoded` is its frame without
    /// the seq; `turn` is what the table remembers of a caller that waits.
    ///
    /// # Errors
    ///
    /// The client has ended, or has no connection, or the frame is over its limit. Nothing is sent.
    #[inline(always)] // every call passes here
    pub(crate) fn poll_send(
        &self,
        encoded: &mut Scratch,
        turn: &mut Option<Seq>,
        expects: Expects<R>,
        deadline: Option<Instant>,
        cx: &Context<'_>,
    ) -> Poll<Result<Seq, Error>> {
        let mut waker = Some(cx.waker().clone());
        let mut guard = self.lock();
        let state = &mut *guard;
        if let Some(error) = state.refuses.clone() {
            return Poll::Ready(Err(error));
        }
        let seq = state.pending.next_seq();
        let (len, limit) = (seq.wire_len() + encoded.len(), self.limits.frame);
        if len > limit {
            // It may have waited: the seq was shorter then.
            let mut wakers = Vec::new();
            if let Some(turn) = turn.take() {
                state.room.leave(turn, state.outbox.len(), &mut wakers);
            }
            drop(guard);
            wake_all(wakers);
            add(&self.counts.over_frame_limit, 1);
            self.notices.over_frame_limit(len);
            let message = format!("command of {len} bytes is over the limit of {limit} (`Limits::frame`)");
            return Poll::Ready(Err(Error::new(ErrorKind::Limit, Origin::Local, message)));
        }
        let takes = Takes { bytes: len, is_call: !matches!(expects, Expects::Nothing) };
        let has_waited = turn.is_some();
        if !state.room.admits(takes, state.outbox.len(), turn, deadline, &mut waker) {
            let task = state.alarm_for(deadline);
            drop(guard);
            wake(task);
            if !has_waited {
                add(&self.counts.room_waits, 1);
                self.notices.waits_for_room();
            }
            return Poll::Pending;
        }
        if has_waited {
            woken::one_runs();
        }
        // The entry and the frame come under one lock, so that no Reply can arrive before its caller is in the table, and
        // so that frames stand in the output in the order of their seqs: `written_before` relies on it.
        let len = len as u32; // `Limits::frame` is at most `u32::MAX`
        let waker = waker.expect("only a caller that waits for room leaves it there");
        let waiter = match expects {
            Expects::Reply(accepts) => Waiter::Reply { accepts, waker, len, deadline },
            Expects::Stream(accepts) => {
                let mut queue = Queue::new(accepts, len, deadline);
                queue.waker = Some(waker);
                Waiter::Stream(Box::new(queue))
            }
            Expects::Nothing => Waiter::Posted { waker, len, deadline },
        };
        if let Waiter::Posted { .. } = waiter {
            state.posted.push(seq);
        }
        state.room.take(takes);
        self.health.set_in_flight(state.room.calls);
        self.health.set_sent(seq.get());
        state.pending.insert(waiter);
        state.outbox.append(|out| seq.encode(out), encoded);
        if let Some(deadline) = deadline {
            state.note(seq, deadline);
        }
        let task = state.task.take();
        drop(guard);
        wake(task);
        Poll::Ready(Ok(seq))
    }

    /// A caller that waits for room has gone.
    pub(crate) fn leave(&self, turn: Seq) {
        let mut wakers = Vec::new();
        {
            let mut guard = self.lock();
            let state = &mut *guard;
            state.room.leave(turn, state.outbox.len(), &mut wakers);
        }
        wake_all(wakers);
    }

    /// Takes the Reply of a call for one, with the size of its frame, and the call with it. When that fails, the call is out of the table, too, unless
    /// its Command is [handed back](Self::take_back).
    #[inline(always)] // every call passes here
    pub(crate) fn poll_reply(
        &self,
        seq: Seq,
        deadline: Option<Instant>,
        cx: &Context<'_>,
    ) -> Poll<Result<(R, u32), Error>> {
        let mut renewed = Renewed::default();
        let mut state = loop {
            let mut state = self.lock();
            match state.pending.get_mut(seq) {
                Some(Waiter::Reply { waker, deadline: noted, .. }) => {
                    if renewed.takes_place_of(waker, cx) {
                        *noted = deadline;
                        return self.time_out_or_wait(state, seq, deadline).map(Err);
                    }
                }
                Some(Waiter::Stream(_)) => return Poll::Ready(self.take_first(state, seq)),
                _ => break state,
            }
            drop(state);
            renewed.clone_of(cx);
        };
        woken::one_runs();
        if let Some(Waiter::HandedBack(back)) = state.pending.get_mut(seq) {
            return Poll::Ready(Err(back.error.clone()));
        }
        Poll::Ready(match state.pending.remove(seq) {
            Some(Waiter::Arrived { reply, size }) => Ok((reply, size)),
            Some(Waiter::Failed(error)) => Err(error),
            _ => Err(forgotten()),
        })
    }

    /// Takes the first Reply of several. The others will come for nobody; until the last one the server has the Command.
    #[cold]
    fn take_first(&self, mut state: MutexGuard<'_, State<R>>, seq: Seq) -> Result<(R, u32), Error> {
        let first = match state.pending.get_mut(seq) {
            Some(Waiter::Stream(queue)) => queue.pop(),
            _ => None,
        };
        let mut wakers = Vec::new();
        let waiter = state.abandon(seq, &mut wakers);
        drop(state);
        wake_all(wakers);
        drop_contained(waiter); // the Replies in it are the user's, and so is the waker
        first.ok_or_else(forgotten)
    }

    /// Ready when a one-way Command is written, or cannot be any more. Then the call is out of the table, unless its Command
    /// is [handed back](Self::take_back).
    pub(crate) fn poll_written(
        &self,
        seq: Seq,
        deadline: Option<Instant>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let mut renewed = Renewed::default();
        let mut state = loop {
            let mut state = self.lock();
            let Some(Waiter::Posted { waker, deadline: noted, .. }) = state.pending.get_mut(seq) else {
                break state;
            };
            if renewed.takes_place_of(waker, cx) {
                *noted = deadline;
                return self.time_out_or_wait(state, seq, deadline).map(Err);
            }
            drop(state);
            renewed.clone_of(cx);
        };
        if let Some(Waiter::HandedBack(back)) = state.pending.get_mut(seq) {
            return Poll::Ready(Err(back.error.clone()));
        }
        Poll::Ready(match state.pending.remove(seq) {
            Some(Waiter::Failed(error)) => Err(error),
            // The task has taken it out: it is written, whatever became of the connection afterwards.
            _ => Ok(()),
        })
    }

    /// The next Reply of a stream, with the size of its frame; nothing after the last one. The stream stays in the table until it is
    /// [forgotten](Self::forget).
    pub(crate) fn poll_next(
        &self,
        seq: Seq,
        deadline: Option<Instant>,
        cx: &Context<'_>,
    ) -> Poll<Option<Result<(R, u32), Error>>> {
        self.poll_next_by(seq, deadline, None, Renewed::default(), cx)
    }

    /// The same, but some of the Replies behind it come along, without another look at the table.
    #[inline]
    pub(crate) fn poll_some(
        &self,
        seq: Seq,
        deadline: Option<Instant>,
        unread: &mut Unread<R>,
        cx: &Context<'_>,
    ) -> Poll<Option<Result<(R, u32), Error>>> {
        match unread.pop() {
            Some(next) => Poll::Ready(Some(Ok(next))),
            None => self.poll_next_by(seq, deadline, Some(unread), Renewed::default(), cx),
        }
    }

    fn poll_next_by(
        &self,
        seq: Seq,
        deadline: Option<Instant>,
        mut unread: Option<&mut Unread<R>>,
        mut renewed: Renewed,
        cx: &Context<'_>,
    ) -> Poll<Option<Result<(R, u32), Error>>> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(Waiter::Stream(queue)) = state.pending.get_mut(seq) else { return Poll::Ready(None) };
        let next = match &mut unread {
            Some(unread) => queue.pop_some(unread, &self.limits),
            None => queue.pop(),
        };
        if let Some(reply) = next {
            let task = if queue.has_room_again(&self.limits) {
                queue.state = QueueState::Open;
                state.resume()
            } else {
                None
            };
            drop(guard);
            wake(task);
            return Poll::Ready(Some(Ok(reply)));
        }
        match &queue.state {
            QueueState::Ended => Poll::Ready(None),
            QueueState::Overflowed { by_bytes, .. } => {
                let message = match self.limits.stream_replies {
                    Some(most) if !by_bytes => {
                        format!("over {most} replies wait in the stream (`Limits::stream_replies`)")
                    }
                    _ => {
                        let most = self.limits.stream_bytes;
                        format!("over {most} bytes of replies wait in the stream (`Limits::stream_bytes`)")
                    }
                };
                Poll::Ready(Some(Err(Error::new(ErrorKind::Limit, Origin::Local, message).into_sent())))
            }
            QueueState::Failed(error) => Poll::Ready(Some(Err(error.clone()))),
            QueueState::Open | QueueState::Pausing => {
                // Under the lock of the look: a Reply that lands from here on finds this waker.
                let waker = queue.waker.get_or_insert_with(|| Waker::noop().clone());
                if !renewed.takes_place_of(waker, cx) {
                    drop(guard);
                    renewed.clone_of(cx);
                    return self.poll_next_by(seq, deadline, unread, renewed, cx);
                }
                queue.deadline = deadline;
                woken::one_runs(); // it was woken once for all that it has read since it last waited
                self.time_out_or_wait(guard, seq, deadline).map(|error| Some(Err(error)))
            }
        }
    }

    /// Takes a caller out. A Reply that comes for it later is unexpected. A Command that is not written yet is not sent.
    pub(crate) fn forget(&self, seq: Seq) {
        let mut wakers = Vec::new();
        let waiter = {
            let mut guard = self.lock();
            let state = &mut *guard;
            let is_unanswered = match state.pending.get_mut(seq) {
                Some(Waiter::Reply { .. } | Waiter::Posted { .. }) => true,
                Some(Waiter::Stream(queue)) => queue.is_in_flight(),
                _ => false,
            };
            if is_unanswered {
                add(&self.counts.cancelled, 1);
            }
            let waiter = state.abandon(seq, &mut wakers);
            self.health.set_in_flight(state.room.calls);
            waiter
        };
        wake_all(wakers);
        drop_contained(waiter); // Replies in it are the user's, so their destructors run without the lock
    }
}

/// The waker of a caller that is polled again: cloned if it is another one than before, and not under the lock.
#[derive(Default)]
struct Renewed(Option<Waker>);

impl Renewed {
    /// Makes the waker that the caller has left wake it. Returns false if that takes a [clone](Self::clone_of).
    #[inline]
    fn takes_place_of(&mut self, left: &mut Waker, cx: &Context<'_>) -> bool {
        if left.will_wake(cx.waker()) {
            return true;
        }
        let Some(renewed) = &mut self.0 else { return false };
        std::mem::swap(left, renewed); // what was left is dropped without the lock
        true
    }

    #[cold]
    fn clone_of(&mut self, cx: &Context<'_>) {
        self.0 = Some(cx.waker().clone());
    }
}

impl<R> State<R> {
    /// One of the full streams has room again, or is gone. Returns the task's waker if nothing keeps the connection from
    /// being read any more. If the task has left none, it has not looked yet, and will find that it may read.
    fn resume(&mut self) -> Option<Waker> {
        self.full_streams -= 1;
        if self.full_streams == 0 { self.task.take() } else { None }
    }
}

/// Wakes the client's task, if it sleeps.
fn wake(task: Option<Waker>) {
    if let Some(task) = task {
        task.wake();
    }
}

#[cold]
fn forgotten() -> Error {
    Error::new(ErrorKind::Closed, Origin::Local, "the call was forgotten").into_sent()
}
