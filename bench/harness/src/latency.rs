//! Percentiles and the distribution of latencies, as they are written to results.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Latencies of one round, in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Latency {
    pub min: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
    /// Latencies and the fractions of Commands that took no longer, ascending.
    pub cdf: Vec<(f64, f64)>,
}

impl Latency {
    /// `None` if nothing was recorded. The histogram counts nanoseconds.
    pub fn of(histogram: &Histogram<u32>) -> Option<Self> {
        if histogram.is_empty() {
            return None;
        }
        // Three digits of a microsecond are the nanosecond.
        let at = |fraction| histogram.value_at_quantile(fraction) as f64 / 1e3;
        let mut cdf: Vec<(f64, f64)> = Vec::new();
        for fraction in fractions() {
            match cdf.last_mut() {
                Some(last) if last.0 == at(fraction) => last.1 = fraction,
                _ => cdf.push((at(fraction), fraction)),
            }
        }
        let (min, max) = (histogram.min() as f64 / 1e3, histogram.max() as f64 / 1e3);
        Some(Self { min, p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max, cdf })
    }
}

/// Where the distribution is read: 88 places, closer to each other in the tail.
fn fractions() -> impl Iterator<Item = f64> {
    let steps = |from: u32, to: u32, by: usize| (from..to).step_by(by).map(|n| f64::from(n) / 10_000.0);
    let body = steps(50, 9_000, 150);
    body.chain(steps(9_000, 9_900, 100)).chain(steps(9_900, 9_990, 10)).chain(steps(9_990, 10_001, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distribution_ascends_to_all_of_them_and_has_at_most_a_hundred_points() {
        let mut histogram = Histogram::<u32>::new_with_bounds(1, 60_000_000_000, 3).unwrap();
        assert_eq!(Latency::of(&histogram), None);
        for micros in 1..=1000 {
            histogram.record(micros * 1000).unwrap();
        }
        let latency = Latency::of(&histogram).unwrap();
        let close = |value: f64, to: f64| (value / to - 1.0).abs() < 0.002;
        assert!(
            close(latency.min, 1.0)
                && close(latency.p50, 500.0)
                && close(latency.p99, 990.0)
                && close(latency.max, 1000.0),
            "{latency:?}"
        );
        assert!(latency.cdf.len() <= 100 && latency.cdf.len() > 50, "{}", latency.cdf.len());
        assert!(latency.cdf.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1), "{latency:?}");
        let (last, fraction) = *latency.cdf.last().unwrap();
        assert!(close(last, latency.max) && fraction == 1.0, "{last} {fraction}");
    }
}
