//! Sheds load when Commands wait too long to be started: what all connections of a server know of that together. The rule is
//! in `proto/codel.rs`.
//!
//! It is one for the server, not one per connection, because they share the runtime: a Command with a task of its own waits
//! behind those of all connections.
//!
//! What waits is a Command whose task was spawned and has not been polled. When it is, it tells how long ago its bytes were
//! read. A Command that is polled in place waits for those before it in the same read; the driver looks at that now and
//! then. It cannot see how long the connection's task has waited for its turn. So a short wait in place says nothing while
//! tasks wait, and it is they that are asked.
//!
//! While the server is overloaded, new Commands are refused where they are decoded. But a connection's task stands in the
//! same line as the Commands. Meanwhile bytes pile up in its socket, and they are all new when the overload has ended. So a
//! Command that was let in is refused as well if it has waited for twice the target when its turn comes.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::proto::codel::{Change, Codel};
use crate::proto::rate::{Bucket, Rate};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use crate::sync::{Mutex, PoisonError};

/// Whether a server is overloaded. Its atomics are relaxed: what is read a moment too late does not matter.
pub(super) struct Shedder {
    target: Duration,
    /// Commands whose tasks were spawned, and those of them that were polled.
    spawned: AtomicU64,
    started: AtomicU64,
    /// Whether the queue has to be told of short waits, too: that saves the lock where nobody waits long.
    is_above: AtomicBool,
    is_overloaded: AtomicBool,
    queue: Mutex<Queue>,
}

/// A Command that waits for its task to be polled.
pub(super) struct Waiting {
    received_at: Instant,
    /// How many such Commands there were before it.
    turn: u64,
}

struct Queue {
    codel: Codel<Instant>,
    log: Bucket<Instant>,
}

impl Shedder {
    pub(super) fn new(target: Duration) -> Self {
        Self {
            target,
            spawned: AtomicU64::new(0),
            started: AtomicU64::new(0),
            is_above: AtomicBool::new(false),
            is_overloaded: AtomicBool::new(false),
            queue: Mutex::new(Queue { codel: Codel::new(target), log: Bucket::full() }),
        }
    }

    /// Whether new Commands are not to be started.
    #[inline]
    pub(super) fn sheds(&self) -> bool {
        self.is_overloaded.load(Relaxed)
    }

    /// For how long a connection is not read before it looks again.
    pub(super) fn pause(&self) -> Duration {
        self.target.min(LONGEST_PAUSE)
    }

    /// Books a Command that waits for its task to be polled.
    pub(super) fn waits(&self, received_at: Instant) -> Waiting {
        Waiting { received_at, turn: self.spawned.fetch_add(1, Relaxed) }
    }

    /// Books that it waits no longer. Returns false if it has waited so long that its work would only delay others.
    pub(super) fn starts(&self, waiting: &Waiting) -> bool {
        let started = self.started.fetch_add(1, Relaxed);
        let now = Instant::now();
        let waited = now.saturating_duration_since(waiting.received_at);
        if started + 1 >= self.spawned.load(Relaxed) {
            self.book(false, now);
        } else if waited > self.target {
            self.book(true, now);
        } else if self.is_above.load(Relaxed) && waiting.turn.saturating_sub(started) < threads() {
            // It has overtaken nobody. tokio polls the task that was spawned last before those that wait: how short that
            // one has waited says nothing. One Command per thread may be stuck behind what its thread polls.
            self.book(false, now);
        }
        !self.sheds() || waited <= self.target.saturating_mul(2)
    }

    /// Looks at the queue before Commands are read from a connection.
    pub(super) fn before_commands(&self, now: Instant) {
        if !self.is_above.load(Relaxed) {
            return;
        }
        if self.started.load(Relaxed) >= self.spawned.load(Relaxed) {
            self.book(false, now);
        } else {
            self.change(|queue| queue.look(now), now);
        }
    }

    /// Looks at the time that Commands have waited that are polled in place.
    pub(super) fn among_commands(&self, received_at: Instant) {
        let now = Instant::now();
        if now.saturating_duration_since(received_at) > self.target {
            self.book(true, now);
        }
    }

    fn book(&self, above: bool, now: Instant) {
        if above {
            self.change(|queue| queue.above(now), now);
        } else if self.is_above.load(Relaxed) {
            self.change(Codel::below, now);
        }
    }

    fn change(&self, change: impl FnOnce(&mut Codel<Instant>) -> Option<Change>, now: Instant) {
        let began = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            let changed = change(&mut queue.codel);
            self.is_above.store(queue.codel.is_above(), Relaxed);
            self.is_overloaded.store(queue.codel.is_overloaded(), Relaxed);
            let logs = changed == Some(Change::Began) && queue.log.room_at(log_rate(), now).is_none();
            if logs {
                queue.log.take(log_rate(), now);
            }
            logs
        };
        if began {
            let target = self.target;
            tracing::warn!(?target, "the server sheds load: commands wait too long (`Limits::shed_after`)");
        }
    }
}

/// How many threads the runtime has.
fn threads() -> u64 {
    Handle::try_current().map_or(1, |runtime| runtime.metrics().num_workers() as u64)
}

/// How often an overload is logged at most. It may begin and end many times in a second.
fn log_rate() -> Rate {
    Rate::new(1, Duration::from_secs(10))
}

const LONGEST_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    /// tokio polls the task that a connection has spawned last before those that wait.
    #[tokio::test(start_paused = true)]
    async fn commands_that_overtake_others_do_not_end_an_overload() {
        let shedder = Shedder::new(20 * MILLI);
        let mut line: Vec<_> = (0..100).map(|_| shedder.waits(Instant::now())).rev().collect();
        let overtaking = || assert!(shedder.starts(&shedder.waits(Instant::now())), "it has not waited");
        for waited in 1..=12 {
            tokio::time::advance(10 * MILLI).await;
            let first = line.pop().expect("there are enough");
            // From the third one on, at 30 ms, the waits are too long.
            assert!(shedder.starts(&first), "after {waited}0 ms");
            assert!(!shedder.sheds());
            overtaking();
        }
        tokio::time::advance(10 * MILLI).await;
        assert!(!shedder.starts(&line.pop().expect("there are enough")));
        overtaking();
        assert!(shedder.sheds());

        // All of them are refused. What has come meanwhile has waited for less than that, and for less than the target.
        let mut late = [shedder.waits(Instant::now()), shedder.waits(Instant::now())].into_iter();
        for first in line.into_iter().rev() {
            assert!(!shedder.starts(&first));
        }
        assert!(shedder.sheds() && late.next().is_some_and(|first| shedder.starts(&first)));
        assert!(!shedder.sheds());
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_nobody_waits() {
        let shedder = Shedder::new(20 * MILLI);
        let line: Vec<_> = (0..3).map(|_| shedder.waits(Instant::now())).collect();
        tokio::time::advance(30 * MILLI).await;
        assert!(shedder.starts(&line[0]));
        tokio::time::advance(100 * MILLI).await;
        assert!(!shedder.starts(&line[1]) && shedder.sheds());
        shedder.before_commands(Instant::now());
        assert!(shedder.sheds(), "one still waits");
        assert!(shedder.starts(&line[2]), "it delays nobody");
        assert!(!shedder.sheds());
    }
}
