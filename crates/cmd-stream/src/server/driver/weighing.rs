//! Whether there is memory for what has arrived: Commands are weighed before they are decoded, if that matters. What waits
//! for memory is looked at again after a time, and when a Command of its connection has ended.

use std::time::Duration;

use tokio::time::Instant;

use super::Driver;
use crate::format::{Expansion, Format};
use crate::proto::Tag;
use crate::protocol::Protocol;
use crate::server::control::Control;
use crate::server::execute::ServerProtocol;
use crate::server::memory::{LEAST, Load, TASK, Verdict};
use crate::server::notices::Notice;
use crate::server::service::Service;
use crate::server::session::Session;
use crate::sync::Arc;
use crate::transport::Io;

/// What the task of a connection knows of the memory that it takes.
#[derive(Default)]
pub(super) struct Weighing {
    /// What is booked for the read buffer.
    input: usize,
    /// What is booked for the Command that is being decoded.
    reserved: usize,
    /// How long reading has stopped for want of memory, this time.
    pub(super) waits: Option<Duration>,
    /// Whether it has stopped in the middle of a Command, and nothing whole is there.
    awaits_rest: bool,
    extra: Option<Extra>,
}

/// This connection has the one Command that is admitted in any case.
struct Extra {
    control: Arc<Control>,
    /// What the other Commands of the connection took when it began. None as long as it has arrived in part.
    others: Option<usize>,
}

impl Extra {
    /// Whether it is still there, and needs more than the share of its connection.
    fn is_needed(&self, own: usize, buffers: usize) -> bool {
        let memory = &self.control.memory;
        let is_over = memory.is_scarce() && own > memory.share(own, self.control.open());
        is_over && self.others.is_none_or(|others| own - buffers > others)
    }
}

impl Drop for Extra {
    fn drop(&mut self) {
        self.control.memory.give_extra_back();
    }
}

impl Weighing {
    /// Whether Commands are to be weighed, if so many bytes have arrived.
    #[inline]
    pub(super) fn begin<S: Service>(&mut self, session: &Session<S>, bytes: usize) -> bool {
        if self.extra.is_some() {
            self.look_at_extra(session);
        }
        let (control, Expansion { per_byte, fixed }) =
            (&session.line.control, session.service.parts().greatest);
        let each = control.memory.largest_future() + TASK + fixed;
        // The shortest Command has two bytes.
        let commands = MOST_UNWEIGHED.min(bytes / 2);
        let most = bytes.saturating_mul(per_byte).saturating_add(commands * each);
        control.memory.weighs(Load { bytes: most, commands }, control.commands())
    }

    /// Gives the place of the one Command back that was admitted in any case, if it has ended. Else the connection's task is
    /// woken when a Command has ended.
    #[cold]
    fn look_at_extra<S: Service>(&mut self, session: &Session<S>) {
        let (own, buffers) = session.line.settle_memory();
        if self.extra.as_ref().is_some_and(|extra| extra.is_needed(own.bytes, buffers)) {
            session.line.wake_at_end();
        } else {
            self.extra = None;
        }
    }

    /// A Command has ended, and it may be that one.
    #[inline]
    pub(super) fn command_has_ended<S: Service>(&mut self, session: &Session<S>) {
        if self.extra.is_some() {
            self.look_at_extra(session);
        }
    }

    /// Whether nothing has arrived but a part of a Command, which waits for memory.
    pub(super) fn awaits_rest(&self) -> bool {
        self.awaits_rest && self.waits.is_some()
    }

    /// Whether the Command whose body this is may be decoded, and begin; else it waits. What it takes is booked until
    /// [`settle`](Self::settle).
    #[cold]
    pub(super) fn admits<S: Service>(
        &mut self,
        session: &Session<S>,
        tag: Tag,
        body: &[u8],
        progress: &mut <S::Format as Format>::Progress,
    ) -> bool {
        let (line, parts) = (&session.line, session.service.parts());
        let index = S::Protocol::COMMANDS.iter().position(|entry| entry.tag == tag);
        let Some(index) = index else { return true }; // it is refused, and nothing is decoded
        let Some(size) = S::Protocol::measure_command(&parts.format, tag, body, progress) else {
            return true; // it is not complete: nothing is decoded either
        };
        let memory = &line.control.memory;
        let weight = parts.weight(index, size) + parts.futures.largest(index) + TASK;
        let (own, buffers) = line.settle_memory();
        if memory.is_scarce() {
            line.control.drop_orphans();
        }
        match memory.weigh(weight, own, buffers, line.control.commands(), line.control.open()) {
            // Its first part may have had the place, which it does not need.
            Verdict::Admitted => drop(self.extra.take_if(|extra| extra.others.is_none())),
            Verdict::AdmittedAsExtra => {
                let control = Arc::clone(&line.control);
                self.extra = Some(Extra { control, others: Some(own.bytes - buffers) });
                line.wake_at_end();
            }
            // Its first part has the place, which is now that of the whole.
            Verdict::Waits => match &mut self.extra {
                Some(extra) if extra.others.is_none() => {
                    extra.others = Some(own.bytes - buffers);
                    line.wake_at_end();
                }
                _ => return false,
            },
        }
        memory.settle(0, weight);
        self.reserved = weight;
        true
    }

    /// Whether a part of a Command has the place that is given to one in any case.
    pub(super) fn holds_a_place_for_a_part(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.others.is_none())
    }

    /// The Command was decoded, and has ended or goes on: then it is booked by itself.
    #[cold]
    pub(super) fn settle<S: Service>(&mut self, session: &Session<S>) {
        let reserved = std::mem::take(&mut self.reserved);
        if reserved > 0 {
            session.line.control.memory.settle(reserved, 0);
            session.line.settle_memory();
            self.waits = None;
        }
    }
}

impl<IO: Io, S: Service> Driver<IO, S> {
    /// Books what the read buffer takes, after the Commands in it were started. Stops reading if there is no memory for the
    /// rest of a Command.
    pub(super) fn book_input(&mut self, now: Instant) {
        if self.weighing.reserved > 0 {
            self.weighing.settle(&self.session); // decoding has panicked
        }
        let capacity = self.inbox.capacity();
        if capacity != self.weighing.input {
            self.weighing.input = capacity;
            self.session.line.book_input(capacity);
        }
        if (capacity > 0 && !self.paused && !self.input_ended) || self.weighing.extra.is_some() {
            self.weigh_input(now);
        }
        if !self.paused {
            self.weighing.waits = None;
        }
    }

    /// Reading stops because of another limit. A part of a Command does not keep the place meanwhile: its time does not run.
    pub(super) fn give_place_of_part_back(&mut self) {
        self.weighing.extra.take_if(|extra| extra.others.is_none());
    }

    /// Nothing more has come. The rest of a Command may have moved to a larger buffer.
    #[inline]
    pub(super) fn book_rest(&mut self) {
        // A buffer that has grown is kept only while there is enough for others.
        if self.inbox.has_grown() && self.inbox.is_empty() && self.session.line.control.memory.is_scarce() {
            self.shrink_input();
        } else if self.inbox.capacity() != self.weighing.input || self.weighing.extra.is_some() {
            self.book_input(Instant::now());
        }
    }

    /// Gives the room in the read buffer back, and what was booked for it: the connection may be idle from now on, and would
    /// not settle it.
    #[cold]
    pub(super) fn shrink_input(&mut self) {
        self.inbox.shrink();
        self.book_input(Instant::now());
        self.session.line.settle_memory();
    }

    #[cold]
    fn weigh_input(&mut self, now: Instant) {
        let session = Arc::clone(&self.session);
        let (line, control) = (&session.line, &session.line.control);
        let (own, buffers) = line.settle_memory();
        let share = control.memory.share(own.bytes, control.open());
        let fits = own.bytes <= share || !control.memory.is_scarce();
        self.weighing.command_has_ended(&session);
        let has_place = self.weighing.extra.as_ref().is_some_and(|extra| extra.others.is_none());
        // Whole Commands that wait for their turn are weighed when that has come, and nothing is read before.
        if self.inbox.is_empty() || self.is_held_up() {
            return;
        }
        if fits || has_place || buffers <= LEAST {
            return;
        }
        if self.inbox.is_roomy() {
            // The next bytes are read into a buffer of the thread.
            self.inbox.shrink();
            return self.book_input(now);
        }
        // Its own Commands take too much, or the part that is there does.
        if own.bytes - buffers <= share {
            match control.memory.weigh_large(control.memory.taken()) {
                Verdict::Admitted => return,
                Verdict::AdmittedAsExtra => {
                    self.weighing.extra = Some(Extra { control: Arc::clone(control), others: None });
                    return;
                }
                Verdict::Waits => {}
            }
        }
        self.pause_for_memory(now, false);
    }

    /// Stops reading until it is looked again whether there is memory. `is_held_up`: a Command has arrived.
    #[cold]
    pub(super) fn pause_for_memory(&mut self, now: Instant, is_held_up: bool) {
        let control = &self.session.line.control;
        control.drop_orphans();
        if self.weighing.waits.is_none() {
            self.session.line.report_paused(Notice::MemoryPause);
            self.note_pause(now);
        }
        let wait = self.weighing.waits.map_or(FIRST_LOOK, |wait| (wait * 2).min(LAST_LOOK));
        (self.weighing.waits, self.weighing.awaits_rest) = (Some(wait), !is_held_up);
        (self.paused, self.paused_until) = (true, Some(Instant::now() + wait));
        self.session.line.wait_for_memory(is_held_up);
    }
}

/// After so many Commands it is asked anew whether they are to be weighed. With large reads and small Commands it would
/// otherwise be feared each time that all of them go on.
pub(super) const MOST_UNWEIGHED: usize = 2048;

/// Within this time a Command must be whole of which a part has the place that is given to one in any case: others wait for it.
pub(super) const PART_TIME: Duration = Duration::from_secs(5);

/// When it is looked again whether there is memory. The time doubles up to the last one, as many connections may wait.
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LAST_LOOK: Duration = Duration::from_millis(400);
