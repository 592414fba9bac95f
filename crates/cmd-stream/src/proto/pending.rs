//! The table of callers that wait for Replies. Knows nothing of sockets, clocks or Formats.
//!
//! Each seq is one more than the last, so callers stand in a ring in the order of their seqs and are found by subtraction.
//! In the steady state nothing is hashed or allocated. A caller that stays much longer than those after it, such as a
//! stream, is moved out of the ring. So the ring is never much longer than the number of callers in it.

use std::collections::{HashMap, VecDeque};

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
        Self { first: Seq::FIRST, ring: VecDeque::new(), in_ring: 0, stragglers: HashMap::new() }
    }
}

impl<W> Pending<W> {
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
        if self.ring.len() > self.in_ring * SLOTS_PER_CALLER + SLACK {
            self.move_front_out();
        }
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
        Some(waiter)
    }

    /// Iterates over all callers in no particular order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut W> {
        self.stragglers.values_mut().chain(self.ring.iter_mut().flatten())
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
        if self.ring.is_empty() && self.ring.capacity() > 1024 {
            self.ring = VecDeque::new(); // an idle client keeps no memory
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
            let mut all: Vec<_> = pending.iter_mut().map(|value| value.get()).collect();
            all.sort_unstable();
            prop_assert_eq!(all, model.into_values().map(Seq::get).collect::<Vec<_>>());
            prop_assert_eq!(pending.next_seq(), Seq::new(next));
        }
    }
}
