//! One connection of a server as its Commands and its task share it: output, Commands in flight, how it is to end.
//! Knows no sockets.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use super::control::Control;
use super::counters::{Counts, add, one};
use super::failed::{Failed, FailedReason};
use super::limits::Limits;
use super::pace::Pace;
use super::proxy::{Connection, EncodedReply};
use crate::connection::Outbox;
use crate::connection::outbox::Scratch;
use crate::error::{Error, ErrorKind, Origin};
use crate::format::Format;
use crate::proto::frame::Seq;
use crate::proto::in_flight::{InFlight, SeqRefused};
use crate::protocol::{Protocol, ServerProtocol};

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
    control: Arc<Control>,
    state: Mutex<State>,
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

    /// Books a Command that goes on in a task of its own.
    pub(crate) fn begin_alone(&self, seq: Seq, size: usize) {
        self.control.command_begins();
        self.lock().in_flight.insert(seq, size);
    }

    /// Books its end.
    pub(crate) fn end_alone(&self, seq: Seq) {
        let task = {
            let mut state = self.lock();
            let was_full = state.in_flight.remove(seq);
            let drained = state.in_flight.is_empty() && state.ending.is_some();
            if was_full || drained { state.task.take() } else { None }
        };
        if let Some(task) = task {
            task.wake();
        }
        self.control.command_ends();
    }

    /// Nothing can be sent any more. The answer is how many Commands are left running.
    pub(crate) fn close(&self, reason: &Error) -> usize {
        let (waiting, left) = {
            let mut state = self.lock();
            state.ending = Some(Ending::Now(reason.clone()));
            state.task = None; // a long Command that runs on need not keep the task's memory
            add(&self.service.counts.replies, std::mem::take(&mut state.replies));
            (state.outbox.clear(), state.in_flight.len())
        };
        self.connection.gone.store(true, Ordering::Release);
        self.connection.on_gone.notify_waiters();
        waiting.into_iter().for_each(Waker::wake);
        left
    }

    /// Appends a Reply to the output, waiting for room if `cx` is given. The second value is the task to wake.
    pub(crate) fn append(
        &self,
        reply: &mut EncodedReply,
        late: bool,
        cx: Option<&Context<'_>>,
    ) -> (Poll<Result<(), Error>>, Option<Waker>) {
        let mut state = self.lock();
        if let Some(Ending::Now(reason) | Ending::AfterOutput(reason)) = &state.ending {
            return (Poll::Ready(Err(reason.clone())), None);
        }
        if let Some(cx) = cx
            && state.outbox.is_full()
        {
            state.outbox.wait_for_room(cx.waker(), &mut reply.turn);
            return (Poll::Pending, None);
        }
        state.outbox.append(|_| {}, &mut reply.bytes);
        state.replies += 1;
        state.has_late_output |= late;
        (Poll::Ready(Ok(())), state.task.take())
    }
}

impl<P, F, R, I> Session<P, F, R, I>
where
    P: Protocol + ServerProtocol<F, R>,
    F: Format,
{
    /// Encodes a Reply, so that the output has all of its frame or nothing.
    pub(crate) fn encode(&self, seq: Seq, reply: P::Reply) -> Result<EncodedReply, Error> {
        let mut bytes = Scratch::new();
        seq.encode(bytes.buffer());
        let encode = || (P::encode_reply(&self.service.format, &reply, bytes.buffer()), P::is_last(&reply));
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
        Ok(EncodedReply { bytes, is_last, turn: None })
    }

    /// Answers a Command that did not succeed: with the Protocol's failure, or by ending the connection.
    pub(crate) fn fail(&self, seq: Seq, failed: Failed, late: bool) {
        let counts = &self.service.counts;
        one(&counts.failed);
        if failed.reason() == FailedReason::Panic {
            one(&counts.panicked);
        }
        // The user's code runs in here: what the error says, and how it becomes a failure.
        let answer = AssertUnwindSafe(|| {
            if failed.reason() == FailedReason::Panic {
                tracing::error!(%seq, %failed, "command panicked");
            } else {
                tracing::debug!(%seq, %failed, "command failed");
            }
            P::failure_reply(failed).map_err(|failed| {
                let message = format!("command {seq} failed");
                Error::with_source(ErrorKind::Execution, Origin::Local, message, failed.into_error())
            })
        });
        let answered = match catch_unwind(answer) {
            // An error of `append` means that the connection is ending already.
            Ok(Ok(reply)) => self.encode(seq, reply).map(|mut reply| {
                if let (_, Some(task)) = self.append(&mut reply, late, None) {
                    task.wake();
                }
            }),
            Ok(Err(error)) => Err(error),
            Err(payload) => Err(Error::panic("making the failure of a command", &*payload)),
        };
        if let Err(reason) = answered {
            self.end(Ending::AfterOutput(reason));
        }
    }
}
