//! One connection of a server as its Commands and its task share it: output, Commands in flight, how it is to end. Knows
//! no sockets, and nothing of the types of the Protocol.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::connection::Connection;
use super::control::{Control, Idle};
use super::counters::{Counts, one};
use super::ending::Ending;
use super::extensions::Extensions;
use super::gate::{Gate, Turn};
use super::limits::Limits;
use super::notices::Notice;
use super::polling::{is_late, wake};
use super::unstarted::Unstarted;
use super::watch::Watched;
use crate::connection::outbox::Scratch;
use crate::connection::{Outbox, wake_all};
use crate::error::cause::Cause;
use crate::error::{Error, ErrorKind, Origin, drop_contained};
use crate::proto::frame::Seq;
use crate::proto::in_flight::{InFlight, SeqRefused};
use crate::protocol::{Entry, Failed};
use crate::sync::atomic::{AtomicBool, Ordering::Relaxed};
use crate::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

mod memory;
pub(super) mod put_off;
mod reports;
pub(super) mod task;
mod watched;

#[cfg(all(test, cmd_stream_model))]
mod models;

/// What the task of a connection and its Commands share.
///
/// Its lock is held for a few instructions, and never while user code runs. So nothing can poison it, and a Command can
/// send while another one of its connection computes.
pub(super) struct Line {
    pub(super) connection: Connection,
    pub(super) control: Arc<Control>,
    state: Mutex<State>,
    /// Whether the output is full. Set under the lock, and also read without it: then it says what was true a moment ago.
    is_full: AtomicBool,
    pub(super) unstarted: Unstarted,
    /// Whether the task starts Commands, and with that runs code of the user's.
    pub(super) is_in_command: AtomicBool,
    /// Whether the connection has ended. Its Commands may go on.
    is_over: AtomicBool,
    /// The task, as it is watched while a Command may block it.
    desk: OnceLock<Weak<dyn Watched>>,
}

/// What is known of a Command when it has arrived.
#[derive(Clone, Copy)]
pub(super) struct Arrival {
    pub(super) seq: Seq,
    pub(super) entry: &'static Entry,
    pub(super) is_one_way: bool,
    pub(super) received_at: Instant,
    /// Its bytes on the wire. `Limits::frame` is at most `u32::MAX`.
    pub(super) size: u32,
}

/// What is under the lock of a [`Line`].
pub(super) struct State {
    pub(super) outbox: Outbox,
    /// Those who wait for room in the output.
    gate: Gate,
    /// Failures that are to be answered once there is room.
    owed: VecDeque<Owed>,
    pub(super) in_flight: InFlight,
    held: memory::Held,
    /// The connection's task, if it sleeps; whoever has something for it takes this and wakes it. Output may be
    /// [put off](put_off).
    pub(super) task: Option<Waker>,
    /// Whether what is in the output waits for more.
    put_off: put_off::PutOff,
    /// The output has late Replies (see [`How`]); more of them may be about to come.
    pub(super) has_late_output: bool,
    pub(super) ending: Option<Ending>,
    /// The client sends nothing more. The connection ends when nothing is in flight.
    pub(super) input_ended: bool,
    /// When the last Command came, or the last one in flight ended. Before the first: when the connection was opened.
    pub(super) active: Instant,
    /// Whether a Command has come.
    pub(super) has_sent: bool,
    /// Whether it is not read for a time, though something has arrived.
    pub(super) is_held_up: bool,
    /// Replies since the task last counted them.
    pub(super) replies: u64,
    /// How often the task was awake.
    pub(super) rounds: u64,
    /// How often it was when somebody first sent over the limit, as nobody wrote; and when that was.
    over: Option<(u64, Instant)>,
}

/// How a Reply is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Where its Command was decoded: the connection's task writes it in any case.
    InPlace,
    /// Elsewhere.
    Late,
    /// Elsewhere, and it waits for the Replies that follow it; see [`put_off`].
    Dense,
}

/// A Command that has failed, and is in flight until it has been answered.
pub(super) struct Owed {
    pub(super) arrival: Arrival,
    pub(super) failed: Failed,
    /// Whether the Invoker is told of the answer.
    pub(super) tells: bool,
    /// What its Invokers have kept for it, if anything.
    pub(super) kept: Option<Arc<Extensions>>,
}

/// What became of a Reply.
pub(super) enum Sent<R> {
    /// It is in the output, and that has woken the connection's task or not. Or it is a `()`, of which nothing is sent.
    Done { woke: bool },
    /// There is no room, so it has not been encoded. Boxed, as almost none is, and each would move the room for it.
    Full(Box<R>),
}

/// The place of one who waits for room. It is left when it is dropped.
pub(super) struct Place<'a> {
    line: &'a Line,
    turn: Turn,
}

impl<'a> Place<'a> {
    pub(super) fn new(line: &'a Line) -> Self {
        Self { line, turn: Turn::default() }
    }

    pub(super) fn turn(&mut self) -> &mut Turn {
        &mut self.turn
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.line.leave(&mut self.turn);
    }
}

impl Line {
    pub(super) fn new(control: Arc<Control>, connection: Connection) -> Self {
        let limits = &control.limits;
        let state = Mutex::new(State {
            outbox: Outbox::new(limits.output),
            gate: Gate::default(),
            owed: VecDeque::new(),
            in_flight: InFlight::new(limits.in_flight, limits.in_flight_bytes),
            held: memory::Held::default(),
            task: None,
            put_off: put_off::PutOff::default(),
            has_late_output: false,
            ending: None,
            input_ended: false,
            active: Instant::now(),
            has_sent: false,
            is_held_up: false,
            replies: 0,
            rounds: 0,
            over: None,
        });
        let [is_full, is_in_command, is_over] = [(); 3].map(|()| AtomicBool::new(false));
        let (unstarted, desk) = (Unstarted::new(), OnceLock::new());
        Self { connection, control, state, is_full, unstarted, is_in_command, is_over, desk }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.control.limits
    }

    /// Only to be compared.
    pub(super) fn identity(&self) -> *const () {
        std::ptr::from_ref(self).cast()
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.control.counts
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the connection end. What was asked for before stays if it is as urgent.
    pub(super) fn end(&self, ending: Ending) {
        let (task, waiting, _before) = {
            let mut state = self.lock();
            let replaces = ending.replaces(state.ending.as_ref());
            // Nobody makes room any more. The task might tell those who wait for it late: it may be in a Command of theirs.
            let ends_now = replaces && matches!(ending, Ending::Now(_));
            let waiting = if ends_now { state.gate.open().collect() } else { Vec::new() };
            let before = if replaces { state.ending.replace(ending) } else { Some(ending) };
            // Woken in any case: the task looks at the ending before it sleeps again.
            (state.task.take(), waiting, before)
        };
        wake(task);
        wake_all(waiting);
    }

    /// Ends the connection, if it has been idle since then. Returns whether it ends because of that.
    pub(super) fn make_room(&self, idle: Idle) -> bool {
        let reason = made_room();
        let task = {
            let mut state = self.lock();
            // A Command may have come since it was looked.
            if state.idle() != Some(idle) {
                return false;
            }
            state.ending = Some(Ending::Now(reason));
            state.task.take()
        };
        wake(task);
        true
    }

    /// Whether nothing more can be sent.
    pub(super) fn is_ending(&self) -> bool {
        self.lock().is_ending()
    }

    /// Lets nothing be sent any more. Returns how many Commands are left running.
    pub(super) fn close(&self, reason: &Error) -> usize {
        let (waiting, owed, left, _ended) = {
            let mut state = self.lock();
            let ending = state.ending.replace(Ending::Now(reason.clone()));
            let task = state.task.take(); // a long Command that continues need not keep the task's memory
            self.control.tally.replied(std::mem::take(&mut state.replies));
            state.outbox.clear();
            self.is_full.store(false, Relaxed);
            let owed = std::mem::take(&mut state.owed);
            let left = state.in_flight.len() - owed.len();
            self.end_held(&mut state);
            (state.gate.open().collect::<Vec<_>>(), owed, left, (ending, task))
        };
        for owed in owed {
            let seq = owed.arrival.seq;
            drop_contained(owed);
            self.release(seq, false);
        }
        // Told only now: a Command that hears of it and sends gets the reason, and does not wait for room.
        self.connection.end();
        wake_all(waiting);
        left
    }
}

/// Commands in flight.
impl Line {
    /// Books that Commands have come.
    pub(super) fn note_commands(&self, now: Instant) {
        let mut state = self.lock();
        (state.active, state.has_sent) = (now, true);
    }

    /// Since when it is open, if no Command has come.
    pub(super) fn silent_since(&self) -> Option<Instant> {
        let state = self.lock();
        (!state.has_sent).then_some(state.active)
    }

    /// A Command with a task of its own is polled for the first time. The connection may have waited for that.
    #[inline]
    pub(super) fn starts(&self) {
        if self.unstarted.remove() {
            self.go_on();
        }
    }

    #[cold]
    fn go_on(&self) {
        // Before the waker is taken: the task leaves its waker, and then looks whether it still has to wait.
        if self.unstarted.stops_waiting() {
            let task = self.lock().task.take();
            wake_all(task);
        }
    }

    /// Whether a Command with this seq may begin.
    pub(super) fn admit(&self, seq: Seq) -> Result<(), SeqRefused> {
        self.lock().in_flight.check(seq)
    }

    /// Books a Command that goes on, or one more holder of it; with its size on the wire and in memory.
    pub(super) fn hold(&self, seq: Seq, size: usize, charge: usize) {
        // Counted before it is booked, so that a drain never sees too few.
        self.control.command_begins();
        let is_new = self.lock().in_flight.insert(seq, size, charge);
        if !is_new {
            self.control.command_ends();
        }
    }

    /// Books that a holder of a Command is done with it: its task, or somebody else.
    pub(super) fn release(&self, seq: Seq, is_task: bool) {
        let (removed, task) = {
            let mut state = self.lock();
            let removed = state.in_flight.remove(seq, is_task);
            let drained = state.in_flight.is_empty() && (state.ending.is_some() || state.input_ended);
            if state.in_flight.is_empty() {
                state.active = Instant::now();
            }
            let is_awaited = self.give_back(&mut state, removed.charge);
            // Only then is there something to do: to read on, or to end.
            (removed, if removed.was_full || drained || is_awaited { state.task.take() } else { None })
        };
        if removed.was_dropped {
            self.control.memory.note_gone(removed.charge);
        }
        wake(task);
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
}

/// The output.
impl Line {
    /// Whether the output was full a moment ago.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Relaxed)
    }

    /// Appends the frame of a Reply. Returns whether that has woken the connection's task. Whether there is room was asked before it was
    /// encoded, so the output can exceed its limit by one frame for each thread that encodes one.
    ///
    /// `last_is_sent` is asked, and told, under the lock: several threads may send for one Command, and nothing may follow
    /// its last Reply. A failure has none.
    #[inline(always)] // almost all Replies take this way, and each call that is saved is 1 % of a round trip
    pub(super) fn append(
        &self,
        bytes: &mut Scratch,
        is_last: bool,
        last_is_sent: Option<&AtomicBool>,
        how: How,
    ) -> Result<bool, Error> {
        let task = {
            let mut state = self.lock();
            state.check_output()?;
            if let Some(last_is_sent) = last_is_sent {
                check_last(last_is_sent)?;
                if is_last {
                    last_is_sent.store(true, Relaxed);
                }
            }
            state.outbox.append(|_| {}, bytes);
            self.note_full(&state);
            state.replies += 1;
            state.has_late_output |= how != How::InPlace;
            // Those who wait for room rely on the task.
            let puts_off = how == How::Dense && !is_last && !state.outbox.is_full();
            if puts_off { None } else { state.write_now() }
        };
        let woke = task.is_some();
        if woke {
            self.wake_for_output(task);
        }
        Ok(woke)
    }

    /// Waits for room before a Command is polled for the first time. Ready also when nothing can be sent any more: the
    /// Command runs all the same.
    #[inline]
    pub(super) fn poll_start(&self, turn: &mut Turn, cx: &Context<'_>) -> Poll<()> {
        if turn.is_free() && !self.is_full() {
            return Poll::Ready(());
        }
        self.poll_room(turn, None, cx).map(drop)
    }

    /// Waits for room in the output. An error if nothing can be sent any more.
    #[cold]
    pub(super) fn poll_room(
        &self,
        turn: &mut Turn,
        last_is_sent: Option<&AtomicBool>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), Error>> {
        // Before the lock, as it is the caller's, and may panic.
        let waker = cx.waker().clone();
        let mut wakers = Vec::new();
        let (poll, _before) = {
            let mut state = self.lock();
            // All is asked anew: while it waited, the connection may have ended, or another thread sent the last Reply.
            let may_send = state.check_output().and_then(|()| last_is_sent.map_or(Ok(()), check_last));
            if may_send.is_ok() && state.outbox.is_full() {
                (Poll::Pending, state.gate.wait(turn, waker))
            } else {
                let before = state.gate.leave(turn);
                state.let_in(&mut wakers);
                (Poll::Ready(may_send), before)
            }
        };
        wake_all(wakers);
        poll
    }

    /// How often the connection's task was awake. Nothing if it sleeps.
    pub(super) fn rounds(&self) -> Option<u64> {
        let state = self.lock();
        state.task.is_none().then_some(state.rounds)
    }

    /// One who waits for room gives up.
    pub(super) fn leave(&self, turn: &mut Turn) {
        if turn.is_free() {
            return;
        }
        let mut wakers = Vec::new();
        let _before = {
            let mut state = self.lock();
            let before = state.gate.leave(turn);
            state.let_in(&mut wakers);
            before
        };
        wake_all(wakers);
    }

    /// Keeps a failure until there is room to answer it; then the connection's task does. The Command is in flight until
    /// then. Returns it if there is room now.
    pub(super) fn owe(&self, owed: Owed) -> Option<Failed> {
        let (seq, size) = (owed.arrival.seq, owed.arrival.size as usize);
        self.hold(seq, size, size + OWED);
        let mut state = self.lock();
        if state.outbox.is_full() && !state.is_ending() {
            state.owed.push_back(owed);
            return None;
        }
        drop(state);
        self.release(seq, false);
        let Owed { failed, kept, .. } = owed;
        drop_contained(kept);
        Some(failed)
    }

    /// Books how much of what was taken is not yet written. Those to be woken because of that are added to `wakers`.
    fn settle(&self, state: &mut State, left: usize, wakers: &mut Vec<Waker>) {
        state.outbox.book(left);
        if self.is_full() && !state.outbox.is_full() {
            self.is_full.store(false, Relaxed);
        }
        state.let_in(wakers);
    }

    /// After something was appended.
    #[inline]
    fn note_full(&self, state: &State) {
        if state.outbox.is_full() {
            self.is_full.store(true, Relaxed);
        }
    }

    /// Appends a pong. The connection's task does it, so nobody need wake it.
    pub(super) fn answer_ping(&self) {
        let mut pong = Scratch::new();
        Seq::PING.encode(pong.buffer());
        let mut state = self.lock();
        state.outbox.append(|_| {}, &mut pong);
        state.put_off.set_due();
        self.note_full(&state);
        drop(state);
        one(&self.counts().pings);
    }
}

impl How {
    /// By the Command, or by somebody it was handed over to, who may be anywhere: in the middle of another Command, say.
    #[inline]
    pub(super) fn running() -> Self {
        if is_late() { Self::Late } else { Self::InPlace }
    }

    /// By the Command, among many others that follow each other closely.
    #[inline(never)] // the others would pay for its registers
    pub(super) fn dense(line: &Line) -> Self {
        if line.try_put_off() { Self::Dense } else { Self::running() }
    }

    /// By the connection's task, of a Command that it does not start.
    pub(super) fn refusing() -> Self {
        Self::InPlace
    }
}

impl State {
    /// Whether nothing more can be sent.
    pub(super) fn is_ending(&self) -> bool {
        self.ending.as_ref().is_some_and(|ending| ending.reason().is_some())
    }

    /// Since when it has been idle, if it is, and is not about to end.
    pub(super) fn idle(&self) -> Option<Idle> {
        let is_idle = self.in_flight.is_empty() && self.outbox.is_written();
        let goes_on = self.ending.is_none() && !self.input_ended;
        (is_idle && goes_on && !self.is_held_up)
            .then_some(Idle { since: self.active, has_sent: self.has_sent })
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

    /// If there is room, takes out the wakers of some who wait for it.
    #[inline]
    fn let_in(&mut self, wakers: &mut Vec<Waker>) {
        let room = self.outbox.room();
        if room > 0 {
            self.gate.wake(room, wakers);
        }
    }

    /// Takes out a failure that can be answered now.
    fn take_owed(&mut self) -> Option<Owed> {
        if self.owed.is_empty() || self.outbox.is_full() {
            return None;
        }
        let owed = self.owed.pop_front();
        if self.owed.is_empty() {
            self.owed = VecDeque::new(); // they are rare, and an idle connection keeps no memory
        }
        owed
    }

    /// Counts the Replies since this was asked last. `is_batch`: all of them are about to be written.
    fn take_replies(&mut self, is_batch: bool) -> u64 {
        let replies = std::mem::take(&mut self.replies);
        self.gate.count(replies);
        if is_batch {
            self.gate.count_batch(self.outbox.queued());
        }
        replies
    }
}

/// What a failure takes until it is answered, beside what the Command has been sent with.
const OWED: usize = 512;

/// Why a connection ends that makes room.
pub(super) fn made_room() -> Error {
    let message = "it was idle, and made room for a new connection (`Limits::make_room`)";
    Error::new(ErrorKind::Limit, Origin::Local, message).caused_by(Cause::MadeRoom)
}

/// Whether a Command may send something more; else why not. Asked under the lock, where it is told, too.
#[inline]
fn check_last(last_is_sent: &AtomicBool) -> Result<(), Error> {
    if last_is_sent.load(Relaxed) {
        return Err(Error::new(ErrorKind::Protocol, Origin::Local, "a reply after the last one"));
    }
    Ok(())
}
