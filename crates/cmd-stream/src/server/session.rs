//! One connection of a server as its Commands and its task share it: output, Commands in flight, how it is to end.
//! Knows no sockets.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};

use super::connection::Connection;
use super::control::Control;
use super::counters::{Counts, add, one};
use super::execute::ServerProtocol;
use super::execution::{is_late, wake, wake_now};
use super::limits::Limits;
use super::link::{EncodedReply, Sent};
use super::pace::Pace;
use crate::connection::Outbox;
use crate::connection::outbox::Scratch;
use crate::error::{Error, ErrorKind, Origin};
use crate::format::Format;
use crate::proto::frame::Seq;
use crate::proto::in_flight::{InFlight, SeqRefused};
use crate::protocol::{Entry, Failed, FailedReason};

/// What all connections of a server share.
pub(crate) struct Service<P, F, R, I> {
    pub(crate) protocol: PhantomData<fn() -> P>,
    pub(crate) format: F,
    pub(crate) receiver: R,
    pub(crate) invoker: I,
    pub(crate) limits: Limits,
    pub(crate) counts: Arc<Counts>,
    /// One for each Command of the Protocol.
    pub(crate) paces: Box<[Pace]>,
}

/// What one connection's task and its Commands share.
pub(crate) struct Session<P, F, R, I> {
    pub(crate) service: Arc<Service<P, F, R, I>>,
    pub(crate) connection: Connection,
    pub(crate) control: Arc<Control>,
    state: Mutex<State>,
}

/// Which Command something is about.
#[derive(Clone, Copy)]
pub(crate) struct Subject {
    pub(crate) seq: Seq,
    pub(crate) entry: &'static Entry,
    pub(crate) is_one_way: bool,
}

/// How a Reply is sent.
#[derive(Clone, Copy)]
pub(crate) struct How {
    /// Not where its Command was decoded; see [`State::has_late_output`].
    pub(crate) late: bool,
    /// The connection's task may be woken when the poll of the Command that sends is over.
    pub(crate) defers: bool,
    /// Whether somebody can wait for room.
    pub(crate) may_wait: bool,
}

impl How {
    /// By the Command itself.
    #[inline]
    pub(crate) fn running() -> Self {
        Self { late: is_late(), defers: true, may_wait: true }
    }

    /// By somebody it was handed over to, who may be anywhere: in the middle of another Command, say.
    pub(crate) fn handed() -> Self {
        Self { late: is_late(), defers: false, may_wait: true }
    }
}

/// How a connection is to end.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// When no Command is in flight any more.
    WhenIdle,
    /// When the output has been written.
    AfterOutput(Error),
    /// At once.
    Now(Error),
}

pub(crate) struct State {
    pub(crate) outbox: Outbox,
    pub(crate) in_flight: InFlight,
    /// The connection's task, if it sleeps; whoever has something for it takes this and wakes it.
    pub(crate) task: Option<Waker>,
    /// The output has Replies of Commands that run in tasks of their own; more of them may be about to come.
    pub(crate) has_late_output: bool,
    pub(crate) ending: Option<Ending>,
    /// Replies since the task last counted them.
    pub(crate) replies: u64,
}

impl State {
    /// Whether nothing more can be sent.
    pub(crate) fn is_ending(&self) -> bool {
        matches!(self.ending, Some(Ending::Now(_) | Ending::AfterOutput(_)))
    }

    /// Whether something can still be sent; else why not.
    #[inline]
    fn check_output(&self) -> Result<(), Error> {
        match &self.ending {
            Some(Ending::Now(reason) | Ending::AfterOutput(reason)) => Err(reason.clone()),
            _ => Ok(()),
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

    /// Whether nothing is in flight, in either direction.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.outbox.is_empty()
    }

    /// Whether no further Command may be read now.
    pub(crate) fn is_paused(&self) -> bool {
        self.in_flight.is_full() || self.outbox.is_full()
    }
}

impl<P, F, R, I> Session<P, F, R, I> {
    pub(crate) fn new(
        service: Arc<Service<P, F, R, I>>,
        control: Arc<Control>,
        connection: Connection,
    ) -> Self {
        let limits = &service.limits;
        let state = Mutex::new(State {
            outbox: Outbox::new(limits.output),
            in_flight: InFlight::new(limits.in_flight, limits.in_flight_bytes),
            task: None,
            has_late_output: false,
            ending: None,
            replies: 0,
        });
        Self { service, connection, control, state }
    }

    /// The lock is held for a few instructions, and never while user code runs, so that nothing can poison it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Changes the state, and wakes the connection's task.
    fn tell_task(&self, change: impl FnOnce(&mut State)) {
        let task = {
            let mut state = self.lock();
            change(&mut state);
            state.task.take()
        };
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Lets the connection end. An ending that comes later and is more urgent replaces an earlier one.
    pub(crate) fn end(&self, ending: Ending) {
        self.tell_task(|state| match (&state.ending, &ending) {
            (Some(Ending::Now(_)), _)
            | (Some(Ending::AfterOutput(_)), Ending::WhenIdle | Ending::AfterOutput(_)) => {}
            _ => state.ending = Some(ending),
        });
    }

    /// Whether nothing more can be sent.
    pub(crate) fn is_ending(&self) -> bool {
        self.lock().is_ending()
    }

    /// Whether a Command with this seq may begin.
    pub(crate) fn admit(&self, seq: Seq) -> Result<(), SeqRefused> {
        self.lock().in_flight.check(seq)
    }

    /// Books a Command that goes on, or one more holder of it.
    pub(crate) fn hold(&self, seq: Seq, size: usize) {
        // Counted before it is booked, so that a drain never sees too few.
        self.control.command_begins();
        let is_new = self.lock().in_flight.insert(seq, size);
        if !is_new {
            self.control.command_ends();
        }
    }

    /// Books that a holder of a Command is done with it.
    pub(crate) fn release(&self, seq: Seq) {
        let (removed, task) = {
            let mut state = self.lock();
            let removed = state.in_flight.remove(seq);
            let drained = state.in_flight.is_empty() && state.ending.is_some();
            (removed, if removed.was_full || drained { state.task.take() } else { None })
        };
        if let Some(task) = task {
            task.wake();
        }
        if removed.has_ended {
            self.control.command_ends();
        }
    }

    /// Lets nothing be sent any more. Returns how many Commands are left running.
    pub(crate) fn close(&self, reason: &Error) -> usize {
        let (waiting, left) = {
            let mut state = self.lock();
            state.ending = Some(Ending::Now(reason.clone()));
            state.task = None; // a long Command that runs on need not keep the task's memory
            add(&self.service.counts.replies, std::mem::take(&mut state.replies));
            (state.outbox.clear(), state.in_flight.len())
        };
        self.connection.end();
        waiting.into_iter().for_each(Waker::wake);
        left
    }

    /// Waits for room in the output. `turn` is as in [`EncodedReply`].
    pub(crate) fn poll_ready(
        &self,
        turn: &mut Option<u64>,
        last_is_sent: &AtomicBool,
        cx: &Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let mut state = self.lock();
        Poll::Ready(ready!(state.poll_room(turn, last_is_sent, cx)))
    }

    /// Appends a Reply to the output once there is room.
    pub(crate) fn poll_append(
        &self,
        reply: &mut EncodedReply,
        last_is_sent: &AtomicBool,
        how: How,
        cx: &Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let task = {
            let mut state = self.lock();
            ready!(state.poll_room(&mut reply.turn, last_is_sent, cx))?;
            if reply.is_last {
                last_is_sent.store(true, Relaxed);
            }
            state.append(&mut reply.bytes, how.late)
        };
        if how.defers {
            wake(task)
        } else {
            wake_now(task)
        }
        Poll::Ready(Ok(()))
    }
}

/// Whether a Command may send something more; else why not. Asked under the session's lock, where it is told, too.
#[inline]
fn check_last(last_is_sent: &AtomicBool) -> Result<(), Error> {
    if last_is_sent.load(Relaxed) {
        return Err(Error::new(ErrorKind::Protocol, Origin::Local, "a reply after the last one"));
    }
    Ok(())
}

impl<P, F, R, I> Session<P, F, R, I>
where
    P: ServerProtocol<F, R>,
    F: Format,
{
    /// Encodes a Reply, so that the output has all of its frame or nothing, and appends it if there is room.
    ///
    /// `last_is_sent` is asked, and told, under the lock: several threads may send for one Command, and nothing may follow
    /// its last Reply. A failure has none. What cannot wait is appended in any case.
    //
    // One function with all of it: most Replies take this way, and each call that is saved is 1 % of a round trip.
    pub(crate) fn send(
        &self,
        seq: Seq,
        reply: &P::Reply,
        last_is_sent: Option<&AtomicBool>,
        how: How,
    ) -> Result<Sent, Error> {
        let mut bytes = Scratch::new();
        seq.encode(bytes.buffer());
        let encode = || (P::encode_reply(&self.service.format, reply, bytes.buffer()), P::is_last(reply));
        let is_last = match catch_unwind(AssertUnwindSafe(encode)) {
            Ok((Ok(()), is_last)) => is_last,
            Ok((Err(error), _)) => {
                return Err(Error::with_source(
                    ErrorKind::Encode,
                    Origin::Local,
                    "the reply cannot be encoded",
                    error,
                ));
            }
            Err(payload) => return Err(Error::panic("encoding a reply", &*payload)),
        };
        let (len, limit) = (bytes.len(), self.service.limits.frame);
        if len > limit {
            let message = format!("reply of {len} bytes is over the limit of {limit} (`Limits::frame`)");
            return Err(Error::new(ErrorKind::Limit, Origin::Local, message));
        }
        let task = {
            let mut state = self.lock();
            state.check_output()?;
            if let Some(last_is_sent) = last_is_sent {
                check_last(last_is_sent)?;
                if how.may_wait && state.outbox.is_full() {
                    return Ok(Sent::Full(Box::new(EncodedReply { bytes, is_last, turn: None })));
                }
                if is_last {
                    last_is_sent.store(true, Relaxed);
                }
            }
            state.append(&mut bytes, how.late)
        };
        if how.defers {
            wake(task)
        } else {
            wake_now(task)
        }
        Ok(Sent::Done)
    }

    /// Answers a Command that did not succeed: with the Protocol's failure, or by ending the connection. A one-way
    /// Command is answered with nothing.
    pub(crate) fn fail(&self, subject: Subject, failed: Failed, defers: bool) {
        let is_panic = failed.reason() == FailedReason::Panic;
        if self.is_ending() && !is_panic {
            return; // most likely because of that, and there is nobody to tell
        }
        self.count_failed(&failed);
        let Subject { seq, entry, is_one_way } = subject;
        // The user's code runs in both: what the error says, and how it becomes a failure. What becomes of the connection
        // must not depend on whether somebody reads the log.
        let report = AssertUnwindSafe(|| {
            let (name, peer) = (entry.name, self.connection.peer());
            if is_panic {
                tracing::error!(name, %seq, %peer, failed = format_args!("{failed:#}"), "command panicked");
            } else if is_one_way {
                tracing::warn!(name, %seq, %peer, failed = format_args!("{failed:#}"), "one-way command failed");
            } else {
                tracing::debug!(name, %seq, %peer, failed = format_args!("{failed:#}"), "command failed");
            }
        });
        let _ = catch_unwind(report);
        let answer = AssertUnwindSafe(|| {
            if is_one_way && P::FAILURE.is_some() {
                return Ok(None); // nothing is made of it, as nothing is sent
            }
            P::failure_reply(failed).map(Some).map_err(|failed| {
                let message = format!("the command {} with seq {seq} failed", entry.name);
                Error::with_source(ErrorKind::Execution, Origin::Local, message, failed.into_error())
            })
        });
        let answered = match catch_unwind(answer) {
            Ok(Ok(None)) => Ok(()),
            Ok(Ok(Some(_))) if self.is_ending() => Ok(()), // what ended it meanwhile is the reason that counts
            Ok(Ok(Some(reply))) => {
                let how = How { late: is_late(), defers, may_wait: false };
                self.send(seq, &reply, None, how).map(drop)
            }
            Ok(Err(error)) => Err(error),
            Err(payload) => Err(Error::panic("making the failure of a command", &*payload)),
        };
        if let Err(reason) = answered {
            self.end(Ending::AfterOutput(reason));
        }
    }
}

impl<P, F, R, I> Session<P, F, R, I> {
    /// Lets nothing be sent for a Command any more. Returns whether its last Reply had been sent.
    ///
    /// Under the lock, as [`send`](Self::send) looks there: what it appends comes before this or not at all.
    pub(crate) fn end_replies(&self, last_is_sent: &AtomicBool) -> bool {
        let _state = self.lock();
        last_is_sent.swap(true, Relaxed)
    }

    /// Reports a failure that the client cannot be told, as it has the last Reply.
    pub(crate) fn failed_too_late(&self, subject: Subject, failed: &Failed) {
        let counts = &self.service.counts;
        one(&counts.failed_after_last_reply);
        if failed.reason() == FailedReason::Panic {
            one(&counts.panicked);
        }
        let Subject { seq, entry, .. } = subject;
        // What the error says is the user's code.
        let report = || {
            let (name, peer) = (entry.name, self.connection.peer());
            tracing::warn!(name, %seq, %peer, failed = format_args!("{failed:#}"), "command failed after its last reply");
        };
        let _ = catch_unwind(AssertUnwindSafe(report));
    }

    fn count_failed(&self, failed: &Failed) {
        let counts = &self.service.counts;
        one(&counts.failed);
        if failed.reason() == FailedReason::Panic {
            one(&counts.panicked);
        }
    }
}
