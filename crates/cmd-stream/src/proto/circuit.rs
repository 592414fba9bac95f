//! The states of a circuit breaker: whether a call may be made, and what its outcome changes. Takes no lock and reads no
//! clock.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

/// The state of a circuit breaker.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// Calls are made, and their outcomes are counted.
    Closed,
    /// A few calls are made to find out whether the server is back. All others are refused.
    HalfOpen,
    /// All calls are refused.
    Open,
}

impl fmt::Display for State {
    /// Writes the name that the Go library uses: `Closed`, `HalfOpen` or `Open`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Closed => "Closed",
            Self::HalfOpen => "HalfOpen",
            Self::Open => "Open",
        })
    }
}

/// When a breaker opens, and when it closes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Rules {
    /// How many of the last outcomes count; at least 1.
    pub(crate) window: usize,
    /// The share of the window that must have failed.
    pub(crate) failure_rate: f64,
    pub(crate) open_time: Duration,
    /// How many trials there are when it is half-open, all of which must succeed; at least 1.
    pub(crate) successes: usize,
}

/// What an outcome counts as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Success,
    Failure,
    /// The call says nothing about the server.
    Unknown,
}

/// A stretch of time in which the breaker was in one state. Each call knows the one that it began in. Its outcome counts
/// only while that lasts, so the breaker needs no list of calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Generation(pub(crate) u64);

/// A circuit breaker. `T` is an instant.
#[derive(Clone, Debug)]
pub(crate) struct Circuit<T> {
    rules: Rules,
    generation: Generation,
    phase: Phase<T>,
}

#[derive(Clone, Debug)]
enum Phase<T> {
    Closed(Window),
    /// Together `trials` and `succeeded` are at most [`Rules::successes`].
    HalfOpen {
        /// Calls that have not ended.
        trials: usize,
        succeeded: usize,
    },
    Open {
        until: T,
    },
}

impl<T: Copy + Ord + Add<Duration, Output = T>> Circuit<T> {
    /// Creates a breaker that is closed.
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, generation: Generation(0), phase: Phase::Closed(Window::new(rules.window)) }
    }

    /// The state, as last [noticed](Self::notice).
    pub(crate) fn state(&self) -> State {
        match self.phase {
            Phase::Closed(_) => State::Closed,
            Phase::HalfOpen { .. } => State::HalfOpen,
            Phase::Open { .. } => State::Open,
        }
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether it is closed and remembers no failure. Then a success changes nothing.
    pub(crate) fn is_spotless(&self) -> bool {
        matches!(&self.phase, Phase::Closed(window) if window.failures == 0)
    }

    /// Whether it lets a call through, as last [noticed](Self::notice).
    pub(crate) fn has_room(&self) -> bool {
        match self.phase {
            Phase::Closed(_) => true,
            Phase::HalfOpen { trials, succeeded } => trials + succeeded < self.rules.successes,
            Phase::Open { .. } => false,
        }
    }

    /// Until when it is open, if it is.
    pub(crate) fn open_until(&self) -> Option<T> {
        if let Phase::Open { until } = self.phase { Some(until) } else { None }
    }

    /// Makes it half-open if it has been open for long enough.
    pub(crate) fn notice(&mut self, now: T) {
        if let Phase::Open { until } = self.phase
            && now >= until
        {
            self.enter(Phase::HalfOpen { trials: 0, succeeded: 0 });
        }
    }

    /// Whether a call may be made now. If so, its outcome must follow by [`end`](Self::end).
    pub(crate) fn admit(&mut self, now: T) -> Option<Generation> {
        self.notice(now);
        match &mut self.phase {
            Phase::Closed(_) => Some(self.generation),
            Phase::HalfOpen { trials, succeeded } if *trials + *succeeded < self.rules.successes => {
                *trials += 1;
                Some(self.generation)
            }
            Phase::HalfOpen { .. } | Phase::Open { .. } => None,
        }
    }

    /// A call that began in `began` has ended.
    pub(crate) fn end(&mut self, began: Generation, outcome: Outcome, now: T) {
        if began != self.generation {
            return; // it says nothing about the server as it is now
        }
        match &mut self.phase {
            Phase::Closed(window) => {
                let failed = match outcome {
                    Outcome::Success => false,
                    Outcome::Failure => true,
                    Outcome::Unknown => return,
                };
                window.push(failed);
                // A success makes the share no larger. Dividing gives the same number as the literal `0.3` does for 3
                // of 10; multiplying may not.
                if failed && window.failures as f64 / window.len as f64 >= self.rules.failure_rate {
                    self.open(now);
                }
            }
            Phase::HalfOpen { trials, succeeded } => {
                *trials -= 1;
                match outcome {
                    Outcome::Success => {
                        *succeeded += 1;
                        if *succeeded == self.rules.successes {
                            self.close();
                        }
                    }
                    Outcome::Failure => self.open(now),
                    Outcome::Unknown => {} // another call may take its place
                }
            }
            Phase::Open { .. } => {} // no call began in it
        }
    }

    /// Closes it. Calls that began earlier do not count any more.
    pub(crate) fn close(&mut self) {
        self.enter(Phase::Closed(Window::new(self.rules.window)));
    }

    fn open(&mut self, now: T) {
        self.enter(Phase::Open { until: now + self.rules.open_time });
    }

    fn enter(&mut self, phase: Phase<T>) {
        self.generation.0 += 1;
        self.phase = phase;
    }
}

/// The last outcomes, all successes at first.
#[derive(Clone, Debug)]
struct Window {
    /// One bit for each, set if it was a failure.
    bits: Box<[u64]>,
    len: usize,
    /// Where the oldest one stands, which the next one replaces.
    oldest: usize,
    failures: usize,
}

impl Window {
    fn new(len: usize) -> Self {
        Self { bits: vec![0; len.div_ceil(64)].into(), len, oldest: 0, failures: 0 }
    }

    fn push(&mut self, failed: bool) {
        let word = &mut self.bits[self.oldest / 64];
        let bit = 1 << (self.oldest % 64);
        self.failures -= usize::from(*word & bit != 0);
        self.failures += usize::from(failed);
        *word = if failed { *word | bit } else { *word & !bit };
        self.oldest = (self.oldest + 1) % self.len;
    }
}

#[cfg(test)]
mod tests;
