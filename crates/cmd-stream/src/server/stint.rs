//! When somebody who sends Reply after Reply lets others run.
//!
//! Whoever sends without waiting for anything never gives its thread back by itself. It has to in two cases:
//!
//! - **It has just woken the connection's task.** That may stand in the slot of this worker that no other worker takes
//!   anything from. Until the task has written what there is, it is awake, and is not woken again.
//! - **It has gone on for [`STINT`].** The clock is not looked at for each Reply, which would cost a fifth of it, but after
//!   some of them, the fewer the longer they take.
//!
//! Whoever is seen to send so densely that the clock is seldom looked at no longer wakes the task for a Reply, but when the stint
//! is over (`line/put_off.rs`). So the first case is that of streams which are slow, or have only begun.

use tokio::time::Instant;

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What one who has sent a Reply does before it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    Nothing,
    /// It lets the connection's task run, which waits for more Replies then.
    ForTask,
    /// It lets all others run. The runtime looks at its sockets and timers.
    ForAll,
}

/// For how long a Command sends before others have their turn, or a little longer. In this time a quick one sends about a
/// thousand Replies, so that a turn of the others costs little for each of them.
const STINT: u32 = 100; // µs

/// After so many Replies the clock is looked at, even if they are quick.
const MOST: u64 = 64;

/// If the clock is looked at so seldom, Replies follow each other closely. It is reached with as many of them in one stint, as the
/// number begins with 1 and doubles.
const DENSE: u64 = 16;

/// What is known of one who sends. Several threads may send for one Command. If they race, a Reply is counted once for two;
/// it matters little.
///
/// In one number, as it is read and written for each Reply: how many may still be sent before the clock is looked at, how
/// many that were (16 bits each), and when the stint began, in microseconds since the Command came. 0 is "not known yet".
#[derive(Debug)]
pub(super) struct Stint(AtomicU64);

impl Stint {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(pack(1, 0)))
    }

    /// A Reply was sent. Returns what its sender does now. `woke`: it has woken the connection's task.
    #[inline]
    pub(super) fn pause(&self, woke: bool, received_at: Instant) -> Pause {
        let state = self.0.load(Relaxed);
        if state & LEFT != 0 {
            self.0.store(state - 1, Relaxed);
            return if woke { Pause::ForTask } else { Pause::Nothing };
        }
        match self.look(state, received_at.elapsed().as_micros()) {
            true => Pause::ForAll,
            false if woke => Pause::ForTask,
            false => Pause::Nothing,
        }
    }

    /// Whether Replies follow each other so closely that the connection's task need not be woken for a single one of them.
    #[inline]
    pub(super) fn is_dense(&self) -> bool {
        quota(self.0.load(Relaxed)) >= DENSE
    }

    /// It is over, and the next one is as if it were the first.
    #[inline]
    pub(super) fn end(&self) {
        if self.is_dense() {
            self.0.store(pack(1, 0), Relaxed);
        }
    }

    /// Looks at the clock. Returns whether the stint is over.
    fn look(&self, state: u64, micros: u128) -> bool {
        let now = micros as u32 | 1; // it wraps, and differences stay right
        let (quota, began) = (quota(state), (state >> 32) as u32);
        let (is_over, state) = match now.wrapping_sub(began) {
            _ if began == 0 => (false, pack(quota, now)),
            took if took < STINT => (false, pack((quota * 2).min(MOST), began)),
            took => (true, pack((quota * u64::from(STINT) / u64::from(took)).max(1), 0)),
        };
        self.0.store(state, Relaxed);
        is_over
    }
}

const LEFT: u64 = 0xffff;

fn quota(state: u64) -> u64 {
    state >> 16 & LEFT
}

fn pack(quota: u64, began: u32) -> u64 {
    u64::from(began) << 32 | quota << 16 | (quota - 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Sends for so long, with a pause before each Reply. Returns how many were sent, and how often others had their turn.
    async fn send(stint: &Stint, time: Duration, pause: Duration) -> (u32, u32) {
        let (began, (mut sent, mut turns)) = (Instant::now(), (0, 0));
        while began.elapsed() < time {
            tokio::time::advance(pause).await;
            sent += 1;
            turns += u32::from(stint.pause(false, began) == Pause::ForAll);
        }
        (sent, turns)
    }

    #[tokio::test(start_paused = true)]
    async fn others_have_their_turn_by_time_and_not_by_number() {
        let stint = Stint::new();
        let (sent, turns) = send(&stint, Duration::from_millis(100), Duration::from_micros(1)).await;
        assert!(sent == 100_000 && (300..=1000).contains(&turns), "{sent} {turns}");
        // It has become slow: at most what was left is sent without a look at the clock.
        let (sent, turns) = send(&stint, Duration::from_secs(1), Duration::from_millis(1)).await;
        assert!(sent == 1000 && turns >= 460, "{sent} {turns}");
        let (sent, turns) = send(&stint, Duration::from_millis(100), Duration::from_micros(1)).await;
        assert!(sent == 100_000 && (300..=1000).contains(&turns), "{sent} {turns}");
    }

    #[tokio::test(start_paused = true)]
    async fn many_replies_in_one_stint_are_dense_and_slow_ones_are_not() {
        let (stint, micro) = (Stint::new(), Duration::from_micros(1));
        send(&stint, Duration::from_micros(15), micro).await;
        assert!(!stint.is_dense());
        send(&stint, Duration::from_micros(1), micro).await;
        assert!(stint.is_dense());
        // Also when others have had their turn.
        let (_, turns) = send(&stint, Duration::from_millis(1), micro).await;
        assert!(turns > 2 && stint.is_dense());
        send(&stint, Duration::from_millis(2), Duration::from_micros(20)).await;
        assert!(!stint.is_dense());
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_has_woken_the_task_lets_it_run() {
        let (stint, received_at) = (Stint::new(), Instant::now());
        assert!((0..10).all(|_| stint.pause(true, received_at) == Pause::ForTask));
        assert_eq!(stint.pause(false, received_at), Pause::Nothing);
    }
}
