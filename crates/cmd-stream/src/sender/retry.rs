//! When a Sender sends a Command again.

use std::time::Duration;

use tokio::time::Instant;

use crate::client::Backoff;
use crate::error::{Error, ErrorKind, Origin};
use crate::proto::backoff::{Attempts, seed};
use crate::proto::budget::Budget;
use crate::proto::quantile::Latencies;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};
use crate::sync::{Mutex, PoisonError};

/// When a [`Sender`](crate::Sender) sends a Command again, after an attempt that may have executed it has failed.
///
/// Only [idempotent](crate::Command::IDEMPOTENT) Commands are sent again then, and only if the connection was lost. The Sender
/// keeps them encoded. What was not sent moves to another member without that, whatever is set here.
///
/// A Command that a server did not execute because it [sheds load](crate::Failure::is_overloaded) is sent to another member,
/// if there is one. That counts as a retry, too.
///
/// All retries of a Sender together stay within a budget: a tenth of the calls of the last 10 s, but 100 in any case.
///
/// ```
/// use std::time::Duration;
/// use cmd_stream::sender::Retry;
///
/// let retry = Retry::default().attempts(5).hedge(0.95);
/// # let _ = retry;
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Retry {
    pub(super) attempts: u32,
    pub(super) first_pause: Duration,
    pub(super) longest_pause: Duration,
    pub(super) budget_percent: u32,
    pub(super) budget_least: u32,
    pub(super) hedge: Option<f64>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 3,
            first_pause: Duration::from_millis(25),
            longest_pause: Duration::from_secs(1),
            budget_percent: 10,
            budget_least: 100,
            hedge: None,
        }
    }
}

impl Retry {
    /// Nothing is sent again. What was not sent still moves to another member.
    pub const OFF: Self = Self {
        attempts: 1,
        first_pause: Duration::ZERO,
        longest_pause: Duration::ZERO,
        budget_percent: 0,
        budget_least: 0,
        hedge: None,
    };

    /// Limits the attempts of one call, the first one included. 3 by default, at least 1. Attempts that were not sent do not
    /// count.
    #[must_use]
    pub fn attempts(self, attempts: u32) -> Self {
        Self { attempts: attempts.max(1), ..self }
    }

    /// Sets the longest pause before the second attempt, and before any. 25 ms and 1 s by default. The longest pause doubles
    /// with each attempt. Each is chosen by chance, from a sixteenth of the longest one ("full jitter"), but is at least 10 ms.
    /// With [`Duration::MAX`] for both, a call waits until its deadline.
    #[must_use]
    pub fn pauses(self, first: Duration, longest: Duration) -> Self {
        Self { first_pause: first, longest_pause: longest, ..self }
    }

    /// Limits the retries of the last 10 s, in percent of the calls of this time, and says how many are allowed in any case.
    /// 10 and 100 by default.
    #[must_use]
    pub fn budget(self, percent: u32, least: u32) -> Self {
        Self { budget_percent: percent, budget_least: least, ..self }
    }

    /// Sends an idempotent Command to a second member as well, when this share of the recent calls would have had its Reply:
    /// 0.95 is usual. The first Reply counts. Off by default. Counts as a retry, so [`attempts`](Self::attempts) must be 2 or more.
    ///
    /// From 0.5 to 0.999. It begins when the Sender has seen 32 Replies to idempotent Commands.
    #[must_use]
    pub fn hedge(self, quantile: f64) -> Self {
        let quantile = if quantile.is_nan() { 0.5 } else { quantile.clamp(0.5, 0.999) };
        Self { hedge: Some(quantile), ..self }
    }
}

/// What the calls of one Sender share for their retries.
pub(super) struct Retries {
    pub(super) settings: Retry,
    began: Instant,
    budget: Mutex<Budget>,
    latencies: Mutex<Latencies>,
    /// After how many microseconds a second attempt is made; 0 while too little is known.
    hedge_after: AtomicU64,
}

impl Retries {
    pub(super) fn new(settings: Retry) -> Self {
        let mut budget = Budget::new(settings.budget_percent.into(), settings.budget_least.into());
        budget.note(0, 0); // or the calls before the first note would be taken for those of long ago
        Self {
            settings,
            began: Instant::now(),
            budget: Mutex::new(budget),
            latencies: Mutex::default(),
            hedge_after: AtomicU64::new(0),
        }
    }

    /// Whether the budget has one more retry. `calls` is how many Commands were sent so far.
    pub(super) fn take(&self, now: Instant, calls: u64) -> bool {
        let second = now.saturating_duration_since(self.began).as_secs();
        self.budget.lock().unwrap_or_else(PoisonError::into_inner).take(second, calls)
    }

    /// A retry that was taken was not made.
    pub(super) fn give_back(&self, now: Instant) {
        let second = now.saturating_duration_since(self.began).as_secs();
        self.budget.lock().unwrap_or_else(PoisonError::into_inner).give_back(second);
    }

    /// Notes how many Commands were sent so far.
    pub(super) fn note(&self, now: Instant, calls: u64) {
        let second = now.saturating_duration_since(self.began).as_secs();
        // If somebody else is just at it, one note less is no harm.
        if let Ok(mut budget) = self.budget.try_lock() {
            budget.note(second, calls);
        }
    }

    /// How long to wait before the attempt with this number, the second one being 1.
    pub(super) fn pause(&self, attempt: u32) -> Duration {
        let Retry { first_pause, longest_pause, .. } = self.settings;
        let backoff = Backoff::default().first(first_pause).factor(2.0).longest(longest_pause);
        let mut attempts = Attempts::new(backoff, seed());
        for _ in 1..attempt.min(32) {
            attempts.next_delay();
        }
        attempts.next_delay()
    }

    /// A Reply to an idempotent Command took so long.
    pub(super) fn took(&self, time: Duration) {
        let Some(share) = self.settings.hedge else { return };
        // If somebody else is just at it, one sample less is no harm.
        if let Ok(mut latencies) = self.latencies.try_lock()
            && latencies.add(time)
        {
            let after = latencies.quantile(share).map_or(0, |time| time.as_micros() as u64);
            self.hedge_after.store(after, Relaxed);
        }
    }

    /// When to send a second one. `None` if there is no hedging, or too little is known.
    pub(super) fn hedge_after(&self) -> Option<Duration> {
        match self.hedge_after.load(Relaxed) {
            0 => None,
            micros => Some(Duration::from_micros(micros)),
        }
    }
}

/// Whether a Command that may have run, and may run again, is worth another attempt: the connection was lost. Other errors are
/// likely to occur again.
pub(super) fn is_lost(error: &Error) -> bool {
    let is_own = error.origin() == Origin::Local;
    match error.kind() {
        ErrorKind::Closed | ErrorKind::Timeout => !is_own,
        ErrorKind::Io | ErrorKind::UnexpectedEof => true,
        _ => false,
    }
}
