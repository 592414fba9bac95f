//! The calls that are in the table of no member, though they have begun: their hooks run, they wait for room, for a member or for
//! the end of a pause, or they go from one member to another. A drain waits for them as for the others.

use std::array::from_fn;

use crate::stats::thread;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// How many there are. Each thread counts in one of several places, so that threads seldom wait for each other.
#[derive(Debug)]
pub(super) struct Aparts {
    places: [Place; PLACES],
}

const PLACES: usize = 8;

/// In the lower half of the number is how many there are, in the upper half how many there have been.
#[derive(Debug, Default)]
#[repr(align(64))] // a line of the cache
struct Place(AtomicU64);

const ONE_MORE: u64 = 1 << 32 | 1;
const ONE_LESS: u64 = 1;

/// That there were none, at some instant.
#[derive(PartialEq, Eq)]
pub(super) struct NoneApart([u64; PLACES]);

impl Default for Aparts {
    fn default() -> Self {
        Self { places: from_fn(|_| Place::default()) }
    }
}

impl Aparts {
    pub(super) fn len(&self) -> usize {
        self.places.iter().map(|place| place.0.load(SeqCst) as u32 as usize).sum()
    }

    /// `None` if there are some. Two that are equal say that there were none in between, either.
    pub(super) fn none(&self) -> Option<NoneApart> {
        let seen = from_fn(|place| self.places[place].0.load(SeqCst));
        seen.iter().all(|number| *number as u32 == 0).then_some(NoneApart(seen))
    }

    /// Counts a call as long as what it returns is there.
    pub(super) fn count(&self) -> Counted<'_> {
        Counted(self.enter())
    }

    /// As [`count`](Self::count), for a call that is kept.
    pub(super) fn keep(self: &Arc<Self>) -> Apart {
        let place = thread::number() % PLACES;
        self.places[place].0.fetch_add(ONE_MORE, SeqCst);
        Apart { aparts: Arc::clone(self), place }
    }

    fn enter(&self) -> &Place {
        let place = &self.places[thread::number() % PLACES];
        place.0.fetch_add(ONE_MORE, SeqCst);
        place
    }
}

pub(super) struct Counted<'a>(&'a Place);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(ONE_LESS, SeqCst);
    }
}

pub(super) struct Apart {
    aparts: Arc<Aparts>,
    place: usize,
}

impl Drop for Apart {
    fn drop(&mut self) {
        self.aparts.places[self.place].0.fetch_sub(ONE_LESS, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_has_come_and_gone_is_noticed() {
        let aparts = Arc::new(Aparts::default());
        let before = aparts.none();
        assert!(before.is_some() && aparts.none() == before);
        let (counted, kept) = (aparts.count(), aparts.keep());
        assert!(aparts.len() == 2 && aparts.none().is_none());
        drop(counted);
        assert!(aparts.len() == 1 && aparts.none().is_none());
        drop(kept);
        assert!(aparts.len() == 0 && aparts.none().is_some() && aparts.none() != before);
    }
}
