//! How long to wait before the next attempt to connect. Knows nothing of sockets and reads no clock: the caller says how
//! long a connection was up, and gives the seed of the jitter.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use super::never::FOR_EVER;

/// The pauses between attempts to connect. They grow exponentially and are random, so that the clients of a server that
/// comes back do not all arrive at once.
///
/// Each pause has a ceiling: [`first`](Self::first) for the first one, and [`factor`](Self::factor) times more for each
/// further one, up to [`longest`](Self::longest). The pause is chosen evenly between a sixteenth of the ceiling and
/// the ceiling ("full jitter"). No pause is shorter than 10 ms, whatever the settings: a client starts at most 100
/// attempts per second. With the defaults it starts at most 16 in the first 10 s, and about 11 on average.
///
/// The ceiling returns to `first` only after a connection has been up for [`healthy_after`](Self::healthy_after). A
/// connection that is lost earlier counts as one more failed attempt.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Backoff {
    first: Duration,
    factor: f64,
    longest: Duration,
    healthy_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            factor: 1.6,
            longest: Duration::from_secs(30),
            healthy_after: Duration::from_secs(10),
        }
    }
}

impl Backoff {
    /// Sets the ceiling of the first pause. 100 ms by default, at least 10 ms.
    /// [`longest`](Self::longest) limits this ceiling, too.
    #[must_use]
    pub fn first(self, time: Duration) -> Self {
        Self { first: time.clamp(SHORTEST_PAUSE, FOR_EVER), ..self }
    }

    /// Sets the factor by which the ceiling grows with each attempt. 1.6 by default, at least 1. With 1 it does not grow.
    /// NaN counts as 1.
    #[must_use]
    pub fn factor(self, factor: f64) -> Self {
        Self { factor: factor.max(1.0), ..self }
    }

    /// Limits the ceiling, and so each pause. 30 s by default, at least 10 ms. [`Duration::MAX`] means no limit. If
    /// [`first`](Self::first) is `MAX`, too, the client makes no further attempt by itself.
    #[must_use]
    pub fn longest(self, time: Duration) -> Self {
        Self { longest: time.clamp(SHORTEST_PAUSE, FOR_EVER), ..self }
    }

    /// Sets how long a connection must be up for the ceiling to return to [`first`](Self::first). 10 s by default.
    ///
    /// With zero it returns after every connection, with [`Duration::MAX`] after none.
    #[must_use]
    pub fn healthy_after(self, time: Duration) -> Self {
        Self { healthy_after: time, ..self }
    }

    /// Returns the value set by [`first`](Self::first).
    pub fn get_first(&self) -> Duration {
        self.first
    }

    /// Returns the value set by [`factor`](Self::factor).
    pub fn get_factor(&self) -> f64 {
        self.factor
    }

    /// Returns the value set by [`longest`](Self::longest).
    pub fn get_longest(&self) -> Duration {
        self.longest
    }

    /// Returns the value set by [`healthy_after`](Self::healthy_after).
    pub fn get_healthy_after(&self) -> Duration {
        self.healthy_after
    }
}

/// The attempts of one client: how far its pauses have grown, and what the next one is.
#[derive(Clone, Debug)]
pub(crate) struct Attempts {
    backoff: Backoff,
    /// Of the next pause.
    ceiling: Duration,
    random: SplitMix64,
}

impl Attempts {
    /// Starts with a ceiling of [`Backoff::first`]. Two that have the same seed have the same pauses; [`seed`] makes one
    /// that no other client has.
    pub(crate) fn new(backoff: Backoff, seed: u64) -> Self {
        Self { backoff, ceiling: backoff.first.min(backoff.longest), random: SplitMix64(seed) }
    }

    /// Returns how long to wait before the next attempt, from 10 ms to [`Backoff::longest`]. The one after that has a
    /// higher ceiling.
    pub(crate) fn next_delay(&mut self) -> Duration {
        let ceiling = self.ceiling;
        self.ceiling = self.grown();
        self.random.between((ceiling / SMALLEST_SHARE).max(SHORTEST_PAUSE), ceiling)
    }

    /// Books how long a connection was up that has been lost. If that was long enough, the next pause is a first one
    /// again.
    pub(crate) fn connected_for(&mut self, time: Duration) {
        if time >= self.backoff.healthy_after {
            self.ceiling = self.backoff.first.min(self.backoff.longest);
        }
    }

    /// Returns a time up to a tenth shorter or longer than this one, by chance. `None` if it is as good as
    /// never over.
    pub(crate) fn about(&mut self, time: Duration) -> Option<Duration> {
        let tenth = time / 10;
        (time <= LONGEST_AGE).then(|| self.random.between(time - tenth, time + tenth))
    }

    fn grown(&self) -> Duration {
        let seconds = self.ceiling.as_secs_f64() * self.backoff.factor;
        // What is too large for a duration is over the longest one.
        Duration::try_from_secs_f64(seconds)
            .map_or(self.backoff.longest, |time| time.min(self.backoff.longest))
    }
}

/// Makes a seed that differs between clients and between processes.
pub(crate) fn seed() -> u64 {
    // The standard library has no other source of randomness. A hash of nothing depends on the random keys only.
    RandomState::new().build_hasher().finish()
}

/// The generator of Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (OOPSLA 2014), section 4, with
/// the shifts and factors of their `mix64variant13`. Its first numbers are good for any seed, also for 0, 1, 2.
#[derive(Clone, Debug)]
pub(crate) struct SplitMix64(pub(crate) u64);

impl SplitMix64 {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A time from `low` to `high`, each as likely as the others. `low` is at most `high`, and what is between them at most
    /// [`LONGEST_AGE`].
    fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let span = (high - low).as_nanos() + 1; // below 2^63
        let nanoseconds = (span * u128::from(self.next())) >> 64;
        low + Duration::from_nanos(u64::try_from(nanoseconds).expect("it is less than the span"))
    }
}

/// Full jitter alone may choose next to nothing many times in a row, and settings may ask for it.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// A sixteenth, so that no seed is worse than 16 attempts in 10 s: the first 16 default ceilings add up to 164.9 s, and so
/// the shortest pauses to 10.3 s.
const SMALLEST_SHARE: u32 = 16;

/// A hundred years.
const LONGEST_AGE: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How many attempts are made within a time, the first of which is at its start, if each fails at once.
    fn attempts_within(time: Duration, mut attempts: Attempts) -> usize {
        let mut now = Duration::ZERO;
        let mut count = 0;
        while now <= time {
            count += 1;
            now += attempts.next_delay();
        }
        count
    }

    /// The highest pauses that are possible.
    fn ceilings(backoff: Backoff) -> impl Iterator<Item = Duration> {
        let mut attempts = Attempts::new(backoff, 0);
        std::iter::repeat_with(move || {
            let ceiling = attempts.ceiling;
            attempts.next_delay();
            ceiling
        })
    }

    #[test]
    fn a_closed_port_is_dialled_at_most_16_times_in_10_seconds() {
        let counts = (0..10_000)
            .map(|seed| attempts_within(Duration::from_secs(10), Attempts::new(Backoff::default(), seed)));
        let counts: Vec<_> = counts.collect();
        let most = counts.iter().copied().max().expect("there are seeds");
        assert!(most <= 16, "{most}");
        let mean = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
        assert!((10.0..12.0).contains(&mean), "{mean}");
    }

    #[test]
    fn not_even_the_lowest_pauses_dial_more_than_16_times_in_10_seconds() {
        let lowest = ceilings(Backoff::default()).take(16).map(|ceiling| (ceiling / 16).max(SHORTEST_PAUSE));
        let seventeenth = lowest.sum::<Duration>();
        assert!(seventeenth > Duration::from_secs(10), "{seventeenth:?}");
    }

    #[test]
    fn ceilings_grow_from_the_first_by_the_factor_to_the_longest() {
        let backoff = Backoff::default()
            .first(Duration::from_millis(100))
            .factor(2.0)
            .longest(Duration::from_millis(500));
        let milliseconds: Vec<_> = ceilings(backoff).take(5).map(|ceiling| ceiling.as_millis()).collect();
        assert_eq!(milliseconds, [100, 200, 400, 500, 500]);
    }

    #[test]
    fn pauses_fill_their_range_evenly() {
        let fixed = Backoff::default().first(Duration::from_secs(16)).factor(1.0);
        let mut attempts = Attempts::new(fixed, 1);
        let mut buckets = [0; 15];
        for _ in 0..15_000 {
            buckets[attempts.next_delay().as_millis() as usize / 1000 - 1] += 1;
        }
        // Each expects 1000 of 15,000: the standard deviation is 31.
        assert!(buckets.iter().all(|count| (850..1150).contains(count)), "{buckets:?}");
    }

    #[test]
    fn the_first_pauses_of_many_clients_are_spread() {
        let first = |seed| Attempts::new(Backoff::default(), seed).next_delay().as_secs_f64();
        let mean = (0..10_000).map(first).sum::<f64>() / 10_000.0;
        assert!((0.053..0.057).contains(&mean), "{mean}: from 10 to 100 ms it is 55 ms");
    }

    #[test]
    fn only_a_healthy_connection_resets_it() {
        let backoff = Backoff::default().longest(Duration::from_secs(1000));
        let mut attempts = Attempts::new(backoff, 1);
        for _ in 0..10 {
            attempts.next_delay();
        }
        let grown = attempts.ceiling;
        assert!(grown > Duration::from_secs(10));
        attempts.connected_for(Duration::ZERO);
        attempts.connected_for(Duration::from_secs(10) - Duration::from_nanos(1));
        assert_eq!(attempts.ceiling, grown);
        attempts.next_delay();
        assert!(attempts.ceiling > grown, "a connection that dies early is one more failed attempt");
        attempts.connected_for(Duration::from_secs(10));
        assert_eq!(attempts.ceiling, Duration::from_millis(100));

        attempts.next_delay();
        let grown = attempts.ceiling;
        let mut never = Attempts { backoff: backoff.healthy_after(Duration::MAX), ..attempts.clone() };
        never.connected_for(Duration::MAX - Duration::from_nanos(1));
        assert_eq!(never.ceiling, grown);
        let mut always = Attempts { backoff: backoff.healthy_after(Duration::ZERO), ..attempts };
        always.connected_for(Duration::ZERO);
        assert_eq!(always.ceiling, Duration::from_millis(100));
    }

    #[test]
    fn settings_out_of_range_are_taken_into_it() {
        let longest = FOR_EVER;
        let shortest = Duration::from_millis(10);
        let least = Backoff::default().first(Duration::ZERO).factor(0.0).longest(Duration::ZERO);
        assert_eq!((least.get_first(), least.get_factor(), least.get_longest()), (shortest, 1.0, shortest));
        let most = Backoff::default().first(Duration::MAX).factor(f64::INFINITY).longest(Duration::MAX);
        assert_eq!(
            (most.get_first(), most.get_factor(), most.get_longest()),
            (longest, f64::INFINITY, longest)
        );
        for factor in [f64::NAN, f64::NEG_INFINITY, 0.999] {
            assert_eq!(Backoff::default().factor(factor).get_factor(), 1.0);
        }
        let swapped = Backoff::default().first(Duration::from_secs(2)).longest(Duration::from_secs(1));
        assert_eq!(ceilings(swapped).next(), Some(Duration::from_secs(1)));
        let at_once = Backoff::default().factor(f64::INFINITY);
        assert_eq!(ceilings(at_once).nth(1), Some(Duration::from_secs(30)));
        assert_eq!(Backoff::default().healthy_after(Duration::MAX).get_healthy_after(), Duration::MAX);
    }

    #[test]
    fn numbers_are_those_of_the_published_generator() {
        // As the reference implementation prints them (https://prng.di.unimi.it/splitmix64.c).
        let mut zero = SplitMix64(0);
        assert_eq!(
            [zero.next(), zero.next(), zero.next()],
            [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]
        );
    }

    #[test]
    fn seeds_differ() {
        assert_ne!(seed(), seed());
    }

    prop_compose! {
        fn durations()(
            seconds in prop_oneof![Just(0), 0..100_u64, any::<u64>(), Just(u64::MAX)],
            nanoseconds in 0..1_000_000_000_u32,
        ) -> Duration {
            Duration::new(seconds, nanoseconds)
        }
    }

    prop_compose! {
        fn backoffs()(
            first in durations(),
            factor in prop_oneof![1.0..10.0, any::<f64>()],
            longest in durations(),
            healthy_after in durations(),
        ) -> Backoff {
            Backoff::default().first(first).factor(factor).longest(longest).healthy_after(healthy_after)
        }
    }

    proptest! {
        #[test]
        fn no_settings_panic_or_make_a_busy_loop(
            backoff in backoffs(),
            seed in any::<u64>(),
            up in prop::collection::vec(prop::option::of(durations()), 100),
        ) {
            let mut attempts = Attempts::new(backoff, seed);
            for up in up {
                if let Some(time) = up {
                    attempts.connected_for(time);
                }
                let ceiling = attempts.ceiling;
                prop_assert!(ceiling <= backoff.longest);
                let delay = attempts.next_delay();
                prop_assert!(delay >= SHORTEST_PAUSE.max(ceiling / 16) && delay <= ceiling, "{delay:?}");
                prop_assert!(attempts.ceiling >= ceiling);
            }
        }

        #[test]
        fn the_same_seed_makes_the_same_pauses(backoff in backoffs(), seed in any::<u64>()) {
            let pauses = |seed| {
                let mut attempts = Attempts::new(backoff, seed);
                std::iter::repeat_with(move || attempts.next_delay()).take(20).collect::<Vec<_>>()
            };
            prop_assert_eq!(pauses(seed), pauses(seed));
        }

        #[test]
        fn at_most_100_attempts_start_within_any_second(backoff in backoffs(), seed in any::<u64>()) {
            // The first of them at its start, and none at its end.
            let second = Duration::from_secs(1) - Duration::from_nanos(1);
            prop_assert!(attempts_within(second, Attempts::new(backoff, seed)) <= 100);
        }
    }
}
