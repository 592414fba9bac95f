//! Whether a queue is overloaded, told from how long what leaves it has waited. Knows no clock, and not what waits.
//!
//! It follows CoDel (RFC 8289). A burst makes a queue long for a moment, which does no harm. A queue is overloaded if not
//! even the shortest wait comes down to the target in a whole interval: then it is never worked off, and makes everybody
//! wait. CoDel then drops more and more often. Here everything new is to be refused, as each client is told, and may go
//! elsewhere. So the queue is worked off quickly, and the overload ends with the first wait that is within the target, or
//! when nothing waits any more.

use std::ops::Add;
use std::time::Duration;

/// What is known of a queue.
#[derive(Debug)]
pub(crate) struct Codel<T> {
    interval: Duration,
    /// Since when each wait was above the target, and when the last of them was seen.
    above: Option<(T, T)>,
    overloaded: bool,
}

/// What a wait has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    Began,
    Ended,
}

impl<T: Copy + Ord + Add<Duration, Output = T>> Codel<T> {
    /// A queue in which nothing waits, and in which nothing is to wait for longer than the target.
    pub(crate) fn new(target: Duration) -> Self {
        // No instant may overflow. What waits for a year waits for ever.
        let interval = target.clamp(INTERVAL, YEAR);
        Self { interval, above: None, overloaded: false }
    }

    pub(crate) fn is_overloaded(&self) -> bool {
        self.overloaded
    }

    /// Whether waits have been above the target since the last that was not.
    pub(crate) fn is_above(&self) -> bool {
        self.above.is_some()
    }

    /// Something has waited for longer than the target.
    pub(crate) fn above(&mut self, now: T) -> Option<Change> {
        let ended = self.look(now);
        let (since, last) = self.above.get_or_insert((now, now));
        *last = now.max(*last);
        if !self.overloaded && now >= *since + self.interval {
            self.overloaded = true;
            return Some(Change::Began);
        }
        ended
    }

    /// Something has waited for no longer than the target, or nothing waits any more.
    pub(crate) fn below(&mut self) -> Option<Change> {
        self.above = None;
        std::mem::take(&mut self.overloaded).then_some(Change::Ended)
    }

    /// Time has passed. What has not moved for long is forgotten: it may be stuck, and says nothing of what is new.
    pub(crate) fn look(&mut self, now: T) -> Option<Change> {
        let (_, last) = self.above?;
        if now > last + self.interval * STUCK { self.below() } else { None }
    }
}

/// In which time a burst is to be worked off: that of CoDel. For a larger target it is the target itself.
const INTERVAL: Duration = Duration::from_millis(100);
/// After so many intervals in which nothing has left a queue, it is stuck. Work that blocks its threads for some intervals
/// is not taken for that.
const STUCK: u32 = 10;
const YEAR: Duration = Duration::from_secs(86_400 * 365);

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn waits_that_stay_above_the_target_for_an_interval_are_an_overload() {
        let mut queue = Codel::new(20 * MILLI);
        assert_eq!(queue.above(1000 * MILLI), None);
        assert_eq!(queue.above(1099 * MILLI), None);
        assert!(queue.is_above() && !queue.is_overloaded());
        assert_eq!(queue.above(1100 * MILLI), Some(Change::Began));
        assert_eq!(queue.above(1101 * MILLI), None);
        assert!(queue.is_overloaded());
        assert_eq!(queue.below(), Some(Change::Ended));
        assert_eq!(queue.below(), None);
        assert!(!queue.is_above() && !queue.is_overloaded());
    }

    #[test]
    fn bursts_that_are_worked_off_are_none() {
        let mut queue = Codel::new(20 * MILLI);
        for burst in 0..100 {
            for wait in 0..90 {
                assert_eq!(queue.above((burst * 100 + wait) * MILLI), None);
            }
            assert_eq!(queue.below(), None);
        }
    }

    #[test]
    fn it_ends_when_nothing_has_left_the_queue_for_ten_intervals() {
        let mut queue = Codel::new(20 * MILLI);
        assert_eq!((queue.above(Duration::ZERO), queue.above(900 * MILLI)), (None, Some(Change::Began)));
        assert_eq!(queue.look(1900 * MILLI), None);
        assert_eq!(queue.look(1901 * MILLI), Some(Change::Ended));
        // What is seen later begins anew.
        assert_eq!((queue.above(2000 * MILLI), queue.above(3001 * MILLI)), (None, None));
        assert!(!queue.is_overloaded() && queue.is_above());
    }

    #[test]
    fn the_interval_is_no_shorter_than_the_target() {
        let mut queue = Codel::new(500 * MILLI);
        assert_eq!((queue.above(Duration::ZERO), queue.above(499 * MILLI)), (None, None));
        assert_eq!(queue.above(500 * MILLI), Some(Change::Began));
        let mut never = Codel::new(Duration::MAX);
        assert_eq!(never.above(std::time::Instant::now()), None);
        assert_eq!(never.look(std::time::Instant::now()), None);
    }
}
