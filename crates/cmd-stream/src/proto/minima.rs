//! Deadlines of numbered callers: only the earliest of each 256 is kept. To note one costs a comparison, to have none
//! costs nothing, and to find those that are due means to look through the blocks in which one is. Knows no clock.

use std::collections::VecDeque;
use std::ops::Range;

/// Callers share a minimum in blocks of this size.
const BLOCK: u64 = 256;

/// At most this many blocks are kept: they are looked through, and room is made for them, under a lock.
const MOST: u64 = 4096;

/// The earliest deadline of each block of numbers.
#[derive(Debug)]
pub(crate) struct Minima<T> {
    /// The number of the first block.
    first: u64,
    blocks: VecDeque<Option<T>>,
    /// The earliest deadline of all numbers before the first block.
    before: Option<T>,
    earliest: Option<T>,
}

impl<T> Default for Minima<T> {
    fn default() -> Self {
        Self { first: 0, blocks: VecDeque::new(), before: None, earliest: None }
    }
}

impl<T: Copy + Ord> Minima<T> {
    /// The earliest deadline that was noted and not taken. The caller it belongs to may be gone.
    #[inline]
    pub(crate) fn earliest(&self) -> Option<T> {
        self.earliest
    }

    /// Notes a deadline. Returns whether a block was begun for it: then it is time to [leave behind](Self::leave_behind)
    /// those that are over, or their number would grow without bound.
    #[inline]
    #[must_use]
    pub(crate) fn note(&mut self, number: u64, deadline: T) -> bool {
        let block = number / BLOCK;
        let mut has_begun = false;
        let minimum = match block.checked_sub(self.first) {
            None => &mut self.before,
            Some(n) => {
                if n >= self.blocks.len() as u64 {
                    self.begin(block);
                    has_begun = true;
                }
                // That may have moved the first block.
                &mut self.blocks[(block - self.first) as usize]
            }
        };
        lower(minimum, deadline);
        lower(&mut self.earliest, deadline);
        has_begun
    }

    fn begin(&mut self, block: u64) {
        if self.blocks.is_empty() {
            self.first = block; // nothing is noted in those between
        }
        if block - self.first > MOST {
            // Nobody has noted anything for long. What is left of the old ones becomes one: it costs a look at more callers.
            let old = std::mem::take(&mut self.blocks);
            old.into_iter().flatten().for_each(|minimum| lower(&mut self.before, minimum));
            self.first = block;
        }
        while self.blocks.len() as u64 <= block - self.first {
            self.blocks.push_back(None);
        }
    }

    /// Gives up the blocks that lie wholly before a number. `some_are_left` says whether callers before it still wait:
    /// then their deadlines are kept as one.
    pub(crate) fn leave_behind(&mut self, number: u64, some_are_left: bool) {
        while self.first < number / BLOCK
            && let Some(minimum) = self.blocks.pop_front()
        {
            self.first += 1;
            if let (Some(minimum), true) = (minimum, some_are_left) {
                lower(&mut self.before, minimum);
            }
        }
        if !some_are_left && number >= self.first * BLOCK {
            self.before = None;
        }
        // `earliest` may be that of a block that is gone. It is found to be nobody's when it is due.
    }

    /// Takes what is due. The numbers that it may belong to are in the ranges. Those of them that are not due must be
    /// noted again.
    #[must_use]
    pub(crate) fn take_due(&mut self, now: T) -> Vec<Range<u64>> {
        let mut due = Vec::new();
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return due;
        }
        if take(&mut self.before, now) {
            due.push(0..self.first * BLOCK);
        }
        let mut earliest = self.before;
        for (minimum, block) in self.blocks.iter_mut().zip(self.first..) {
            if take(minimum, now) {
                due.push(block * BLOCK..(block + 1) * BLOCK);
            }
            if let Some(minimum) = *minimum {
                lower(&mut earliest, minimum);
            }
        }
        self.earliest = earliest;
        if earliest.is_none() {
            self.blocks = VecDeque::new(); // an idle client keeps no memory
        }
        due
    }
}

fn lower<T: Copy + Ord>(minimum: &mut Option<T>, deadline: T) {
    if minimum.is_none_or(|minimum| deadline < minimum) {
        *minimum = Some(deadline);
    }
}

fn take<T: Copy + Ord>(minimum: &mut Option<T>, now: T) -> bool {
    minimum.take_if(|minimum| *minimum <= now).is_some()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_block_that_is_due_is_looked_through() {
        let mut minima = Minima::default();
        assert_eq!([(3, 50), (4, 60), (1000, 10)].map(|(n, at)| minima.note(n, at)), [true, false, true]);
        assert_eq!(minima.earliest(), Some(10));
        assert_eq!(minima.take_due(9), []);
        assert_eq!(minima.take_due(10), std::slice::from_ref(&(768..1024)));
        assert_eq!(minima.earliest(), Some(50));
        assert_eq!(minima.take_due(70), std::slice::from_ref(&(0..256)));
        assert_eq!(minima.earliest(), None);
    }

    #[test]
    fn what_is_left_behind_is_one_range() {
        let mut minima = Minima::default();
        let _ = minima.note(3, 50);
        let _ = minima.note(300, 40);
        minima.leave_behind(600, true);
        let _ = minima.note(4, 45);
        let _ = minima.note(700, 90);
        assert_eq!(minima.take_due(60), std::slice::from_ref(&(0..512)));
        let _ = minima.note(4, 70);
        minima.leave_behind(600, false);
        assert_eq!(minima.take_due(70), [], "nobody is left to whom it belongs");
        assert_eq!(minima.earliest(), Some(90));
    }

    #[test]
    fn memory_does_not_grow_with_the_numbers() {
        // Some callers have no deadline, so that no number is sure to be noted.
        for step in [1, 2, 255, 256, 257, 1001] {
            let mut minima = Minima::default();
            for number in (7..2_000_000).step_by(step) {
                if minima.note(number, number + 1_000_000) {
                    minima.leave_behind(number.saturating_sub(1000), false);
                }
            }
            assert!(minima.blocks.capacity() < 100, "{step}: {}", minima.blocks.capacity());
        }
        // One that waits for long, then millions that have no deadline.
        let mut far = Minima::default();
        assert!(far.note(5, 3_600));
        assert!(far.note(1_800_000_000, 9_000));
        assert!(far.blocks.capacity() < 100);
        assert_eq!(far.take_due(3_600), std::slice::from_ref(&(0..1_800_000_000 / 256 * 256)));
        assert_eq!(far.earliest(), Some(9_000));
        let mut far = Minima::default();
        assert!(far.note(u64::MAX / 2, 1));
        assert!(far.blocks.capacity() < 100);
    }

    proptest! {
        /// Whoever is due is in a range, though only minima are kept, and each is noted again if it is not.
        #[test]
        fn whoever_is_due_is_found(
            steps in prop::collection::vec((0_u64..2000, 0_u64..1000), 1..300),
            gone in prop::collection::vec(0_u64..2000, 0..50),
        ) {
            let (mut minima, mut model) = (Minima::default(), BTreeMap::new());
            for (number, deadline) in steps {
                let _ = minima.note(number, deadline);
                let old = model.entry(number).or_insert(deadline);
                *old = deadline.min(*old);
            }
            for number in &gone {
                model.remove(number);
            }
            let first = model.keys().next().copied().unwrap_or(2000);
            minima.leave_behind(first + 512, model.range(..first + 512).next().is_some());
            for now in (0..1000).step_by(97) {
                for range in minima.take_due(now) {
                    let here: Vec<_> = model.range(range).map(|(n, at)| (*n, *at)).collect();
                    for (number, deadline) in here {
                        if deadline <= now {
                            model.remove(&number);
                        } else {
                            let _ = minima.note(number, deadline);
                        }
                    }
                }
                prop_assert!(model.values().all(|deadline| *deadline > now), "{now}: {model:?}");
                prop_assert!(minima.earliest().is_none_or(|earliest| earliest > now));
            }
        }
    }
}
