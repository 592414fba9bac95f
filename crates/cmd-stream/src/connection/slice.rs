//! How long the task of a connection works before it lets others run.
//!
//! A read may bring thousands of frames, and each of them may be a Command that is polled where it is decoded. Without a
//! bound in time, one connection would delay all others of its thread by its whole queue.

use std::future::Future;
use std::pin::pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

/// For how long a connection works in one poll of its task, or a little longer: what has begun is finished.
pub(crate) const SLICE: Duration = Duration::from_millis(1);

/// The slice of time of one poll of a connection's task.
#[derive(Debug, Default)]
pub(crate) struct Slice {
    /// When the first work of this poll began.
    began: Option<Instant>,
    /// Frames since the clock was looked at.
    frames: u32,
    is_over: bool,
}

impl Slice {
    /// A poll begins.
    pub(crate) fn begin(&mut self) {
        (self.began, self.is_over) = (None, false);
    }

    /// Counts a frame. Returns whether it is time to look at the clock.
    #[inline]
    pub(crate) fn is_to_look(&mut self) -> bool {
        self.frames += 1;
        self.frames >= LOOK_EVERY
    }

    /// Is told the time. Returns whether the slice is over.
    pub(crate) fn look(&mut self, now: Instant) -> bool {
        self.frames = 0;
        self.is_over = now.saturating_duration_since(*self.began.get_or_insert(now)) > SLICE;
        self.is_over
    }

    /// When this poll first looked at the clock, if it has.
    pub(crate) fn began(&self) -> Option<Instant> {
        self.began
    }

    /// Whether it was over when the clock was looked at last.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }
}

/// Lets others run before this task is polled again, which it is in any case. The runtime looks at its sockets and timers in
/// between: a task that only wakes itself may be polled 61 times before that.
pub(crate) fn let_others_run(cx: &mut Context<'_>) {
    let is_ready = pin!(tokio::task::yield_now()).poll(cx).is_ready();
    debug_assert!(!is_ready, "it is pending once, and wakes the task");
}

/// A frame that starts nothing takes some hundred nanoseconds at most, so this many take some microseconds.
const LOOK_EVERY: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_when_it_has_lasted_long_enough_and_begins_anew() {
        let (mut slice, began) = (Slice::default(), Instant::now());
        slice.begin();
        assert!(!slice.look(began) && !slice.look(began + SLICE) && !slice.is_over());
        assert!(slice.look(began + SLICE * 2) && slice.is_over());
        slice.begin();
        assert!(!slice.is_over() && !slice.look(began + SLICE * 2));
    }

    #[test]
    fn the_clock_is_looked_at_once_in_so_many_frames() {
        let mut slice = Slice::default();
        assert!((1..LOOK_EVERY).all(|_| !slice.is_to_look()));
        assert!(slice.is_to_look() && slice.is_to_look());
        slice.look(Instant::now());
        assert!(!slice.is_to_look());
    }
}
