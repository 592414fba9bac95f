//! One connection of a server as its Commands and its task share it: output, Commands in flight, how it is to end. Knows
//! no sockets, and nothing of the types of the Protocol.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker, ready};

use tokio::time::Instant;

use super::connection::Connection;
use super::control::Control;
use super::counters::{Counts, one};
use super::ending::Ending;
use super::limits::Limits;
use super::polling::{is_late, wake, wake_now};
use crate::connection::outbox::Scratch;
use crate::connection::{Outbox, wake_all};
use crate::error::{Error, ErrorKind, Origin};
use crate::proto::frame::Seq;
use crate::proto::in_flight::{InFlight, SeqRefused};
use crate::protocol::{Entry, Failed, FailedReason};
use crate::sync::atomic::{AtomicBool, Ordering::Relaxed};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the task of a connection and its Commands share.
///
/// Its lock is held for a few instructions, and never while user code runs. So nothing can poison it, and a Command can
/// send while another one of its connection computes.
pub(super) struct Line {
    pub(super) connection: Connection,
    pub(super) control: Arc<Control>,
    state: Mutex<State>,
}

/// What is known of a Command when it has arrived.
#[derive(Clone, Copy)]
pub(super) struct Arrival {
    pub(super) seq: Seq,
    pub(super) entry: &'static Entry,
    pub(super) is_one_way: bool,
    pub(super) received_at: Instant,
    /// Its bytes on the wire.
    pub(super) size: usize,
}

/// What is under the lock of a [`Line`].
pub(super) struct State {
    pub(super) outbox: Outbox,
    pub(super) in_flight: InFlight,
    /// The connection's task, if it sleeps; whoever has something for it takes this and wakes it.
    pub(super) task: Option<Waker>,
    /// The output has late Replies (see [`How`]); more of them may be about to come.
    pub(super) has_late_output: bool,
    pub(super) ending: Option<Ending>,
    /// Replies since the task last counted them.
    pub(super) replies: u64,
}

/// How a Reply is sent.
#[derive(Clone, Copy)]
pub(super) struct How {
    /// Not where its Command was decoded: there the connection's task writes it in any case.
    late: bool,
    /// The connection's task may be woken when the poll of the Command that sends is over.
    defers: bool,
    /// Whether somebody can wait for room.
    may_wait: bool,
}

/// A Reply on its way to the output.
pub(super) struct EncodedReply {
    bytes: Scratch,
    is_last: bool,
    /// Its turn among those that wait for room.
    turn: Option<u64>,
    /// Which Reply it is, if the Invoker is told.
    pub(super) entry: Option<&'static Entry>,
}

impl EncodedReply {
    /// What the Invoker is told of it when it is in the output: its entry, its size, and whether it is the last one.
    pub(super) fn to_tell(&self) -> Option<(&'static Entry, usize, bool)> {
        Some((self.entry?, self.bytes.len(), self.is_last))
    }
}

/// What became of a Reply.
pub(super) enum Sent {
    /// It is in the output. Or it is a `()`, of which nothing is sent.
    Done,
    /// It waits for room. Boxed, as almost none does, and each would move the room for it.
    Full(Box<EncodedReply>),
}

impl Line {
    pub(super) fn new(control: Arc<Control>, connection: Connection) -> Self {
        let limits = &control.limits;
        let state = Mutex::new(State {
            outbox: Outbox::new(limits.output),
            in_flight: InFlight::new(limits.in_flight, limits.in_flight_bytes),
            task: None,
            has_late_output: false,
            ending: None,
            replies: 0,
        });
        Self { connection, control, state }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.control.limits
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.control.counts
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the connection end. What was asked for before stays if it is as urgent.
    pub(super) fn end(&self, ending: Ending) {
        let task = {
            let mut state = self.lock();
            if ending.replaces(state.ending.as_ref()) {
                state.ending = Some(ending);
            }
            // Woken in any case: the task looks at the ending before it sleeps again.
            state.task.take()
        };
        wake_now(task);
    }

    /// Whether nothing more can be sent.
    pub(super) fn is_ending(&self) -> bool {
        self.lock().is_ending()
    }

    /// Lets nothing be sent any more. Returns how many Commands are left running.
    pub(super) fn close(&self, reason: &Error) -> usize {
        let (waiting, left) = {
            let mut state = self.lock();
            state.ending = Some(Ending::Now(reason.clone()));
            state.task = None; // a long Command that continues need not keep the task's memory
            self.control.tally.replied(std::mem::take(&mut state.replies));
            (state.outbox.clear(), state.in_flight.len())
        };
        // Told only now: a Command that hears of it and sends gets the reason, and does not wait for room.
        self.connection.end();
        wake_all(waiting);
        left
    }
}

/// Commands in flight.
impl Line {
    /// Whether a Command with this seq may begin.
    pub(super) fn admit(&self, seq: Seq) -> Result<(), SeqRefused> {
        self.lock().in_flight.check(seq)
    }

    /// Books a Command that goes on, or one more holder of it.
    pub(super) fn hold(&self, seq: Seq, size: usize) {
        // Counted before it is booked, so that a drain never sees too few.
        self.control.command_begins();
        let is_new = self.lock().in_flight.insert(seq, size);
        if !is_new {
            self.control.command_ends();
        }
    }

    /// Books that a holder of a Command is done with it.
    pub(super) fn release(&self, seq: Seq) {
        let (removed, task) = {
            let mut state = self.lock();
            let removed = state.in_flight.remove(seq);
            let drained = state.in_flight.is_empty() && state.ending.is_some();
            // Only then is there something to do: to read on, or to end.
            (removed, if removed.was_full || drained { state.task.take() } else { None })
        };
        wake_now(task);
        // Booked out of the connection first: when a drain sees no Command, the connection has none either.
        if removed.has_ended {
            self.control.command_ends();
        }
    }

    /// Lets nothing be sent for a Command any more. Returns whether its last Reply had been sent.
    ///
    /// Under the lock, as [`append`](Self::append) looks there: what it appends comes before this or not at all.
    pub(super) fn end_replies(&self, last_is_sent: &AtomicBool) -> bool {
        let _state = self.lock();
        last_is_sent.swap(true, Relaxed)
    }

    /// Counts and logs a failure that is answered, or ends the connection.
    pub(super) fn report_failed(&self, arrival: &Arrival, failed: &Failed) {
        one(&self.counts().failed);
        let is_panic = self.count_panic(failed);
        let (Arrival { seq, entry, .. }, peer) = (arrival, self.connection.peer());
        // What the error says is the user's code. What becomes of the connection must not depend on whether somebody
        // reads the log.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let (name, failed) = (entry.name, format_args!("{failed:#}"));
            if is_panic {
                tracing::error!(name, %seq, %peer, failed, "command panicked");
            } else if arrival.is_one_way {
                tracing::warn!(name, %seq, %peer, failed, "one-way command failed");
            } else {
                tracing::debug!(name, %seq, %peer, failed, "command failed");
            }
        }));
    }

    /// Counts and logs a failure that the client cannot be told, as it has the last Reply.
    pub(super) fn report_failed_too_late(&self, arrival: &Arrival, failed: &Failed) {
        one(&self.counts().failed_after_last_reply);
        self.count_panic(failed);
        let (Arrival { seq, entry, .. }, peer) = (arrival, self.connection.peer());
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let (name, failed) = (entry.name, format_args!("{failed:#}"));
            tracing::warn!(name, %seq, %peer, failed, "command failed after its last reply");
        }));
    }

    fn count_panic(&self, failed: &Failed) -> bool {
        let is_panic = failed.reason() == FailedReason::Panic;
        if is_panic {
            one(&self.counts().panicked);
        }
        is_panic
    }
}

/// The output.
impl Line {
    /// Appends the frame of a Reply if there is room.
    ///
    /// `last_is_sent` is asked, and told, under the lock: several threads may send for one Command, and nothing may follow
    /// its last Reply. A failure has none. What cannot wait is appended in any case.
    #[inline(always)] // almost all Replies take this way, and each call that is saved is 1 % of a round trip
    pub(super) fn append(
        &self,
        mut bytes: Scratch,
        is_last: bool,
        last_is_sent: Option<&AtomicBool>,
        how: How,
    ) -> Result<Sent, Error> {
        let task = {
            let mut state = self.lock();
            state.check_output()?;
            if let Some(last_is_sent) = last_is_sent {
                check_last(last_is_sent)?;
                if how.may_wait && state.outbox.is_full() {
                    return Ok(Sent::Full(Box::new(EncodedReply {
                        bytes,
                        is_last,
                        turn: None,
                        entry: None,
                    })));
                }
                if is_last {
                    last_is_sent.store(true, Relaxed);
                }
            }
            state.append(&mut bytes, how.late)
        };
        how.wake(task);
        Ok(Sent::Done)
    }

    /// Appends a Reply once there is room.
    pub(super) fn poll_append(
        &self,
        reply: &mut EncodedReply,
        last_is_sent: &AtomicBool,
        how: How,
        cx: &Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let task = {
            let mut state = self.lock();
            // All is asked anew: while it waited, the connection may have ended, or another thread sent the last Reply.
            ready!(state.poll_room(&mut reply.turn, last_is_sent, cx))?;
            if reply.is_last {
                last_is_sent.store(true, Relaxed);
            }
            state.append(&mut reply.bytes, how.late)
        };
        how.wake(task);
        Poll::Ready(Ok(()))
    }

    /// Waits for room. `turn` is as in [`EncodedReply`].
    pub(super) fn poll_ready(
        &self,
        turn: &mut Option<u64>,
        last_is_sent: &AtomicBool,
        cx: &Context<'_>,
    ) -> Poll<Result<(), Error>> {
        self.lock().poll_room(turn, last_is_sent, cx)
    }

    /// Appends a pong. The connection's task does it, so nobody need wake it.
    pub(super) fn answer_ping(&self) {
        let mut pong = Scratch::new();
        Seq::PING.encode(pong.buffer());
        self.lock().outbox.append(|_| {}, &mut pong);
        one(&self.counts().pings);
    }
}

impl How {
    /// By the Command itself.
    #[inline]
    pub(super) fn running() -> Self {
        Self { late: is_late(), defers: true, may_wait: true }
    }

    /// By somebody it was handed over to, who may be anywhere: in the middle of another Command, say.
    pub(super) fn handed() -> Self {
        Self { late: is_late(), defers: false, may_wait: true }
    }

    /// By the connection's task, of a Command that it does not start.
    pub(super) fn refusing() -> Self {
        Self { late: false, defers: false, may_wait: false }
    }

    /// The same, but whether there is room or not.
    pub(super) fn at_once(self) -> Self {
        Self { may_wait: false, ..self }
    }

    fn wake(self, task: Option<Waker>) {
        if self.defers { wake(task) } else { wake_now(task) }
    }
}

impl State {
    /// Whether nothing more can be sent.
    pub(super) fn is_ending(&self) -> bool {
        self.ending.as_ref().is_some_and(|ending| ending.reason().is_some())
    }

    /// Whether nothing is in flight, in either direction.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.outbox.is_empty()
    }

    /// Whether no further Command may be read now.
    pub(super) fn is_paused(&self) -> bool {
        self.in_flight.is_full() || self.outbox.is_full()
    }

    /// Whether something can still be sent; else why not.
    #[inline]
    fn check_output(&self) -> Result<(), Error> {
        match self.ending.as_ref().and_then(Ending::reason) {
            Some(reason) => Err(reason.clone()),
            None => Ok(()),
        }
    }

    /// Waits until there is room in the output.
    fn poll_room(
        &mut self,
        turn: &mut Option<u64>,
        last_is_sent: &AtomicBool,
        cx: &Context<'_>,
    ) -> Poll<Result<(), Error>> {
        self.check_output()?;
        check_last(last_is_sent)?;
        if self.outbox.is_full() {
            self.outbox.wait_for_room(cx.waker(), turn);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Appends a Reply to the output. Returns the task to wake.
    #[inline]
    fn append(&mut self, bytes: &mut Scratch, late: bool) -> Option<Waker> {
        self.outbox.append(|_| {}, bytes);
        self.replies += 1;
        self.has_late_output |= late;
        self.task.take()
    }
}

/// Whether a Command may send something more; else why not. Asked under the lock, where it is told, too.
#[inline]
fn check_last(last_is_sent: &AtomicBool) -> Result<(), Error> {
    if last_is_sent.load(Relaxed) {
        return Err(Error::new(ErrorKind::Protocol, Origin::Local, "a reply after the last one"));
    }
    Ok(())
}
