//! How many events a second may bring: a rate, and the bucket that one source of events draws from. Knows no clock, and not
//! what the events are.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::{Add, Sub};
use std::time::Duration;

use super::never::FOR_EVER;

/// How often something may happen in the long run, and how often at once: a token bucket.
///
/// The bucket is full at first. Each event takes a token, and the rate puts them back.
///
/// ```
/// use std::time::Duration;
/// use cmd_stream::server::Rate;
///
/// let steady = Rate::per_second(100);
/// let in_bursts = Rate::per_second(100).burst(1000);
/// let slow = Rate::new(30, Duration::from_secs(60)).burst(5);
/// # assert_ne!(steady, in_bursts);
/// # assert_ne!(steady, slow);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    interval: Duration,
    burst: u32,
}

impl Rate {
    /// So many events per second, at least 1. As many may come at once.
    pub fn per_second(events: u32) -> Self {
        Self::new(events, Duration::from_secs(1))
    }

    /// So many events, at least 1, in each such time. As many may come at once.
    ///
    /// The time between two events is at least a nanosecond. With [`Duration::MAX`] there are only so many events, ever.
    pub fn new(events: u32, per: Duration) -> Self {
        let events = events.max(1);
        Self { interval: (per / events).clamp(SHORTEST, FOR_EVER), burst: events }
    }

    /// Sets how many events may come at once, at least 1. The default is the number that the rate was made with.
    ///
    /// A server looks at its clock once per millisecond or less often. So a burst that is smaller than what the rate
    /// brings in some milliseconds makes the rate smaller.
    #[must_use]
    pub fn burst(self, events: u32) -> Self {
        Self { burst: events.max(1), ..self }
    }

    /// How long a bucket takes to get all its tokens back but one.
    fn depth(self) -> Duration {
        // The largest is some 10^11 years. Instants hold twice that.
        self.interval * (self.burst - 1)
    }
}

const SHORTEST: Duration = Duration::from_nanos(1);

/// The tokens of one source of events.
///
/// They are not counted: it is enough to know when the bucket will be full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket<T> {
    full_at: Option<T>,
}

/// What an instant must be able to do.
pub(crate) trait Instant:
    Copy + Ord + Add<Duration, Output = Self> + Sub<Duration, Output = Self>
{
}
impl<T: Copy + Ord + Add<Duration, Output = T> + Sub<Duration, Output = T>> Instant for T {}

impl<T: Instant> Bucket<T> {
    /// A full bucket.
    pub(crate) fn full() -> Self {
        Self { full_at: None }
    }

    /// When there will be a token. None if there is one now.
    pub(crate) fn room_at(&self, rate: Rate, now: T) -> Option<T> {
        let full_at = self.full_at?;
        (full_at > now + rate.depth()).then(|| full_at - rate.depth())
    }

    /// Takes a token. If there is none, the next one is taken in advance.
    pub(crate) fn take(&mut self, rate: Rate, now: T) {
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now));
        self.full_at = Some(full_at + rate.interval);
    }

    fn is_full(&self, now: T) -> bool {
        self.full_at.is_none_or(|full_at| full_at <= now)
    }
}

/// A bucket for each of many sources, but not for more than a given number.
///
/// A source whose bucket is full again is the same as one that was never seen. So those make place for others.
#[derive(Debug)]
pub(crate) struct Buckets<K, T> {
    rate: Rate,
    most: usize,
    buckets: HashMap<K, Bucket<T>>,
    swept_at: Option<T>,
}

/// What a table of buckets says of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// There is a token for it.
    Room,
    /// There is none.
    Over,
    /// Its source is not in the table, which is full of others.
    Unknown,
}

impl<K: Eq + Hash, T: Instant> Buckets<K, T> {
    pub(crate) fn new(rate: Rate, most: usize) -> Self {
        Self { rate, most, buckets: HashMap::new(), swept_at: None }
    }

    /// Whether an event of this source has a token. It does not take it.
    pub(crate) fn look(&mut self, source: &K, now: T) -> Verdict {
        match self.buckets.get(source).map(|bucket| bucket.room_at(self.rate, now)) {
            Some(Some(_)) => Verdict::Over,
            Some(None) => Verdict::Room,
            None if self.has_place(now) => Verdict::Room,
            None => Verdict::Unknown,
        }
    }

    /// Takes a token for an event of this source, if the table has a place for it.
    pub(crate) fn take(&mut self, source: K, now: T) {
        if self.buckets.len() < self.most || self.buckets.contains_key(&source) {
            self.buckets.entry(source).or_insert_with(Bucket::full).take(self.rate, now);
        }
    }

    /// Whether there is a place for another source; if need be, those that are full again are dropped.
    fn has_place(&mut self, now: T) -> bool {
        // Not at each event: to go through the table takes a millisecond, and it may free one place only.
        if self.buckets.len() >= self.most && self.swept_at.is_none_or(|swept| now >= swept + SWEEP_EVERY) {
            self.swept_at = Some(now);
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
            if self.buckets.is_empty() {
                self.buckets = HashMap::new(); // an idle server keeps no memory
            }
        }
        self.buckets.len() < self.most
    }
}

/// How often a table that is full is gone through at most.
const SWEEP_EVERY: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MILLI: Duration = Duration::from_millis(1);

    /// Events until there is no token.
    fn drain(bucket: &mut Bucket<Duration>, rate: Rate, now: Duration) -> u32 {
        let mut taken = 0;
        while bucket.room_at(rate, now).is_none() {
            bucket.take(rate, now);
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_burst_goes_through_and_one_more_waits_for_its_token() {
        let (rate, mut bucket) = (Rate::per_second(10).burst(3), Bucket::full());
        assert_eq!(drain(&mut bucket, rate, SECOND), 3);
        assert_eq!(bucket.room_at(rate, SECOND), Some(SECOND + 100 * MILLI));
        assert_eq!(bucket.room_at(rate, SECOND + 99 * MILLI), Some(SECOND + 100 * MILLI));
        assert_eq!(drain(&mut bucket, rate, SECOND + 100 * MILLI), 1);
        assert_eq!(drain(&mut bucket, rate, SECOND + 250 * MILLI), 1);
        // What came back while nothing happened is never more than a burst.
        assert_eq!(drain(&mut bucket, rate, 100 * SECOND), 3);
    }

    #[test]
    fn a_token_in_advance_is_paid_back() {
        let (rate, mut bucket) = (Rate::per_second(1), Bucket::full());
        for _ in 0..3 {
            bucket.take(rate, SECOND);
        }
        assert_eq!(bucket.room_at(rate, SECOND), Some(4 * SECOND));
    }

    #[test]
    fn a_rate_is_at_least_one_event_and_its_times_never_overflow() {
        assert_eq!(Rate::per_second(0), Rate::per_second(1));
        assert_eq!(Rate::per_second(5).burst(0), Rate::per_second(5).burst(1));
        let now = std::time::Instant::now();
        for per in [Duration::ZERO, SECOND, Duration::MAX] {
            for events in [1, u32::MAX] {
                let (rate, mut bucket) = (Rate::new(events, per).burst(u32::MAX), Bucket::full());
                for _ in 0..1000 {
                    bucket.take(rate, now);
                }
                assert_eq!(bucket.room_at(rate, now), None, "{rate:?}");
            }
        }
        let (rate, mut bucket) = (Rate::new(1, Duration::MAX), Bucket::full());
        bucket.take(rate, now);
        assert_eq!(bucket.room_at(rate, now), Some(now + FOR_EVER));
    }

    proptest! {
        /// Whatever comes when: in no stretch of time are there more events than a burst and what the rate brings in it.
        #[test]
        fn no_stretch_has_more_than_the_rate_and_a_burst(
            events in 1_u32..50, burst in 1_u32..20, pauses in prop::collection::vec(0_u64..60, 1..200),
        ) {
            let rate = Rate::per_second(events).burst(burst);
            let (mut bucket, mut now, mut let_in) = (Bucket::full(), SECOND, Vec::new());
            for pause in pauses {
                now += Duration::from_millis(pause);
                if bucket.room_at(rate, now).is_none() {
                    bucket.take(rate, now);
                    let_in.push(now);
                }
            }
            for (from, began) in let_in.iter().enumerate() {
                for (to, ended) in let_in.iter().enumerate().skip(from) {
                    let most = f64::from(burst) + (*ended - *began).as_secs_f64() * f64::from(events);
                    prop_assert!((to - from + 1) as f64 <= most + 0.001);
                }
            }
        }
    }

    #[test]
    fn each_source_has_a_bucket_of_its_own() {
        let mut table = Buckets::new(Rate::per_second(1), 10);
        for source in ["a", "b"] {
            assert_eq!(table.look(&source, SECOND), Verdict::Room);
            table.take(source, SECOND);
            assert_eq!(table.look(&source, SECOND), Verdict::Over);
        }
        assert_eq!(table.look(&"a", 2 * SECOND), Verdict::Room);
    }

    #[test]
    fn sources_whose_bucket_is_full_again_make_place_and_busy_ones_stay() {
        let mut table = Buckets::new(Rate::per_second(1).burst(3), 3);
        for (source, events) in [("a", 1), ("b", 2), ("c", 3)] {
            (0..events).for_each(|_| table.take(source, SECOND));
        }
        assert_eq!(table.look(&"d", SECOND), Verdict::Unknown);
        table.take("d", SECOND);
        assert_eq!((table.buckets.len(), table.look(&"c", SECOND)), (3, Verdict::Over));
        // Gone through a moment ago, it is not gone through again.
        assert_eq!(table.look(&"d", SECOND + 99 * MILLI), Verdict::Unknown);
        assert_eq!(table.look(&"d", 2 * SECOND), Verdict::Room);
        table.take("d", 2 * SECOND);
        let mut left: Vec<_> = table.buckets.keys().copied().collect();
        left.sort_unstable();
        assert_eq!(left, ["b", "c", "d"]);
        assert_eq!(table.look(&"e", 3600 * SECOND), Verdict::Room);
        assert_eq!(table.buckets.capacity(), 0);
    }
}
