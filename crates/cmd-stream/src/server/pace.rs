//! Which types of Commands may be polled where they were decoded: those that have proved to be quick. Knows no tasks
//! and no Commands; it is told how long they took.
//!
//! A type starts in tasks of its own. There each poll is timed; when enough Commands in a row have ended at their first
//! poll, which was short, the type is polled in place. There single polls are not timed, as looking at the clock costs
//! 3 % of a quick Command, but groups of them are: after a long group all its types start again. A type that is seen
//! to be long in a task of its own, where there is no doubt who it was, has to prove itself for much longer.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// A poll up to this long is short: "tens of microseconds".
const SHORT: Duration = Duration::from_micros(50);
/// A group of [`GROUP`] polls up to this long is short.
pub(crate) const GROUP_SHORT: Duration = Duration::from_micros(500);
/// How many polls in place share a look at the clock.
pub(crate) const GROUP: u32 = 16;
/// Quick Commands in a row before a type is polled in place: the first time, the most after a long group that it was
/// only a part of, and after a long poll that was surely its own.
const PROOF_FIRST: u32 = 64;
const PROOF_SUSPECT: u32 = 1024;
const PROOF_GUILTY: u32 = 65_536;
/// A type of which more than one in this many stays pending after a poll in place gains nothing there.
const PENDING_SHARE: u32 = 5;

/// What a server knows of a type of Commands. The numbers are approximate where connections race.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Quick Commands that are still to be seen.
    to_prove: AtomicU32,
    /// What the next doubt costs.
    next_proof: AtomicU32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { to_prove: AtomicU32::new(PROOF_FIRST), next_proof: AtomicU32::new(PROOF_FIRST) }
    }
}

impl Pace {
    /// Whether Commands of this type are polled in place.
    pub(crate) fn is_quick(&self) -> bool {
        self.to_prove.load(Relaxed) == 0
    }

    /// Books a poll in a task of its own.
    pub(crate) fn polled_alone(&self, time: Duration, ended_at_first: bool) {
        if time > SHORT {
            self.to_prove.store(PROOF_GUILTY, Relaxed);
        } else if ended_at_first {
            let left = self.to_prove.load(Relaxed);
            self.to_prove.store(left.saturating_sub(1), Relaxed);
        }
    }

    /// Books that it was part of a long group in place.
    pub(crate) fn was_in_long_group(&self) {
        let proof = self.next_proof.load(Relaxed);
        self.to_prove.store(proof, Relaxed);
        self.next_proof.store((proof * 2).min(PROOF_SUSPECT), Relaxed);
    }

    /// Books polls in place, and how many of them stayed pending.
    pub(crate) fn polled_in_place(&self, polls: u32, pending: u32) {
        if pending * PENDING_SHARE > polls {
            self.to_prove.store(PROOF_FIRST, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_micros(1);

    fn proofs_needed(pace: &Pace) -> u32 {
        (0..).find(|_| pace.is_quick() || { pace.polled_alone(QUICK, true); false }).expect("endless")
    }

    #[test]
    fn a_type_is_polled_in_place_after_it_was_quick_often_enough() {
        let pace = Pace::default();
        assert!(!pace.is_quick());
        assert_eq!(proofs_needed(&pace), PROOF_FIRST);
    }

    #[test]
    fn a_type_that_stays_pending_is_not() {
        let pace = Pace::default();
        for _ in 0..10 * PROOF_FIRST {
            pace.polled_alone(QUICK, false);
        }
        assert!(!pace.is_quick());
    }

    #[test]
    fn one_long_group_ends_it_and_the_next_proof_is_twice_as_long() {
        let pace = Pace::default();
        proofs_needed(&pace);
        pace.was_in_long_group();
        assert!(!pace.is_quick());
        assert_eq!(proofs_needed(&pace), PROOF_FIRST);
        pace.was_in_long_group();
        assert_eq!(proofs_needed(&pace), 2 * PROOF_FIRST);
        for _ in 0..10 {
            pace.was_in_long_group();
        }
        assert_eq!(proofs_needed(&pace), PROOF_SUSPECT);
    }

    #[test]
    fn a_type_seen_to_be_long_has_to_prove_itself_for_longest() {
        let pace = Pace::default();
        pace.polled_alone(SHORT + QUICK, true);
        assert_eq!(proofs_needed(&pace), PROOF_GUILTY);
    }

    #[test]
    fn a_type_of_which_many_stay_pending_in_place_goes_back() {
        let pace = Pace::default();
        proofs_needed(&pace);
        pace.polled_in_place(100, 20);
        assert!(pace.is_quick());
        pace.polled_in_place(100, 21);
        assert!(!pace.is_quick());
    }
}
