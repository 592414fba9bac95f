//! Values by seqs that somebody else gives, who is not trusted, and most often counts.
//!
//! Most clients count, so most values stand in a ring in the order of their seqs and are found by subtraction: nothing is
//! hashed. Any other seq goes to a tree beside it. The ring is never much longer than the number of values in it, whatever
//! the seqs are.

use std::collections::{BTreeMap, VecDeque};

use crate::proto::frame::Seq;

/// One value for each seq.
#[derive(Debug)]
pub(super) struct Slots<V> {
    /// The seq of the first slot.
    first: i64,
    ring: VecDeque<Option<V>>,
    in_ring: usize,
    others: BTreeMap<Seq, V>,
}

impl<V> Default for Slots<V> {
    fn default() -> Self {
        Self { first: 0, ring: VecDeque::new(), in_ring: 0, others: BTreeMap::new() }
    }
}

impl<V> Slots<V> {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.in_ring + self.others.len()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub(super) fn get_mut(&mut self, seq: Seq) -> Option<&mut V> {
        // A value may stand in the tree though the ring has come to have a slot for it.
        if let Some(value) = self.slot(seq).and_then(|slot| self.ring.get_mut(slot)?.as_mut()) {
            return Some(value);
        }
        if self.others.is_empty() { None } else { self.others.get_mut(&seq) }
    }

    #[inline]
    pub(super) fn contains(&self, seq: Seq) -> bool {
        self.slot(seq).is_some_and(|slot| matches!(self.ring.get(slot), Some(Some(_))))
            || (!self.others.is_empty() && self.others.contains_key(&seq))
    }

    /// Adds a value. Its seq has none.
    #[inline]
    pub(super) fn insert(&mut self, seq: Seq, value: V) {
        if self.ring.is_empty() {
            self.first = seq.get();
        }
        match self.slot(seq) {
            Some(slot) if slot >= self.ring.len() && slot - self.ring.len() <= GAP => {
                self.ring.resize_with(slot, || None);
                self.ring.push_back(Some(value));
                self.in_ring += 1;
                self.keep_short();
            }
            _ => _ = self.others.insert(seq, value),
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, seq: Seq) -> Option<V> {
        let in_ring = self.slot(seq).and_then(|slot| self.ring.get_mut(slot)?.take());
        if in_ring.is_none() {
            return self.others.remove(&seq);
        }
        self.in_ring -= 1;
        self.drop_empty_front();
        self.keep_short();
        in_ring
    }

    /// All values, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Seq, &V)> {
        // The last slot may be that of the greatest number.
        let seq = |slot: usize| Seq::new(self.first.wrapping_add(slot as i64));
        let ring = self.ring.iter().enumerate();
        let ring = ring.filter_map(move |(slot, value)| Some((seq(slot), value.as_ref()?)));
        ring.chain(self.others.iter().map(|(seq, value)| (*seq, value)))
    }

    /// The index of the slot that a seq has, or would have.
    #[inline]
    fn slot(&self, seq: Seq) -> Option<usize> {
        usize::try_from(seq.get().checked_sub(self.first)?).ok()
    }

    #[inline]
    fn drop_empty_front(&mut self) {
        while let Some(None) = self.ring.front() {
            self.ring.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        // A connection that has little to do keeps little memory.
        if self.ring.capacity() > LARGEST_KEPT && self.ring.len() < self.ring.capacity() / MOST_EMPTY {
            self.ring.shrink_to(2 * self.ring.len());
        }
    }

    /// Moves the oldest values out, as long as most of the slots are empty.
    #[inline]
    fn keep_short(&mut self) {
        while self.ring.len() > self.in_ring * SLOTS_PER_VALUE + SLACK {
            self.move_front_out();
        }
    }

    fn move_front_out(&mut self) {
        if let Some(Some(value)) = self.ring.pop_front() {
            self.others.insert(Seq::new(self.first), value);
            self.in_ring -= 1;
        }
        self.first = self.first.wrapping_add(1);
        self.drop_empty_front();
    }
}

/// So many slots may be skipped at once: those of Commands that have ended where they were decoded. To skip more costs more
/// than the tree does.
const GAP: usize = 16;
/// The ring may have this many slots per value in it, and [`SLACK`] more. Beyond that its oldest value is moved out.
const SLOTS_PER_VALUE: usize = 4;
const SLACK: usize = 64;
/// A larger ring shrinks when less than one part in so many of it is in use.
const MOST_EMPTY: usize = 8;
/// An empty ring is kept up to this size.
const LARGEST_KEPT: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_that_stays_does_not_make_the_ring_long() {
        let mut slots = Slots::default();
        for n in 1..100_000 {
            slots.insert(Seq::new(n), n);
            if n > 1 {
                assert_eq!(slots.remove(Seq::new(n)), Some(n));
            }
        }
        assert!(slots.ring.capacity() < 1000, "the ring has {} slots", slots.ring.capacity());
        assert_eq!(slots.remove(Seq::new(1)), Some(1));
        assert!(slots.is_empty());
    }

    #[test]
    fn whichever_of_many_stays_it_keeps_little_memory() {
        for stays in [1, 30_000, 60_000] {
            let mut slots = Slots::default();
            for seq in 1..=60_000 {
                slots.insert(Seq::new(seq), seq);
            }
            for seq in (1..=60_000).filter(|seq| *seq != stays) {
                assert_eq!(slots.remove(Seq::new(seq)), Some(seq));
            }
            assert!(slots.ring.capacity() <= LARGEST_KEPT, "{} slots for one", slots.ring.capacity());
            assert_eq!((slots.remove(Seq::new(stays)), slots.len()), (Some(stays), 0));
        }
    }

    #[test]
    fn seqs_far_apart_take_no_room_between_them() {
        let mut slots = Slots::default();
        for seq in [0, 1, i64::MAX, i64::MAX - 1, 1 << 40, 2] {
            slots.insert(Seq::new(seq), seq);
        }
        assert!(slots.ring.capacity() < 100 && slots.len() == 6);
        for seq in [i64::MAX, 0, 2, i64::MAX - 1, 1, 1 << 40] {
            assert_eq!(slots.remove(Seq::new(seq)), Some(seq));
        }
        // At the end of all numbers.
        slots.insert(Seq::new(i64::MAX), 1);
        assert_eq!(slots.iter().collect::<Vec<_>>(), [(Seq::new(i64::MAX), &1)]);
        assert_eq!((slots.remove(Seq::new(i64::MAX)), slots.len()), (Some(1), 0));
        slots.insert(Seq::new(0), 2);
        assert!(slots.contains(Seq::new(0)));
    }

    proptest! {
        /// Against a map, with seqs that count, with gaps, and out of order.
        #[test]
        fn it_behaves_as_a_map(steps in prop::collection::vec((0_i64..40, any::<bool>(), 0_usize..30), 0..1500)) {
            let (mut slots, mut model, mut next) = (Slots::default(), BTreeMap::<Seq, i64>::new(), 1);
            for (jump, inserts, n) in steps {
                let known = model.keys().nth(n).copied();
                if let Some(seq) = known.filter(|_| !inserts) {
                    prop_assert_eq!(slots.remove(seq), model.remove(&seq));
                } else {
                    // Most often the next one; some are left out; some come late.
                    let number = match jump { 0..30 => next, 30..37 => next + (jump - 29) * 9, _ => next - jump * 3 };
                    let seq = Seq::new(number);
                    next = next.max(number + 1);
                    prop_assert_eq!(slots.contains(seq), model.contains_key(&seq));
                    if !slots.contains(seq) {
                        slots.insert(seq, number);
                        model.insert(seq, number);
                    }
                }
                prop_assert!(slots.ring.len() <= slots.in_ring * SLOTS_PER_VALUE + SLACK);
                prop_assert_eq!((slots.len(), slots.is_empty()), (model.len(), model.is_empty()));
            }
            for (seq, value) in &mut model {
                prop_assert_eq!(slots.get_mut(*seq), Some(value));
            }
            let mut all: Vec<_> = slots.iter().map(|(seq, value)| (seq, *value)).collect();
            all.sort_unstable();
            prop_assert_eq!(all, model.into_iter().collect::<Vec<_>>());
        }
    }
}
