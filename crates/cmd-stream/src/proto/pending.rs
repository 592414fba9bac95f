//! The table of callers that wait for Replies. Knows nothing of sockets, clocks or Formats.
//!
//! Each seq is one more than the last, so callers stand in a ring in the order of their seqs and are found by subtraction.
//! In the steady state nothing is hashed or allocated. A caller that stays much longer than those after it, such as a
//! stream, is moved out of the ring. So the ring is never much longer than the number of callers in it.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use super::frame::Seq;

/// The callers of one connection. Each is a `W` and has its own seq.
#[derive(Debug)]
pub struct Pending<W> {
    /// The seq of the first slot.
    first: Seq,
    ring: VecDeque<Option<W>>,
    in_ring: usize,
    stragglers: HashMap<Seq, W>,
}

impl<W> Default for Pending<W> {
    fn default() -> Self {
        Self::starting_at(Seq::FIRST)
    }
}

impl<W> Pending<W> {
    /// Nobody yet. The first caller gets this seq.
    pub fn starting_at(first: Seq) -> Self {
        Self { first, ring: VecDeque::new(), in_ring: 0, stragglers: HashMap::new() }
    }

    /// Returns the seq that the next caller gets.
    #[inline]
    pub fn next_seq(&self) -> Seq {
        Seq::new(self.first.get() + self.ring.len() as i64)
    }

    /// Adds a caller and returns its seq.
    #[inline]
    pub fn insert(&mut self, waiter: W) -> Seq {
        let seq = self.next_seq();
        // The seq is that of the new slot, so no caller can have the seq of another one.
        self.ring.push_back(Some(waiter));
        self.in_ring += 1;
        self.keep_short();
        seq
    }

    /// Returns the caller with this seq, if it still waits.
    #[inline]
    pub fn get_mut(&mut self, seq: Seq) -> Option<&mut W> {
        match self.slot(seq) {
            Some(slot) => self.ring.get_mut(slot)?.as_mut(),
            None if self.stragglers.is_empty() => None,
            None => self.stragglers.get_mut(&seq),
        }
    }

    /// Removes the caller with this seq and returns it.
    #[inline]
    pub fn remove(&mut self, seq: Seq) -> Option<W> {
        let Some(slot) = self.slot(seq) else { return self.stragglers.remove(&seq) };
        // The slot stays, empty, until all those before it are gone: the others are found by their distance to the first.
        let waiter = self.ring.get_mut(slot)?.take()?;
        self.in_ring -= 1;
        self.drop_empty_front();
        self.keep_short();
        Some(waiter)
    }

    /// Iterates over all callers in no particular order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Seq, &mut W)> {
        let stragglers = self.stragglers.iter_mut().map(|(seq, waiter)| (*seq, waiter));
        let ring = (self.first.get()..).map(Seq::new).zip(&mut self.ring);
        stragglers.chain(ring.filter_map(|(seq, slot)| Some((seq, slot.as_mut()?))))
    }

    /// Iterates over the callers with these seqs in no particular order. It does not look at the others, except at callers
    /// that were moved out of the ring.
    pub fn range_mut(&mut self, seqs: Range<i64>) -> impl Iterator<Item = (Seq, &mut W)> {
        let first = self.first.get();
        let slot = |seq: i64| usize::try_from(seq.saturating_sub(first)).unwrap_or(0).min(self.ring.len());
        let (from, to) = (slot(seqs.start), slot(seqs.end));
        let to = to.max(from);
        // Those before the ring were moved out of it, and only those.
        let stragglers = (seqs.start < first).then_some(&mut self.stragglers).into_iter().flatten();
        let stragglers =
            stragglers.filter(move |(seq, _)| seqs.contains(&seq.get())).map(|(seq, waiter)| (*seq, waiter));
        let ring = (first + from as i64..).map(Seq::new).zip(self.ring.range_mut(from..to));
        stragglers.chain(ring.filter_map(|(seq, slot)| Some((seq, slot.as_mut()?))))
    }

    /// Removes the callers for which this says so.
    pub fn retain(&mut self, mut stays: impl FnMut(Seq, &mut W) -> bool) {
        self.stragglers.retain(|seq, waiter| stays(*seq, waiter));
        for (seq, slot) in (self.first.get()..).map(Seq::new).zip(&mut self.ring) {
            if slot.as_mut().is_some_and(|waiter| !stays(seq, waiter)) {
                *slot = None;
                self.in_ring -= 1;
            }
        }
        self.drop_empty_front();
    }

    /// Returns the seq from which on callers stand in the ring, and whether some with smaller seqs still wait.
    pub fn first(&self) -> (Seq, bool) {
        (self.first, !self.stragglers.is_empty())
    }

    /// Returns the number of callers.
    #[inline]
    pub fn len(&self) -> usize {
        self.in_ring + self.stragglers.len()
    }

    /// Returns whether there are no callers.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The index of the slot that a seq has, or would have.
    #[inline]
    fn slot(&self, seq: Seq) -> Option<usize> {
        usize::try_from(seq.get().checked_sub(self.first.get())?).ok()
    }

    #[inline]
    fn drop_empty_front(&mut self) {
        while let Some(None) = self.ring.front() {
            self.ring.pop_front();
            self.first = self.first.next();
        }
        // A client that has little to do keeps little memory.
        if self.ring.capacity() > LARGEST_KEPT && self.ring.len() < self.ring.capacity() / MOST_EMPTY {
            self.ring.shrink_to(2 * self.ring.len());
        }
    }

    /// Moves the oldest callers out, as long as most of the slots are empty.
    #[inline]
    fn keep_short(&mut self) {
        while self.ring.len() > self.in_ring * SLOTS_PER_CALLER + SLACK {
            self.move_front_out();
        }
    }

    fn move_front_out(&mut self) {
        if let Some(Some(waiter)) = self.ring.pop_front() {
            self.stragglers.insert(self.first, waiter);
            self.in_ring -= 1;
        }
        self.first = self.first.next();
        self.drop_empty_front();
    }
}

/// The ring may have this many slots per caller in it, and [`SLACK`] more. Beyond that its oldest caller is moved out.
const SLOTS_PER_CALLER: usize = 4;
const SLACK: usize = 64;
/// A larger ring shrinks when less than one part in so many of it is in use.
const MOST_EMPTY: usize = 8;
/// An empty ring is kept up to this size.
const LARGEST_KEPT: usize = 1024;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seqs_count_from_one() {
        let mut pending = Pending::default();
        assert_eq!(pending.insert('a'), Seq::new(1));
        assert_eq!(pending.insert('b'), Seq::new(2));
        assert_eq!(pending.remove(Seq::new(1)), Some('a'));
        assert_eq!(pending.insert('c'), Seq::new(3));
    }

    #[test]
    fn whichever_of_many_stays_it_keeps_little_memory() {
        for stays in [1, 30_000, 60_000] {
            let mut pending = Pending::default();
            for seq in 1..=60_000 {
                pending.insert(seq);
            }
            for seq in (1..=60_000).filter(|seq| *seq != stays) {
                assert_eq!(pending.remove(Seq::new(seq)), Some(seq));
            }
            assert!(pending.ring.capacity() <= LARGEST_KEPT, "{} slots for one", pending.ring.capacity());
            assert_eq!((pending.remove(Seq::new(stays)), pending.len()), (Some(stays), 0));
        }
    }

    #[test]
    fn seqs_never_given_are_unknown() {
        let mut pending = Pending::default();
        pending.insert('a');
        for seq in [i64::MIN, -1, 0, 2, i64::MAX] {
            assert_eq!(pending.get_mut(Seq::new(seq)), None);
            assert_eq!(pending.remove(Seq::new(seq)), None);
        }
    }

    #[test]
    fn one_long_call_does_not_make_the_ring_long() {
        let mut pending = Pending::default();
        let long = pending.insert(0);
        for n in 1..100_000 {
            let seq = pending.insert(n);
            assert_eq!(pending.remove(seq), Some(n));
        }
        assert!(pending.ring.capacity() < 1000, "the ring has {} slots", pending.ring.capacity());
        assert_eq!(pending.remove(long), Some(0));
        assert!(pending.is_empty());
    }

    proptest! {
        /// The table against a map, over any order of inserting and removing.
        #[test]
        fn it_behaves_as_a_map(steps in prop::collection::vec(prop::option::weighted(0.5, 0_usize..50), 0..2000)) {
            let (mut pending, mut model, mut next) = (Pending::default(), BTreeMap::<Seq, Seq>::new(), 1);
            for step in steps {
                match step.and_then(|n| model.keys().nth(n).copied()) {
                    Some(seq) => prop_assert_eq!(pending.remove(seq), model.remove(&seq)),
                    None => {
                        let seq = pending.insert(Seq::new(next));
                        prop_assert_eq!(seq, Seq::new(next));
                        model.insert(seq, seq);
                        next += 1;
                    }
                }
                prop_assert_eq!(pending.len(), model.len());
            }
            for (seq, value) in &model {
                prop_assert_eq!(pending.get_mut(*seq).copied(), Some(*value));
            }
            let sorted = |all: &mut dyn Iterator<Item = (Seq, &mut Seq)>| {
                let mut all: Vec<_> = all.map(|(seq, value)| (seq, *value)).collect();
                all.sort_unstable();
                all
            };
            let expected: Vec<_> = model.iter().map(|(seq, value)| (*seq, *value)).collect();
            prop_assert_eq!(sorted(&mut pending.iter_mut()), expected.clone());
            for (from, to) in [(i64::MIN, i64::MAX), (0, next / 2), (next / 3, next), (next / 2, next / 2), (5, 3)] {
                let within = |(seq, _): &(Seq, Seq)| (from..to).contains(&seq.get());
                let expected: Vec<_> = expected.iter().copied().filter(within).collect();
                prop_assert_eq!(sorted(&mut pending.range_mut(from..to)), expected, "{} to {}", from, to);
            }
            prop_assert_eq!(pending.next_seq(), Seq::new(next));
            pending.retain(|seq, _| seq.get() % 3 == 0);
            model.retain(|seq, _| seq.get() % 3 == 0);
            prop_assert_eq!(pending.len(), model.len());
            prop_assert_eq!(sorted(&mut pending.iter_mut()), model.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(pending.next_seq(), Seq::new(next));
        }
    }
}
