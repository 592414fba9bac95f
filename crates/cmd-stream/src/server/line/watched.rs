//! What a [`Line`] does for a connection's task that a Command may block: somebody else writes then (`server/desk.rs`).

use std::task::Waker;

use tokio::time::Instant;

use super::{Cause, Ending, Error, ErrorKind, Line, Origin, Watched, wake};
use crate::server::polling::{is_in_place, leave_slot};
use crate::server::watch::threads::{Answer, Marked};
use crate::sync::Weak;
use crate::sync::atomic::Ordering::Relaxed;

/// An output that nobody writes is at most so many times its limit, or that of one of a MiB if that is more; and one frame.
const MOST_OVER: usize = 64;

impl Line {
    /// Says who is watched while a Command may block the connection's task.
    pub(in crate::server) fn set_desk(&self, desk: Weak<dyn Watched>) {
        let _ = self.desk.set(desk); // once
    }

    /// Has the connection's task watched, as a Command may block it.
    #[cold]
    pub(in crate::server) fn watch(&self) {
        if let Some(desk) = self.desk.get() {
            self.control.watch.add(Weak::clone(desk));
        }
    }

    /// This thread polls the task of a Command. If the Command blocks it, another one is woken, if there is any.
    #[inline]
    pub(in crate::server) fn mark_thread(&self) -> Option<Marked> {
        if self.unstarted.has_several_threads() { Marked::enter(&self.control.watch) } else { None }
    }

    /// If the connection's task is in a Command, somebody else writes what there is from now on.
    #[cold]
    pub(in crate::server) fn stand_in(&self) {
        if let Some(desk) = self.desk.get().and_then(Weak::upgrade) {
            desk.stand_in();
        }
    }

    /// Asks whether a thread is free to write the output. None if nobody writes it any more.
    #[cold]
    pub(in crate::server) fn ask_threads(&self) -> Option<Answer> {
        self.desk.get().and_then(Weak::upgrade).map(|desk| desk.ask())
    }

    /// Somebody sends over the limit of the output, as nobody writes it while he blocks a thread. If it has not been written for
    /// too long, or is many times its limit, the connection ends, so that what it holds is bounded.
    #[cold]
    pub(in crate::server) fn goes_over(&self) {
        let has_stalled = {
            let mut state = self.lock();
            let (rounds, now) = (state.rounds, Instant::now());
            let over = state.over.filter(|(before, _)| *before == rounds);
            let (_, since) = *state.over.insert(over.unwrap_or((rounds, now)));
            let (limits, bytes) = (self.limits(), state.outbox.len());
            now.saturating_duration_since(since) > limits.output_stall
                || bytes / MOST_OVER >= limits.output.max(1 << 20)
        };
        if has_stalled {
            let message = "no thread was free to write the output (`Limits::output_stall`)";
            let error = Error::new(ErrorKind::Timeout, Origin::Local, message);
            self.end(Ending::Now(error.caused_by(Cause::OutputStall)));
        }
    }

    /// Something was appended.
    pub(super) fn wake_for_output(&self, task: Option<Waker>) {
        wake(task);
        // A Command that is polled in place has woken whoever stands in for its connection's task. It need not yield, and may
        // block its thread.
        if is_in_place() && self.is_in_command.load(Relaxed) {
            leave_slot();
        }
    }
}
