//! Numbers of both sides that need no further crate: how many Commands there were by name, and how long they took.
//!
//! A server is asked by [`Handle::stats`](crate::server::Handle::stats), a Sender by
//! [`Sender::stats`](crate::Sender::stats). They are always on. `docs/OBSERVING.md` has a table of all numbers.

// Here is what both sides share, and what they record into. It knows neither of them.

use std::fmt;
use std::time::Duration;

use crate::proto::steps::{STEPS, end};

#[cfg(feature = "metrics")]
pub(crate) mod mirror;
#[cfg(feature = "metrics")]
pub(crate) mod names;
mod slow;
mod tally;
pub(crate) mod thread;

pub(crate) use slow::Slow;
pub(crate) use tally::{Outcome, Tally};

/// How often something took how long: a copy of the counts at one moment.
///
/// Times are counted in steps. The longest time of a step is at most an eighth more than the shortest, from 8 µs on; up to
/// there a step is a microsecond. Times over 4.7 hours count in the last step.
///
/// ```
/// # fn example(handle: cmd_stream::server::Handle) {
/// for command in handle.stats().commands {
///     let (half, slowest) = (command.latency.quantile(0.5), command.latency.quantile(0.99));
///     println!("{}: half in {half:?}, 99 % in {slowest:?}", command.name);
/// }
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    /// Empty if nothing was counted.
    counts: Box<[u64]>,
    count: u64,
    sum: Duration,
}

impl Histogram {
    /// `counts` are those of the steps, all of them or none.
    pub(crate) fn new(counts: Box<[u64]>, sum: Duration) -> Self {
        let count = counts.iter().sum();
        Self { counts, count, sum }
    }

    /// Returns how many times were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the sum of the times.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// Returns the average of the times. `None` if there are none.
    pub fn mean(&self) -> Option<Duration> {
        let nanos = self.sum.as_nanos().checked_div(u128::from(self.count))?;
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// Returns a time that this share of the times, from 0 to 1, does not exceed: the end of its step. `None` if there are
    /// none.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        if self.count == 0 {
            return None;
        }
        let wanted = (self.count as f64 * share.clamp(0.0, 1.0)).ceil().max(1.0);
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen as f64 >= wanted
        });
        Some(end(found.unwrap_or(STEPS - 1)))
    }

    /// Returns how many times were shorter than this. It is exact if the time is a power of two in microseconds, and
    /// otherwise counts those of whole steps.
    pub fn count_below(&self, time: Duration) -> u64 {
        let below = self.counts.iter().enumerate().take_while(|&(step, _)| end(step) <= time);
        below.map(|(_, count)| count).sum()
    }

    /// Returns what has been counted since an earlier copy of the same counts was made.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        if earlier.count == 0 {
            return self.clone();
        }
        let counts = self.counts.iter().zip(&earlier.counts).map(|(now, then)| now.saturating_sub(*then));
        Self::new(counts.collect(), self.sum.saturating_sub(earlier.sum))
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new(Box::default(), Duration::ZERO)
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count)
            .field("sum", &self.sum)
            .field("half", &self.quantile(0.5))
            .field("most", &self.quantile(1.0))
            .finish()
    }
}

#[cfg(test)]
mod tests;
