//! Slow Commands in the log: at most one event per second for each name.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::Instant;

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Which Commands are slow, and when they were last logged.
pub(crate) struct Slow {
    over: Duration,
    began: Instant,
    names: Box<[OfName]>,
}

#[derive(Default)]
struct OfName {
    /// When the next one may be logged, in nanoseconds since the beginning.
    next: AtomicU64,
    /// How many were not logged since the last one was.
    left_out: AtomicU64,
}

impl Slow {
    pub(super) fn new(over: Duration, names: usize) -> Self {
        let names = (0..names).map(|_| OfName::default()).collect();
        Self { over, began: Instant::now(), names }
    }

    #[inline]
    pub(super) fn is_slow(&self, time: Duration) -> bool {
        time > self.over
    }

    /// Logs one of so many, or counts them as left out.
    #[cold]
    pub(super) fn log<D: Display>(
        &self,
        index: usize,
        name: &'static str,
        took: Duration,
        number: u64,
        what: &'static str,
        peer: impl FnOnce() -> Option<D>,
    ) {
        let of_name = &self.names[index];
        let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let next = of_name.next.load(Relaxed);
        // If another thread logs one at the same time, this one is left out.
        let may = now >= next
            && of_name.next.compare_exchange(next, now.saturating_add(EVERY), Relaxed, Relaxed).is_ok();
        of_name.left_out.fetch_add(number - u64::from(may), Relaxed);
        if !may {
            return;
        }
        let left_out = of_name.left_out.swap(0, Relaxed);
        match peer() {
            Some(peer) => tracing::warn!(name, %peer, ?took, left_out, "{what}"),
            None => tracing::warn!(name, ?took, left_out, "{what}"),
        }
    }
}

/// In nanoseconds.
const EVERY: u64 = 1_000_000_000;
