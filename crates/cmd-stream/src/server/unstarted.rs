//! How many Commands of a connection may have a task and wait for its first poll.
//!
//! The tasks of all connections stand in the same queues of the runtime. A connection that spawned as many as it has read
//! would delay the others by all of them. So it spawns about as many as the runtime polls in one slice of time; the rest wait
//! in its read buffer, and beyond that in the socket. A Command that was polled once never counts: it may wait for one that
//! comes after it.

use std::time::Duration;

use tokio::runtime::Handle;

use crate::connection::SLICE;
use crate::sync::atomic::{
    AtomicBool, AtomicU32,
    Ordering::{AcqRel, Relaxed},
};

/// The Commands of one connection whose tasks have not been polled.
pub(super) struct Unstarted {
    number: AtomicU32,
    /// Whether the connection's task waits until there are fewer.
    is_awaited: AtomicBool,
    /// What a Command takes, in nanoseconds: an average in which the last ones count most. Where threads race, one may be
    /// left out.
    typical: AtomicU32,
    /// How many threads poll.
    workers: u32,
}

impl Unstarted {
    pub(super) fn new() -> Self {
        let workers = Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers());
        Self {
            number: AtomicU32::new(0),
            is_awaited: AtomicBool::new(false),
            typical: AtomicU32::new(FIRST),
            workers: u32::try_from(workers).unwrap_or(1),
        }
    }

    /// Whether several threads poll them.
    #[inline]
    pub(super) fn has_several_threads(&self) -> bool {
        self.workers > 1
    }

    /// Books one more. By the connection's task.
    pub(super) fn add(&self) {
        self.number.fetch_add(1, Relaxed);
    }

    /// Books one less: its task is polled. Returns whether the connection's task is to be told, by [`stops_waiting`].
    ///
    /// [`stops_waiting`]: Self::stops_waiting
    pub(super) fn remove(&self) -> bool {
        // Before the flag is read; see `is_awaited`.
        let left = self.number.fetch_sub(1, AcqRel) - 1;
        self.is_awaited.load(Relaxed) && left <= self.share() / 2
    }

    /// Whether there are so many that the next Command waits. Then the connection's task is told when there are half as many.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        let number = self.number.load(Relaxed);
        number > LEAST && number >= self.share() && self.is_awaited()
    }

    #[cold]
    fn is_awaited(&self) -> bool {
        self.is_awaited.store(true, Relaxed);
        // Written, not only read: who books one less after this sees the flag, and of those before it this sees the number.
        let waits = self.number.fetch_add(0, AcqRel) > self.share() / 2;
        if !waits {
            self.is_awaited.store(false, Relaxed);
        }
        waits
    }

    /// Whether the connection's task still waits.
    pub(super) fn waits(&self) -> bool {
        self.is_awaited.load(Relaxed)
    }

    /// Lets the connection's task go on. Returns whether it has waited.
    pub(super) fn stops_waiting(&self) -> bool {
        self.is_awaited.swap(false, Relaxed)
    }

    /// Books a poll of a Command. Those that go on in steps, and let others run in between, count with all that they have
    /// taken: they come back to the same queues.
    #[inline]
    pub(super) fn polled(&self, spent: &mut Spent, took: Duration) {
        if !spent.is_counted() {
            return;
        }
        let took = u32::try_from(took.as_nanos()).unwrap_or(u32::MAX);
        spent.polls += 1;
        spent.nanos = spent.nanos.saturating_add(took);
        let time = spent.nanos;
        let typical = self.typical.load(Relaxed);
        self.typical.store(typical - typical / WEIGHT + time / WEIGHT, Relaxed);
    }

    /// How many may wait.
    fn share(&self) -> u32 {
        let typical = self.typical.load(Relaxed).max(1);
        let share = SLICE_NANOS / typical;
        share.saturating_mul(self.workers).clamp(LEAST, MOST)
    }
}

/// What the polls of a Command have taken.
#[derive(Default)]
pub(super) struct Spent {
    nanos: u32,
    polls: u8,
}

impl Spent {
    /// Whether its next poll counts. A stream of many Replies says nothing about the Commands that come after it.
    #[inline]
    pub(super) fn is_counted(&self) -> bool {
        self.polls < COUNTED
    }
}

const SLICE_NANOS: u32 = SLICE.as_nanos() as u32;
/// So many polls of a Command count.
const COUNTED: u8 = 16;
/// What a Command takes as long as nothing is known of it, in nanoseconds.
const FIRST: u32 = 50_000;
/// The last one of so many counts as much as all before it.
const WEIGHT: u32 = 8;
/// At least so many may wait, however long they take: a thread must find one while the connection's task comes back.
const LEAST: u32 = 4;
/// At most so many may wait, however quick they are. More would not make the batches better.
const MOST: u32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// On one thread, whose Commands take so long.
    fn polled(time: Duration) -> Unstarted {
        let unstarted = Unstarted::new();
        for _ in 0..100 {
            unstarted.polled(&mut Spent::default(), time);
        }
        unstarted
    }

    fn fill(unstarted: &Unstarted) -> u32 {
        let mut number = 0;
        while !unstarted.is_over() {
            unstarted.add();
            number += 1;
        }
        number
    }

    #[test]
    fn the_longer_they_take_the_fewer_may_wait() {
        assert_eq!(fill(&Unstarted::new()), 20);
        let about_ten = fill(&polled(Duration::from_micros(100)));
        assert!((9..=11).contains(&about_ten), "{about_ten}");
        assert_eq!(fill(&polled(Duration::ZERO)), MOST);
        assert_eq!(fill(&polled(Duration::MAX)), LEAST + 1);
    }

    #[test]
    fn steps_add_up_but_not_for_ever() {
        let (unstarted, mut steps) = (Unstarted::new(), Spent::default());
        for _ in 0..1000 {
            unstarted.polled(&mut steps, Duration::from_micros(50));
        }
        assert!(!steps.is_counted());
        assert_eq!(fill(&unstarted), LEAST + 1);
        for _ in 0..100 {
            unstarted.polled(&mut Spent::default(), Duration::ZERO);
        }
        assert_eq!(fill(&Unstarted { number: AtomicU32::new(0), ..unstarted }), MOST);
    }

    #[test]
    fn the_connection_is_told_once_when_half_of_them_have_started() {
        let unstarted = Unstarted::new();
        assert!(!unstarted.waits() && fill(&unstarted) == 20 && unstarted.waits());
        assert!((0..9).all(|_| !unstarted.remove()));
        assert!(unstarted.remove() && unstarted.stops_waiting());
        assert!(!unstarted.remove() && !unstarted.stops_waiting() && !unstarted.is_over());
    }
}
