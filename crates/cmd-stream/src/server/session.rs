//! The typed part of a connection of a server: how a Reply, or a failure, becomes bytes on its [`Line`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::connection::Connection;
use super::control::{Control, EndSession, Idle};
use super::counters::one;
use super::ending::Ending;
use super::invoker::{Invoker, tell};
use super::line::{Arrival, How, Line, Owed};
use super::memory::{Load, Orphaned, TASK};
use super::replied::{Replied, Told};
use super::service::Service;
use super::shedding::Waiting;
use crate::connection::outbox::Scratch;
use crate::error::{Error, ErrorKind, Origin, drop_contained};
use crate::proto::frame::Seq;
use crate::protocol::{Failed, FailedReason, Protocol, ServedIn};
use crate::stats::Outcome;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// One connection of a server.
pub(super) struct Session<S: Service> {
    pub(super) service: Arc<S>,
    pub(super) line: Line,
}

impl<S: Service> Session<S> {
    pub(super) fn new(service: Arc<S>, control: Arc<Control>, connection: Connection) -> Self {
        Self { service, line: Line::new(control, connection) }
    }

    /// Encodes a Reply and appends it to the output; see [`Line::append`]. Returns whether that has woken the connection's task.
    pub(super) fn send(
        &self,
        seq: Seq,
        reply: &<S::Protocol as Protocol>::Reply,
        last_is_sent: Option<&AtomicBool>,
        how: How,
    ) -> Result<bool, Error> {
        let mut bytes = Scratch::new();
        let is_last = self.encode(seq, reply, &mut bytes)?;
        self.line.append(&mut bytes, is_last, last_is_sent, how)
    }

    /// The same, for a Reply that the Invoker is told about.
    pub(super) fn send_and_tell(
        &self,
        told: Told<'_>,
        reply: &<S::Protocol as Protocol>::Reply,
        last_is_sent: Option<&AtomicBool>,
        how: How,
    ) -> Result<bool, Error> {
        let mut bytes = Scratch::new();
        let is_last = self.encode(told.arrival.seq, reply, &mut bytes)?;
        let (entry, size) = (S::Protocol::reply_entry(reply), bytes.len());
        let woke = self.line.append(&mut bytes, is_last, last_is_sent, how)?;
        let replied = Replied { told, connection: &self.line.connection, entry, size, is_last };
        tell::<S::Protocol, S::Invoker>(&self.service.parts().invoker, &replied);
        Ok(woke)
    }

    /// Encodes the frame of a Reply. Returns whether it is the last one.
    ///
    /// It is encoded before the lock is taken, as that is the user's code. So the output has all of its frame or nothing.
    ///
    /// Into what the caller has, and not returned: moved as a part of a result, it is read again before it has come to the cache,
    /// which takes a tenth of a Reply.
    #[inline(always)] // it is a part of `send`
    fn encode(
        &self,
        seq: Seq,
        reply: &<S::Protocol as Protocol>::Reply,
        bytes: &mut Scratch,
    ) -> Result<bool, Error> {
        seq.encode(bytes.buffer());
        let format = &self.service.parts().format;
        let encode = || {
            (
                S::Protocol::encode_reply(format, reply, bytes.buffer()),
                <S::Protocol as Protocol>::is_last(reply),
            )
        };
        let is_last = match catch_unwind(AssertUnwindSafe(encode)) {
            Ok((Ok(()), is_last)) => is_last,
            Ok((Err(error), _)) => {
                let message = "the reply cannot be encoded";
                return Err(Error::with_source(ErrorKind::Encode, Origin::Local, message, error));
            }
            Err(payload) => return Err(Error::panic("encoding a reply", payload)),
        };
        // The whole frame counts, as it does for the one who reads it.
        let (len, limit) = (bytes.len(), self.line.limits().frame);
        if len > limit {
            let message = format!("reply of {len} bytes is over the limit of {limit} (`Limits::frame`)");
            return Err(Error::new(ErrorKind::Limit, Origin::Local, message));
        }
        bytes.fit();
        Ok(is_last)
    }

    /// Answers a Command that did not succeed: with the Protocol's failure, or by ending the connection. A one-way
    /// Command is answered with nothing. Returns how it has ended.
    pub(super) fn fail(&self, told: Told<'_>, failed: Failed, how: How) -> Outcome {
        let arrival = told.arrival;
        let is_panic = failed.reason() == FailedReason::Panic;
        if self.line.is_ending() && !is_panic {
            return Outcome::Lost; // most likely because of that, and there is nobody to tell
        }
        self.line.report_failed(arrival, &failed, S::Protocol::FAILURE.is_none());
        self.answer_when_room(arrival, Some(told), failed, how);
        if is_panic { Outcome::Panicked } else { Outcome::Failed }
    }

    /// Answers with the failure, or lets the connection's task do so once there is room. Nothing is made before.
    fn answer_when_room(&self, arrival: &Arrival, told: Option<Told<'_>>, failed: Failed, how: How) {
        let is_answered = S::Protocol::FAILURE.is_some() && !arrival.is_one_way;
        let failed = if is_answered && self.line.is_full() {
            let kept = told.and_then(|told| told.extensions.cloned());
            self.line.owe(Owed { arrival: *arrival, failed, tells: told.is_some(), kept })
        } else {
            Some(failed)
        };
        if let Some(failed) = failed {
            self.answer_or_end(arrival, told, failed, how);
        }
    }

    /// Answers what there was no room for before. By the connection's task.
    pub(super) fn answer_owed(&self, owed: Owed) {
        let Owed { arrival, failed, tells, kept } = owed;
        let told = tells.then_some(Told { arrival: &arrival, extensions: kept.as_ref() });
        self.answer_or_end(&arrival, told, failed, How::refusing());
        drop_contained(kept);
        self.line.release(arrival.seq, false);
    }

    fn answer_or_end(&self, arrival: &Arrival, told: Option<Told<'_>>, failed: Failed, how: How) {
        if let Err(reason) = self.answer_failed(arrival, told, failed, how) {
            self.line.end(Ending::AfterOutput(reason));
        }
    }

    /// Books that a Command has waited for its task. Returns whether it starts: it may have waited for too long.
    pub(super) fn starts(&self, arrival: &Arrival, waiting: &Waiting) -> bool {
        let Some(shedder) = &self.line.control.shedder else { return true };
        let is_in_time = shedder.starts(waiting);
        // Else nobody could be told.
        is_in_time || arrival.is_one_way || S::Protocol::FAILURE.is_none()
    }

    /// Books that a Command in a task of its own has ended.
    pub(super) fn book(&self, index: usize, received_at: Instant, outcome: Outcome, now: Instant) {
        let (tally, took) = (&self.line.control.tally, now.saturating_duration_since(received_at));
        tally.ended_and_took(index, outcome, took);
        tally.log_if_slow(index, took, 1, SLOW, || Some(self.line.connection.peer()));
    }

    /// Answers a Command that is not started, because the server is overloaded, with the Protocol's failure.
    pub(super) fn shed(&self, arrival: &Arrival, how: How) {
        one(&self.line.counts().shed);
        self.line.report_refused(arrival, "the server is overloaded");
        let failed = Failed::overloaded("the server is overloaded, and did not start the command");
        self.answer_when_room(arrival, None, failed, how);
    }

    /// Answers a Command that is not started, because the server is going away. As a refusal for overload, it says that another
    /// server may take it. Without a failure to answer with, the client sees its connection end.
    pub(super) fn refuse(&self, arrival: &Arrival, how: How) {
        one(&self.line.counts().refused_in_drain);
        self.line.report_refused(arrival, "the server is shutting down");
        if S::Protocol::FAILURE.is_none() {
            return;
        }
        let failed = Failed::overloaded("the server is shutting down, and did not start the command");
        self.answer_when_room(arrival, None, failed, how);
    }

    /// Answers with the failure. An error is what the connection ends with. The Invoker is told of it if it has seen the Command.
    fn answer_failed(
        &self,
        arrival: &Arrival,
        told: Option<Told<'_>>,
        failed: Failed,
        how: How,
    ) -> Result<(), Error> {
        let Arrival { seq, entry, is_one_way, .. } = *arrival;
        if is_one_way && S::Protocol::FAILURE.is_some() {
            return Ok(()); // no failure is made, as none is sent
        }
        // The user's code: how what it failed with becomes a failure, and the destructors of both.
        let reply = catch_unwind(AssertUnwindSafe(|| {
            S::Protocol::failure_reply(failed).map_err(|failed| {
                let message = format!("the command {} with seq {seq} failed", entry.name);
                Error::with_source(ErrorKind::Execution, Origin::Local, message, failed.into_error())
            })
        }));
        let reply = reply.map_err(|payload| Error::panic("making the failure of a command", payload))??;
        if self.line.is_ending() {
            drop_contained(reply);
            return Ok(()); // what ended it meanwhile is the reason that counts
        }
        let sent = match told {
            Some(told) if S::Invoker::SEES_REPLIES => self.send_and_tell(told, &reply, None, how),
            _ => self.send(seq, &reply, None, how),
        };
        drop_contained(reply);
        sent.map(drop)
    }
}

/// What the log says of a Command that took longer than it should.
pub(super) const SLOW: &str = "slow command";

impl<S: Service> Orphaned for Session<S> {
    fn drop_orphans(&self, excess: Load) -> (Load, bool) {
        self.line.drop_orphans(excess)
    }
}

impl<S: Service> EndSession for Session<S> {
    fn end_session(&self, ending: Ending) {
        self.line.end(ending);
    }

    fn idle(&self) -> Option<Idle> {
        self.line.lock().idle()
    }

    fn make_room(&self, idle: Idle) -> bool {
        self.line.make_room(idle)
    }

    fn is_in_command(&self) -> bool {
        self.line.is_in_command.load(Relaxed)
    }
}

/// Keeps a Command in flight: for the task that runs it, or for whoever it was handed over to.
pub(super) struct Booked<S: Service> {
    pub(super) session: Arc<Session<S>>,
    seq: Seq,
    is_task: bool,
}

impl<S: Service> Booked<S> {
    /// For its task, which needs a future of this size to go on.
    pub(super) fn for_task(
        session: &Arc<Session<S>>,
        arrival: &Arrival,
        index: usize,
        future: usize,
    ) -> Self {
        Self::new(session, arrival, index, future, true)
    }

    /// For whoever it is handed over to.
    pub(super) fn for_others(session: &Arc<Session<S>>, arrival: &Arrival, index: usize) -> Self {
        Self::new(session, arrival, index, 0, false)
    }

    fn new(session: &Arc<Session<S>>, arrival: &Arrival, index: usize, future: usize, is_task: bool) -> Self {
        let parts = session.service.parts();
        let charge = parts.weight(index, arrival.size as usize) + future + TASK;
        parts.futures.note(index, future, &session.line.control.memory);
        session.line.hold(arrival.seq, arrival.size as usize, charge);
        Self { session: Arc::clone(session), seq: arrival.seq, is_task }
    }
}

/// Of a Command with a task of its own.
impl<S: Service> Booked<S> {
    /// Whether it is to go, because its connection has ended and memory is scarce.
    #[inline]
    pub(super) fn is_dropped(&self) -> bool {
        self.session.line.is_dropped(self.seq)
    }

    /// Once it waits, keeps what wakes its task: whoever lets it go has to.
    #[inline]
    pub(super) fn keep(&self, is_kept: &mut bool, poll: Poll<()>, cx: &Context<'_>) -> Poll<()> {
        if poll.is_pending() && !std::mem::replace(is_kept, true) {
            self.session.line.keep_task(self.seq, cx.waker());
        }
        poll
    }
}

impl<S: Service> Drop for Booked<S> {
    fn drop(&mut self) {
        self.session.line.release(self.seq, self.is_task);
    }
}
