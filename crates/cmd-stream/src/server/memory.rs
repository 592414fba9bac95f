//! What all connections of a server may take together: [`Limits::memory`](super::Limits::memory) and
//! [`Limits::commands`](super::Limits::commands). Knows no connections, and nothing of Commands but what they weigh.
//!
//! Each connection books what it takes: the buffers, by their capacity, and the Commands that go on. It settles the
//! difference once per round. While little is taken, nothing else is asked. When much is taken, or when what has arrived
//! could weigh much, Commands are weighed one by one, before they are decoded ([`Memory::weighs`]):
//!
//! - While less than half of all is taken, each of them is admitted.
//! - The other half is divided. What the other connections leave, divided by all that are open and one more, is the share of
//!   a connection. So it grows smaller with each connection that takes its share, but it is never nothing.
//! - A Command that is larger than the share is admitted if at most three quarters are taken with it. Beyond that one such
//!   Command at a time is admitted in any case. In this code it is the *extra* one, and has the one *place* for that.
//!
//! Commands whose connection has ended live in the first half only. When more is taken, they are dropped, oldest first.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use crate::sync::{Mutex, PoisonError, Weak};

/// The memory and the Commands of a server.
pub(crate) struct Memory {
    limit: Load,
    /// The bytes that are booked.
    taken: AtomicUsize,
    /// The size of the largest future of a Command that went on.
    largest_future: AtomicUsize,
    /// Whether the one Command is there that is admitted in any case.
    extra: AtomicBool,
    /// Orphans that are about to go.
    going: [AtomicUsize; 2],
    orphans: Mutex<Orphans>,
    /// Whether there are any: asked for each Command while much is taken.
    has_orphans: AtomicBool,
}

/// What something takes, or may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Load {
    pub(crate) bytes: usize,
    pub(crate) commands: usize,
}

/// A connection that has ended before its Commands.
pub(crate) trait Orphaned: Send + Sync {
    /// Lets its Commands go, the oldest first, until they have taken so much and were so many. Returns what they were, and
    /// whether others are left.
    fn drop_orphans(&self, excess: Load) -> (Load, bool);
}

/// Connections that have ended before their Commands, the oldest first.
#[derive(Default)]
struct Orphans {
    sessions: VecDeque<Weak<dyn Orphaned>>,
    /// At so many, those that are gone are taken out.
    sweep_at: usize,
    /// Until then nobody looks, as there was nothing that could go.
    not_before: Option<Instant>,
}

/// The size of the largest future of each type of Commands that went on.
pub(super) struct Futures(Box<[AtomicUsize]>);

impl Futures {
    pub(super) fn new(commands: usize) -> Self {
        Self((0..commands).map(|_| AtomicUsize::new(SMALL_FUTURE)).collect())
    }

    pub(super) fn largest(&self, index: usize) -> usize {
        self.0[index].load(Relaxed)
    }

    /// A Command goes on that has a future of this size.
    #[inline]
    pub(super) fn note(&self, index: usize, size: usize, memory: &Memory) {
        if size > self.largest(index) {
            self.0[index].fetch_max(size, Relaxed);
            memory.largest_future.fetch_max(size, Relaxed);
        }
    }
}

/// What is to become of a Command that has been weighed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Admitted,
    /// As the one that is admitted in any case.
    AdmittedAsExtra,
    /// When there is room.
    Waits,
}

impl Memory {
    pub(super) fn new(bytes: usize, commands: usize) -> Self {
        Self {
            limit: Load { bytes, commands },
            taken: AtomicUsize::new(0),
            largest_future: AtomicUsize::new(SMALL_FUTURE),
            extra: AtomicBool::new(false),
            going: [AtomicUsize::new(0), AtomicUsize::new(0)],
            orphans: Mutex::default(),
            has_orphans: AtomicBool::new(false),
        }
    }

    /// Books that a connection takes so much more, or less.
    pub(super) fn settle(&self, before: usize, now: usize) {
        if now > before {
            self.taken.fetch_add(now - before, Relaxed);
        } else if now < before {
            self.taken.fetch_sub(before - now, Relaxed);
        }
    }

    /// Books so much for as long as what is returned is held.
    pub(super) fn take(&self, bytes: usize) -> Taken<'_> {
        self.settle(0, bytes);
        Taken { memory: self, bytes }
    }

    #[inline]
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }

    /// The size of the largest future of a Command so far.
    #[inline]
    pub(super) fn largest_future(&self) -> usize {
        self.largest_future.load(Relaxed)
    }

    /// Whether Commands are to be weighed that may take up to so much together. Else each thread may start as much without
    /// asking.
    #[inline]
    pub(super) fn weighs(&self, all: Load, commands: usize) -> bool {
        let Load { bytes, commands: most } = self.limit;
        self.taken() > bytes / 4 || all.bytes > bytes / 64 || commands > most / 4 || all.commands > most / 64
    }

    /// Whether so much is taken that the rest is divided.
    pub(super) fn is_scarce(&self) -> bool {
        self.taken() > self.limit.bytes / 2
    }

    /// The share of a connection that takes so much now.
    pub(super) fn share(&self, own: usize, open: u64) -> usize {
        share(self.limit.bytes, self.taken(), own, open).max(LEAST)
    }

    /// Whether a Command of this weight may begin on a connection that takes `own` now, with `buffers` as a part of it.
    /// `commands` is how many there are in all.
    pub(super) fn weigh(
        &self,
        weight: usize,
        own: Load,
        buffers: usize,
        commands: usize,
        open: u64,
    ) -> Verdict {
        let Load { bytes, commands: most } = self.limit;
        if commands >= most / 2 && own.commands >= share(most, commands, own.commands, open).max(1) {
            return Verdict::Waits;
        }
        let taken = self.taken().saturating_add(weight);
        if taken <= bytes / 2 {
            return Verdict::Admitted;
        }
        let share = self.share(own.bytes, open);
        // What the buffers of this connection hold does not keep it from starting its only Command, which is in them.
        let own_bytes = if own.commands == 0 { own.bytes.saturating_sub(buffers) } else { own.bytes };
        if own_bytes.saturating_add(weight) <= share {
            return Verdict::Admitted;
        }
        if weight <= share {
            return Verdict::Waits;
        }
        self.weigh_large(taken)
    }

    /// Whether more may be taken than a share, by what needs it to become whole.
    pub(super) fn weigh_large(&self, taken: usize) -> Verdict {
        if taken <= self.limit.bytes / 4 * 3 {
            return Verdict::Admitted;
        }
        match self.extra.swap(true, Relaxed) {
            false => Verdict::AdmittedAsExtra,
            true => Verdict::Waits,
        }
    }

    /// The Command that was admitted in any case is no longer there.
    pub(super) fn give_extra_back(&self) {
        self.extra.store(false, Relaxed);
    }
}

/// What no connection books: its last output, when it has ended.
pub(super) struct Taken<'a> {
    memory: &'a Memory,
    bytes: usize,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.memory.settle(self.bytes, 0);
    }
}

/// Orphans: Commands whose connection has ended.
impl Memory {
    /// Adds those of a connection.
    pub(super) fn add_orphans(&self, session: Weak<dyn Orphaned>) {
        let mut gone = VecDeque::new();
        let mut orphans = self.orphans.lock().unwrap_or_else(PoisonError::into_inner);
        if orphans.sessions.len() >= orphans.sweep_at {
            let sessions = std::mem::take(&mut orphans.sessions);
            let (there, dead): (VecDeque<_>, _) =
                sessions.into_iter().partition(|session| session.strong_count() > 0);
            (gone, orphans.sessions) = (dead, there);
            orphans.sweep_at = 2 * orphans.sessions.len() + 16;
        }
        orphans.sessions.push_back(session);
        self.has_orphans.store(true, Relaxed);
        drop(orphans);
        drop(gone);
    }

    /// Lets the oldest go, if more is taken than half of all. Returns how many.
    #[cold]
    pub(super) fn drop_orphans(&self, commands: usize) -> usize {
        if !self.has_orphans.load(Relaxed) {
            return 0;
        }
        let [going_bytes, going_commands] = self.going.each_ref().map(|going| going.load(Relaxed));
        let over = |limit: usize, there: usize, going: usize| {
            let stays = there.saturating_sub(going);
            // A little more than needed, so that the next one does not come here at once.
            if stays > limit / 2 { stays - (limit / 2 - limit / 16) } else { 0 }
        };
        let mut excess = Load {
            bytes: over(self.limit.bytes, self.taken(), going_bytes),
            commands: over(self.limit.commands, commands, going_commands),
        };
        if excess == Load::default() {
            return 0;
        }
        let mut sessions = {
            let mut orphans = self.orphans.lock().unwrap_or_else(PoisonError::into_inner);
            if orphans.not_before.is_some_and(|time| Instant::now() < time) {
                return 0;
            }
            std::mem::take(&mut orphans.sessions)
        };
        let (mut dropped, mut left) = (0, VecDeque::new());
        while excess != Load::default()
            && let Some(oldest) = sessions.pop_front()
        {
            let Some(session) = oldest.upgrade() else { continue };
            let (gone, has_more) = session.drop_orphans(excess);
            excess.bytes = excess.bytes.saturating_sub(gone.bytes);
            excess.commands = excess.commands.saturating_sub(gone.commands);
            dropped += gone.commands;
            if has_more {
                left.push_back(oldest);
            }
        }
        left.append(&mut sessions);
        let mut orphans = self.orphans.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have come meanwhile are younger.
        left.append(&mut orphans.sessions);
        orphans.sessions = left;
        self.has_orphans.store(!orphans.sessions.is_empty(), Relaxed);
        orphans.not_before = (dropped == 0).then(|| Instant::now() + PAUSE);
        dropped
    }

    /// Orphans are about to go, and count as gone until they are.
    pub(super) fn note_going(&self, load: Load) {
        self.going[0].fetch_add(load.bytes, Relaxed);
        self.going[1].fetch_add(load.commands, Relaxed);
    }

    /// One of them is gone.
    pub(super) fn note_gone(&self, bytes: usize) {
        self.going[0].fetch_sub(bytes, Relaxed);
        self.going[1].fetch_sub(1, Relaxed);
    }
}

/// What the others leave, divided by all that are open, and one that may come.
fn share(limit: usize, taken: usize, own: usize, open: u64) -> usize {
    let by_others = taken.saturating_sub(own);
    let all = usize::try_from(open).unwrap_or(usize::MAX).saturating_add(1);
    limit.saturating_sub(by_others) / all
}

/// The share of a connection, at least: room for a small Command, or for a Reply, however little is left.
pub(super) const LEAST: usize = 4 << 10;

/// What a Command is taken to need for its future, until one is larger.
const SMALL_FUTURE: usize = 1 << 10;

/// For how long nobody looks for orphans again, if there was nothing to drop: to look may take some milliseconds.
const PAUSE: Duration = Duration::from_millis(25);

/// What a task takes beside the future of the Command: the task itself, its place in the table of the connection.
pub(super) const TASK: usize = 768;

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn a_share_is_what_the_others_leave_and_never_nothing() {
        let memory = Memory::new(64 * MIB, 1000);
        assert_eq!(memory.share(0, 3), 16 * MIB);
        memory.settle(0, 40 * MIB);
        assert_eq!(memory.share(0, 3), 6 * MIB);
        assert_eq!(memory.share(40 * MIB, 3), 16 * MIB, "what it takes itself is not taken by others");
        assert_eq!(memory.share(0, 1 << 40), LEAST);
    }

    #[test]
    fn connections_that_take_all_they_may_leave_a_share_to_each_other() {
        for open in [1, 2, 10, 300] {
            let memory = Memory::new(64 * MIB, usize::MAX);
            let weight = 8 << 10;
            for _ in 0..open {
                let mut own = Load::default();
                while memory.weigh(weight, own, 0, 0, open) == Verdict::Admitted {
                    memory.settle(own.bytes, own.bytes + weight);
                    own = Load { bytes: own.bytes + weight, commands: own.commands + 1 };
                }
                assert!(own.commands > 0, "{open}");
            }
            assert!(memory.taken() <= 64 * MIB, "{open}: {}", memory.taken());
            assert!(memory.share(0, open) >= 64 * MIB / 8 / open as usize, "{open}");
        }
    }

    #[test]
    fn large_commands_leave_a_quarter_and_one_more_is_admitted_at_a_time() {
        let memory = Memory::new(64 * MIB, 1000);
        let weigh = || memory.weigh(12 * MIB, Load::default(), 0, 0, 100);
        for _ in 0..4 {
            assert_eq!(weigh(), Verdict::Admitted);
            memory.settle(0, 12 * MIB);
        }
        assert_eq!((weigh(), weigh()), (Verdict::AdmittedAsExtra, Verdict::Waits));
        memory.give_extra_back();
        assert_eq!((weigh(), weigh()), (Verdict::AdmittedAsExtra, Verdict::Waits));
        assert_eq!(memory.weigh(100 << 10, Load::default(), 0, 0, 100), Verdict::Admitted);
    }

    #[test]
    fn what_is_taken_is_given_back() {
        let memory = Memory::new(64 * MIB, 1000);
        let taken = memory.take(5);
        assert_eq!(memory.taken(), 5);
        drop(taken);
        assert_eq!(memory.taken(), 0);
    }

    #[test]
    fn the_future_of_a_type_says_nothing_of_another_type() {
        let (memory, futures) = (Memory::new(64 * MIB, 1000), Futures::new(2));
        futures.note(1, MIB, &memory);
        assert_eq!(
            (futures.largest(0), futures.largest(1), memory.largest_future()),
            (SMALL_FUTURE, MIB, MIB)
        );
    }

    #[test]
    fn commands_have_shares_as_well() {
        let memory = Memory::new(usize::MAX / 2, 1000);
        let own = |commands| Load { bytes: 0, commands };
        let weigh = |own, there| memory.weigh(1, own, 0, there, 10);
        assert_eq!(weigh(own(499), 499), Verdict::Admitted);
        assert_eq!(weigh(own(500), 500), Verdict::Waits);
        assert_eq!(weigh(own(0), 1_000_000), Verdict::Admitted, "one is always admitted");
        assert_eq!((weigh(own(9), 899), weigh(own(10), 900)), (Verdict::Admitted, Verdict::Waits));
    }
}
