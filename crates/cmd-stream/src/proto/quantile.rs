//! How long calls took lately: in how much time a share of them had their Replies.

use std::time::Duration;

use super::steps::{STEPS, end, step};

/// Times in [steps](super::steps). Old ones count less and less.
#[derive(Debug)]
pub(crate) struct Latencies {
    counts: Box<[u32; STEPS]>,
    all: u32,
    /// Those that came since a quantile was worth being looked up.
    new: u32,
}

/// With so many, the counts are halved: so the last few hundred are what counts.
const MOST: u32 = 1024;
/// A share of so much is worth a look.
const NEWS: u32 = 16;
/// With fewer nothing is known.
const LEAST: u32 = 32;

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: Box::new([0; STEPS]), all: 0, new: 0 }
    }
}

impl Latencies {
    /// Returns whether so much is new that a quantile may be another one: a sixteenth of what is known. To look one up takes
    /// longer than to add many.
    pub(crate) fn add(&mut self, time: Duration) -> bool {
        self.counts[step(time)] += 1;
        self.all += 1;
        self.new += 1;
        if self.all >= MOST {
            self.all = 0;
            for count in self.counts.iter_mut() {
                *count /= 2;
                self.all += *count;
            }
        }
        let is_much = self.new * NEWS >= self.all;
        if is_much {
            self.new = 0;
        }
        is_much
    }

    /// In which time this share of the calls, from 0 to 1, had their Replies, rounded up to the next step: an eighth too much
    /// at most. `None` while too little is known.
    pub(crate) fn quantile(&self, share: f64) -> Option<Duration> {
        if self.all < LEAST {
            return None;
        }
        let wanted = (f64::from(self.all) * share).ceil().max(1.0);
        let mut seen = 0;
        let step = self.counts.iter().position(|count| {
            seen += count;
            f64::from(seen) >= wanted
        });
        Some(end(step.unwrap_or(STEPS - 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_known_at_first() {
        let mut latencies = Latencies::default();
        for _ in 1..LEAST {
            latencies.add(Duration::from_millis(1));
            assert_eq!(latencies.quantile(0.5), None);
        }
        latencies.add(Duration::from_millis(1));
        assert!(latencies.quantile(0.5).is_some());
    }

    #[test]
    fn a_quantile_is_at_most_an_eighth_too_long() {
        let mut latencies = Latencies::default();
        for millis in 1..=1000 {
            latencies.add(Duration::from_millis(millis));
        }
        for (share, millis) in [(0.5, 500), (0.95, 950), (0.01, 10), (1.0, 1000)] {
            let found = latencies.quantile(share).expect("there are enough");
            let exact = Duration::from_millis(millis);
            assert!(
                found >= exact && found <= exact * 9 / 8 + Duration::from_millis(1),
                "{share}: {found:?}"
            );
        }
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut latencies = Latencies::default();
        for _ in 0..10_000 {
            latencies.add(Duration::from_secs(1));
        }
        for _ in 0..10_000 {
            latencies.add(Duration::from_millis(1));
        }
        assert!(latencies.quantile(0.99).is_some_and(|time| time < Duration::from_millis(2)));
    }

    #[test]
    fn any_time_has_a_step() {
        let mut latencies = Latencies::default();
        for _ in 0..LEAST {
            latencies.add(Duration::ZERO);
            latencies.add(Duration::MAX);
        }
        assert!(latencies.quantile(0.1).is_some_and(|time| time < Duration::from_micros(3)));
        assert!(latencies.quantile(1.0).is_some_and(|time| time > Duration::from_secs(3600)));
    }
}
