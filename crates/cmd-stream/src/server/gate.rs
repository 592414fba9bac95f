//! Those who wait for room in the output of a connection: Commands that have not been polled yet, and whoever has a Reply
//! that is not encoded yet. They are woken in the order in which they came, and about as many as there is room for.
//!
//! Whoever is woken looks again: others may have been faster. So it matters little how many are woken, as long as
//!
//! - somebody is on his way whenever there is room and somebody waits. Each one who comes, or gives up, lets the next ones
//!   be woken, and so does the connection's task after each write.
//! - they are not all of them. Each that finds no room was polled in vain.
//!
//! It is under the lock of the [`Line`](super::line::Line).

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::task::Waker;

/// Those who wait. On the heap, and only once somebody has waited: most connections never need it.
#[derive(Debug, Default)]
pub(super) struct Gate(Option<Box<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    /// By the numbers in which they came. Those who have been woken are not here any more.
    waiting: BTreeMap<NonZeroU64, Waker>,
    last: u64,
    /// How many have been woken and have not come yet.
    on_their_way: usize,
    /// The bytes and the Replies of the last batch that was written.
    batch: (usize, u64),
    /// The Replies since then.
    replies: u64,
}

/// The place of one who waits. It starts as the default, and must be [left](Gate::leave) if it is given up.
#[derive(Debug, Default)]
pub(super) struct Turn {
    number: Option<NonZeroU64>,
    /// It has come since it was woken.
    has_come: bool,
}

impl Turn {
    /// Whether there is nothing to leave.
    pub(super) fn is_free(&self) -> bool {
        self.number.is_none() || self.has_come
    }
}

impl Gate {
    /// There is no room: keeps the waker, until there is. One who has been woken in vain is the first again. Returns the
    /// waker that it has left before, to be dropped without the lock.
    pub(super) fn wait(&mut self, turn: &mut Turn, waker: Waker) -> Option<Waker> {
        let queue = self.0.get_or_insert_default();
        let before = queue.leave(turn);
        queue.last += u64::from(turn.number.is_none());
        let last = queue.last;
        let number = *turn.number.get_or_insert_with(|| NonZeroU64::new(last).unwrap_or(NonZeroU64::MAX));
        turn.has_come = false;
        queue.waiting.insert(number, waker);
        before
    }

    /// It waits no longer: there is room, or it gives up. Returns its waker, to be dropped without the lock.
    pub(super) fn leave(&mut self, turn: &mut Turn) -> Option<Waker> {
        self.0.as_mut()?.leave(turn)
    }

    /// There is room for so many bytes: takes out the wakers of about as many as fit in.
    #[inline]
    pub(super) fn wake(&mut self, room: usize, wakers: &mut Vec<Waker>) {
        if let Some(queue) = &mut self.0
            && !queue.waiting.is_empty()
        {
            queue.wake(room, wakers);
        }
    }

    /// Whether nobody waits, and nobody is on his way.
    #[cfg(all(test, cmd_stream_model))]
    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|queue| queue.waiting.is_empty() && queue.on_their_way == 0)
    }

    /// Takes out the wakers of all.
    pub(super) fn open(&mut self) -> impl Iterator<Item = Waker> + use<> {
        let queue = self.0.as_mut();
        let waiting = queue.map(|queue| {
            queue.on_their_way += queue.waiting.len();
            std::mem::take(&mut queue.waiting)
        });
        waiting.into_iter().flat_map(BTreeMap::into_values)
    }

    /// So many Replies are in the output.
    #[inline]
    pub(super) fn count(&mut self, replies: u64) {
        if let Some(queue) = &mut self.0 {
            queue.replies += replies;
        }
    }

    /// All of the output is about to be written, so many bytes.
    #[inline]
    pub(super) fn count_batch(&mut self, bytes: usize) {
        if let Some(queue) = &mut self.0 {
            queue.batch = (bytes, std::mem::take(&mut queue.replies));
        }
    }
}

impl Queue {
    fn leave(&mut self, turn: &mut Turn) -> Option<Waker> {
        if turn.is_free() {
            return None;
        }
        turn.has_come = true;
        let waker = turn.number.and_then(|number| self.waiting.remove(&number));
        if waker.is_none() {
            self.on_their_way = self.on_their_way.saturating_sub(1);
        }
        waker
    }

    #[cold]
    fn wake(&mut self, room: usize, wakers: &mut Vec<Waker>) {
        let (bytes, replies) = self.batch;
        let typical = bytes / usize::try_from(replies).unwrap_or(usize::MAX).max(1);
        // One more than fit, and two in any case: one who is woken may be in no hurry to come, or may send nothing.
        let fit = (room / typical.max(1)).max(1) + 1;
        while self.on_their_way < fit
            && let Some((_, waker)) = self.waiting.pop_first()
        {
            self.on_their_way += 1;
            wakers.push(waker);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    struct Waiters {
        gate: Gate,
        turns: Vec<Turn>,
        woken: Vec<Arc<Woken>>,
    }

    impl Waiters {
        fn new(count: usize) -> Self {
            let mut all = Self { gate: Gate::default(), turns: Vec::new(), woken: Vec::new() };
            for n in 0..count {
                all.turns.push(Turn::default());
                all.woken.push(Arc::default());
                all.waits(n);
            }
            all
        }

        fn waits(&mut self, n: usize) {
            let _ = self.gate.wait(&mut self.turns[n], Waker::from(Arc::clone(&self.woken[n])));
        }

        /// Which of them are woken.
        fn wake(&mut self, room: usize) -> Vec<usize> {
            let mut wakers = Vec::new();
            self.gate.wake(room, &mut wakers);
            wakers.into_iter().for_each(Waker::wake);
            let woken = self.woken.iter().enumerate();
            woken.filter(|(_, woken)| woken.0.swap(0, Relaxed) > 0).map(|(n, _)| n).collect()
        }
    }

    #[test]
    fn as_many_are_woken_as_fit_and_in_their_order() {
        let mut all = Waiters::new(100);
        all.gate.count(20);
        all.gate.count_batch(2000);
        assert_eq!(all.wake(900), (0..10).collect::<Vec<_>>());
        assert!(all.wake(900).is_empty(), "they are on their way");
        for n in 0..3 {
            let _ = all.gate.leave(&mut all.turns[n]);
        }
        assert_eq!(all.wake(900), [10, 11, 12]);
        // Two of them come in vain, and are the first again.
        all.waits(5);
        all.waits(4);
        assert_eq!(all.wake(900), [4, 5]);
        let _ = all.gate.leave(&mut all.turns[13]);
        let _ = all.gate.leave(&mut all.turns[13]);
        let _ = all.gate.leave(&mut all.turns[4]);
        assert_eq!(all.wake(900), [14], "one who was not woken makes no room");
    }

    #[test]
    fn some_are_woken_though_none_fits_in() {
        let mut all = Waiters::new(9);
        all.gate.count(1);
        all.gate.count_batch(1 << 20);
        assert_eq!(all.wake(1), [0, 1]);
    }

    #[test]
    fn one_who_waits_is_there_once_however_often_it_is_polled() {
        let mut all = Waiters::new(3);
        for _ in 0..10 {
            all.waits(1);
        }
        let waiting =
            |all: &Waiters| all.gate.0.as_ref().map(|queue| (queue.waiting.len(), queue.on_their_way));
        assert_eq!(waiting(&all), Some((3, 0)));
        all.turns.iter_mut().for_each(|turn| drop(all.gate.leave(turn)));
        assert_eq!(waiting(&all), Some((0, 0)));
    }
}
