//! Times that are never over, and instants that do not overflow: whoever is given a [`Duration`] may be given
//! [`Duration::MAX`], which means never.

use std::ops::Add;
use std::time::Duration;

/// What is as good as never over. It can be added to any clock, several times.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The instant after this time, or after [`FOR_EVER`].
pub(crate) fn after<T: Add<Duration, Output = T>>(since: T, time: Duration) -> T {
    since + time.min(FOR_EVER)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn no_time_is_too_long_and_short_ones_are_kept() {
        let now = Instant::now();
        for time in [Duration::MAX, Duration::MAX / 2, Duration::from_secs(u64::MAX), FOR_EVER] {
            assert_eq!(after(now, time), now + FOR_EVER, "{time:?}");
        }
        for time in [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(86_400 * 365)] {
            assert_eq!(after(now, time), now + time);
        }
    }
}
