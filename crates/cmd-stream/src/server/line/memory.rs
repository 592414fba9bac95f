//! What a connection takes of the memory of its server, and what becomes of its Commands when it has ended before them.

use std::task::Waker;

use super::{Line, Relaxed, State};
use crate::connection::wake_all;
use crate::proto::frame::Seq;
use crate::server::memory::{LEAST, Load};

/// What a connection has booked. Beside the Commands, which are in the table of those in flight.
#[derive(Debug, Default)]
pub(in crate::server) struct Held {
    /// What the server reckons with.
    settled: usize,
    /// The capacity of the read buffer, while something is in it.
    input: usize,
    /// The capacity of what is being written, while the client does not take it.
    writing: usize,
    /// What Commands took that have ended since it was settled.
    surplus: usize,
    /// Whether the limit of the output is lower than it should be.
    is_lowered: bool,
    /// Whether the connection's task waits until less is taken.
    waits: bool,
    /// Whether the connection has ended. Its Commands may go on.
    is_over: bool,
}

impl Held {
    /// Whether the connection's task waits until less is taken, and none of its Commands has ended since.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }
}

impl Line {
    /// Books what the read buffer takes.
    pub(in crate::server) fn book_input(&self, capacity: usize) {
        self.lock().held.input = capacity;
    }

    /// Settles what the connection takes. Returns that, and what of it the buffers take.
    pub(in crate::server) fn settle_memory(&self) -> (Load, usize) {
        let mut state = self.lock();
        self.settle_held(&mut state);
        let commands = state.in_flight.len();
        (Load { bytes: state.held.settled, commands }, state.held.settled - state.in_flight.charge())
    }

    /// The connection's task is woken when a Command has ended.
    pub(in crate::server) fn wake_at_end(&self) {
        self.lock().held.waits = true;
    }

    /// The connection's task waits until less is taken: it looks again when a Command has ended. `is_held_up`: a Command has
    /// arrived.
    pub(in crate::server) fn wait_for_memory(&self, is_held_up: bool) {
        let mut state = self.lock();
        (state.held.waits, state.is_held_up) = (true, is_held_up);
    }

    /// Tells the server what the connection takes, and lowers the limit of the output while memory is scarce.
    #[inline]
    pub(super) fn settle_held(&self, state: &mut State) {
        let buffers = state.held.input + state.held.writing + state.outbox.capacity();
        let taken = state.in_flight.charge() + buffers;
        state.held.surplus = 0;
        if taken != state.held.settled {
            self.control.memory.settle(state.held.settled, taken);
            state.held.settled = taken;
        }
        // So much is always allowed.
        if state.held.is_lowered || state.outbox.len() > LEAST {
            self.limit_output(state);
        }
    }

    #[cold]
    fn limit_output(&self, state: &mut State) {
        let (control, most) = (&self.control, self.limits().output);
        state.held.is_lowered = control.memory.is_scarce();
        let room = if state.held.is_lowered {
            let own = state.held.settled;
            let others = state.in_flight.charge() + state.held.input;
            control.memory.share(own, control.open()).saturating_sub(others).clamp(LEAST.min(most), most)
        } else {
            most
        };
        state.outbox.set_high_water(room);
        self.is_full.store(state.outbox.is_full(), Relaxed);
    }

    /// Books what is being written while the client does not take it.
    pub(super) fn book_writing(&self, state: &mut State, capacity: usize) {
        state.held.writing = capacity;
        self.settle_held(state);
    }

    /// Books that a Command has ended which took so much. Returns whether the connection's task waits for that.
    #[inline]
    pub(super) fn give_back(&self, state: &mut State, charge: usize) -> bool {
        let held = &mut state.held;
        held.surplus += charge;
        // The connection's task settles all. But it may sleep for long.
        let at_once = held.is_over || held.waits || held.surplus >= MOST_SURPLUS;
        if at_once || (state.in_flight.is_empty() && state.outbox.is_written()) {
            let there = state.in_flight.charge() + held.input + held.writing;
            let back = std::mem::take(&mut held.surplus).min(held.settled.saturating_sub(there));
            held.settled -= back;
            self.control.memory.settle(back, 0);
        }
        std::mem::take(&mut held.waits)
    }

    /// Books that the connection has ended, and has no buffers any more.
    pub(super) fn end_held(&self, state: &mut State) {
        self.is_over.store(true, Relaxed);
        state.held.is_over = true;
        (state.held.input, state.held.writing) = (0, 0);
        self.settle_held(state);
    }
}

/// Commands that outlive their connection.
impl Line {
    /// A Command with a task of its own has waited for something.
    pub(in crate::server) fn keep_task(&self, seq: Seq, task: &Waker) {
        let task = task.clone(); // before the lock
        self.lock().in_flight.set_task(seq, task);
    }

    /// Whether a Command is to go, because its connection has ended and memory is scarce.
    #[inline]
    pub(in crate::server) fn is_dropped(&self, seq: Seq) -> bool {
        self.is_over.load(Relaxed) && self.lock().in_flight.is_dropped(seq)
    }

    /// Lets the oldest go, until they have taken so much and were so many. Returns also whether others are left.
    pub(in crate::server) fn drop_orphans(&self, excess: Load) -> (Load, bool) {
        let (tasks, bytes, has_more) = self.lock().in_flight.drop_first(excess.bytes, excess.commands);
        let dropped = Load { bytes, commands: tasks.len() };
        // Before they are woken, as each is booked out when it is gone.
        self.control.memory.note_going(dropped);
        wake_all(tasks);
        (dropped, has_more)
    }
}

/// What may be booked for Commands that have ended.
const MOST_SURPLUS: usize = 64 << 10;
