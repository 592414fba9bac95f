//! Events of the log that a peer can cause as often as it likes: at most one per second of each kind, with how many were left
//! out. Nothing is lost: those left out are told with the next one of their kind, or when the second is over.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// When the events of each kind were last logged, and how many were not. Its size does not depend on the peers.
#[derive(Debug)]
pub(crate) struct Seldom<const KINDS: usize> {
    began: Instant,
    kinds: [Kind; KINDS],
    /// Told when one was left out.
    left_out: Notify,
}

#[derive(Debug, Default)]
struct Kind {
    /// When the next one may be logged, in nanoseconds since the beginning.
    next: AtomicU64,
    left_out: AtomicU64,
}

impl<const KINDS: usize> Seldom<KINDS> {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            kinds: std::array::from_fn(|_| Kind::default()),
            left_out: Notify::new(),
        }
    }

    /// Whether an event of this kind is to be logged now; if so, how many were left out since the last one.
    pub(crate) fn happens(&self, kind: usize) -> Option<u64> {
        self.happens_within(kind, EVERY)
    }

    /// The same for several at once.
    pub(crate) fn happen(&self, kind: usize, number: u64) -> Option<u64> {
        self.count(kind, number, EVERY)
    }

    /// The same for one that is logged at most once in this time.
    pub(crate) fn happens_within(&self, kind: usize, every: Duration) -> Option<u64> {
        self.count(kind, 1, every)
    }

    fn count(&self, kind: usize, number: u64, every: Duration) -> Option<u64> {
        let of_kind = &self.kinds[kind];
        // If another thread logs one at the same time, this one is left out.
        if of_kind.begins(self.now(), every) {
            return Some(of_kind.left_out.swap(0, Relaxed));
        }
        if of_kind.left_out.fetch_add(number, Relaxed) == 0 {
            self.left_out.notify_one();
        }
        None
    }

    /// Waits until some were left out, and their second is over. Returns their kind, and how many there are.
    pub(crate) async fn overdue(&self) -> (usize, u64) {
        loop {
            let now = self.now();
            let mut first = None;
            for (index, kind) in self.kinds.iter().enumerate() {
                if kind.left_out.load(Relaxed) == 0 {
                    continue;
                }
                let next = kind.next.load(Relaxed);
                if next <= now && kind.begins(now, EVERY) {
                    match kind.left_out.swap(0, Relaxed) {
                        0 => {} // another thread has told them
                        left_out => return (index, left_out),
                    }
                }
                first = Some(first.map_or(next, |first: u64| first.min(next)));
            }
            match first {
                None => self.left_out.notified().await,
                // Rounded up: a timer has a resolution of 1 ms.
                Some(next) => {
                    tokio::time::sleep(Duration::from_nanos(next.saturating_sub(now)) + RESOLUTION).await;
                }
            }
        }
    }

    /// Takes those that were left out and not told yet, whenever that was.
    pub(crate) fn rest(&self) -> impl Iterator<Item = (usize, u64)> {
        let rest = self.kinds.iter().map(|kind| kind.left_out.swap(0, Relaxed)).enumerate();
        rest.filter(|(_, left_out)| *left_out > 0)
    }

    fn now(&self) -> u64 {
        nanoseconds(self.began.elapsed())
    }
}

impl Kind {
    /// Whether one may be logged. If so, none may for this time.
    fn begins(&self, now: u64, every: Duration) -> bool {
        let (next, later) = (self.next.load(Relaxed), now.saturating_add(nanoseconds(every)));
        now >= next && self.next.compare_exchange(next, later, Relaxed, Relaxed).is_ok()
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

const EVERY: Duration = Duration::from_secs(1);
const RESOLUTION: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{advance, timeout};

    use super::Seldom;

    #[tokio::test(start_paused = true)]
    async fn one_per_second_of_each_kind_and_the_others_are_told_with_the_next() {
        let seldom = Seldom::<2>::new();
        assert_eq!((seldom.happens(0), seldom.happens(1)), (Some(0), Some(0)));
        for _ in 0..5 {
            assert_eq!(seldom.happens(0), None);
        }
        advance(Duration::from_millis(999)).await;
        assert_eq!(seldom.happens(0), None);
        advance(Duration::from_millis(1)).await;
        assert_eq!((seldom.happens(0), seldom.happens(1)), (Some(6), Some(0)));
        assert_eq!(seldom.rest().count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn those_left_out_at_the_end_of_a_flood_are_told_when_their_second_is_over() {
        let seldom = Seldom::<3>::new();
        let nothing = timeout(Duration::from_secs(60), seldom.overdue()).await;
        assert!(nothing.is_err(), "{nothing:?}");
        for kind in [2, 2, 2, 1] {
            seldom.happens(kind);
        }
        let began = tokio::time::Instant::now();
        assert_eq!(seldom.overdue().await, (2, 2));
        assert!(began.elapsed() < Duration::from_millis(1010));
        // That was an event, so the next second has begun.
        assert_eq!(seldom.happens(2), None);
        assert_eq!(seldom.rest().collect::<Vec<_>>(), [(2, 1)]);
        assert!(timeout(Duration::from_secs(60), seldom.overdue()).await.is_err());
    }
}
