//! The steps in which times are counted: an eighth of a power of two, from a microsecond to some hours.
//!
//! What counts in them (`quantile.rs`, `stats/tally.rs`) shares them, so there is one kind of histogram.

use std::time::Duration;

/// How many there are.
pub(crate) const STEPS: usize = 8 * 34;

/// The step that a time falls into. What is longer than the last one counts there.
pub(crate) fn step(time: Duration) -> usize {
    let micros = time.as_secs().saturating_mul(1_000_000).saturating_add(time.subsec_micros().into()).max(1);
    let power = micros.ilog2();
    let eighth = if power > 3 { micros >> (power - 3) } else { micros << (3 - power) } & 7;
    (power as usize * 8 + eighth as usize).min(STEPS - 1)
}

/// The end of a step: the shortest time that falls into a later one.
pub(crate) fn end(step: usize) -> Duration {
    let (power, eighth) = (step / 8, step % 8);
    Duration::from_micros(((9 + eighth as u64) << power).div_ceil(8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_ends_where_a_later_one_begins() {
        let nanosecond = Duration::from_nanos(1);
        for time in (1..5000).chain((0..33).map(|power| 1 << power)).map(Duration::from_micros) {
            let found = step(time);
            assert!(time < end(found), "{time:?}");
            assert!(step(end(found)) > found || found == STEPS - 1, "{time:?}");
            assert_eq!(step(end(found) - nanosecond), found, "{time:?}");
        }
    }

    #[test]
    fn powers_of_two_are_ends() {
        for power in 1..34 {
            assert_eq!(end(8 * power - 1), Duration::from_micros(1 << power));
        }
    }

    #[test]
    fn any_time_has_a_step() {
        assert_eq!(step(Duration::ZERO), 0);
        assert_eq!(step(Duration::MAX), STEPS - 1);
        assert!(end(STEPS - 1) > Duration::from_secs(4 * 3600));
    }
}
