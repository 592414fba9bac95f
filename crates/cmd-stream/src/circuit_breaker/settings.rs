//! The settings of a breaker, and the application's functions in it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Origin, discard};
use crate::proto::circuit::{Rules, State};
use crate::proto::never::FOR_EVER;
use crate::sync::Arc;

/// When a [`CircuitBreaker`](super::CircuitBreaker) opens, when it closes, and which errors count. The defaults are those
/// of the Go library.
///
/// Values that are out of range are replaced by the nearest one that is not.
///
/// ```
/// use std::time::Duration;
/// use cmd_stream::circuit_breaker::Settings;
///
/// let settings = Settings::default()
///     .window(20)
///     .failure_rate(0.25)
///     .open_time(Duration::from_secs(1))
///     .successes(1)
///     .on_change(|state| println!("the circuit breaker is {state}"));
/// # let _ = settings;
/// ```
#[derive(Clone)]
pub struct Settings {
    pub(super) rules: Rules,
    on_change: Option<Arc<OnChange>>,
    /// As `on_change`, for a group.
    watch: Option<Arc<OnChange>>,
    counts: Option<Arc<Counts>>,
}

type OnChange = dyn Fn(State) + Send + Sync;
type Counts = dyn Fn(&Error) -> bool + Send + Sync;

impl Default for Settings {
    fn default() -> Self {
        let open_time = Duration::from_secs(5);
        let rules = Rules { window: 50, failure_rate: 0.5, open_time, successes: 3 };
        Self { rules, on_change: None, watch: None, counts: None }
    }
}

impl Settings {
    /// Sets how many of the last outcomes are looked at. 50 by default, at least 1 and at most 65,536. Each takes one bit of
    /// memory.
    #[must_use]
    pub fn window(self, outcomes: usize) -> Self {
        let window = outcomes.clamp(1, LARGEST_WINDOW);
        Self { rules: Rules { window, ..self.rules }, ..self }
    }

    /// Sets which share of the [`window`](Self::window) must have failed for the breaker to open. 0.5 by default, at least 0
    /// and at most 1. With 0, one failure opens it. NaN counts as 1.
    ///
    /// It is a share of the whole window, not of the calls so far: with the defaults, 25 failures open the breaker, and
    /// 24 do not, even if no other call was made.
    #[must_use]
    pub fn failure_rate(self, share: f64) -> Self {
        let failure_rate = if share.is_nan() { 1.0 } else { share.clamp(0.0, 1.0) };
        Self { rules: Rules { failure_rate, ..self.rules }, ..self }
    }

    /// Sets how long the breaker is open before it lets trials through. 5 s by default, at least 1 ms.
    /// With [`Duration::MAX`] it stays open until it is [reset](super::CircuitBreaker::reset).
    #[must_use]
    pub fn open_time(self, time: Duration) -> Self {
        let open_time = time.clamp(SHORTEST_OPEN_TIME, FOR_EVER);
        Self { rules: Rules { open_time, ..self.rules }, ..self }
    }

    /// Sets how many trials a half-open breaker lets through, all of which must succeed for it to close. 3 by default, at
    /// least 1.
    ///
    /// It is also the largest number of trials that are under way at the same time.
    #[must_use]
    pub fn successes(self, trials: usize) -> Self {
        let successes = trials.max(1);
        Self { rules: Rules { successes, ..self.rules }, ..self }
    }

    /// Sets a function that is told each change of the state. There is none by default. A second one replaces the first.
    ///
    /// It is called by whoever caused or [noticed](super::CircuitBreaker#when-changes-are-noticed) the change: a call that
    /// ended, or one that asks whether it may be made. It must not block. Changes are told one at a time and in order; if
    /// one happens while an earlier one is being told, the same thread tells it next. No lock is held, so the function may
    /// use the breaker. A panic in it is caught and logged.
    ///
    /// It is told the state after the change. The breaker may be in another one by then.
    #[must_use]
    pub fn on_change(self, call: impl Fn(State) + Send + Sync + 'static) -> Self {
        Self { on_change: Some(Arc::new(call)), ..self }
    }

    /// Sets which errors of calls count as failures. [`counts_by_default`] by default.
    ///
    /// Errors that do not count are no outcome: it is as if the call had not been made. The exception is an error of kind
    /// [`Remote`](ErrorKind::Remote), a failure that the server answered with, which is a success. (A breaker that is used
    /// as hooks is told such failures as Replies, and does not ask this function.)
    ///
    /// The function must not block. If it panics, that is logged, and the default decides.
    ///
    /// ```
    /// use cmd_stream::ErrorKind;
    /// use cmd_stream::circuit_breaker::{Settings, counts_by_default};
    ///
    /// // A slow answer is no reason to stop asking.
    /// let settings = Settings::default()
    ///     .counts(|error| counts_by_default(error) && error.kind() != ErrorKind::Timeout);
    /// # let _ = settings;
    /// ```
    #[must_use]
    pub fn counts(self, counts: impl Fn(&Error) -> bool + Send + Sync + 'static) -> Self {
        Self { counts: Some(Arc::new(counts)), ..self }
    }

    /// Returns the value set by [`window`](Self::window).
    pub fn get_window(&self) -> usize {
        self.rules.window
    }

    /// Returns the value set by [`failure_rate`](Self::failure_rate).
    pub fn get_failure_rate(&self) -> f64 {
        self.rules.failure_rate
    }

    /// Returns the value set by [`open_time`](Self::open_time).
    pub fn get_open_time(&self) -> Duration {
        self.rules.open_time
    }

    /// Returns the value set by [`successes`](Self::successes).
    pub fn get_successes(&self) -> usize {
        self.rules.successes
    }

    /// Also tells this function each change.
    pub(crate) fn watched(self, watch: impl Fn(State) + Send + Sync + 'static) -> Self {
        Self { watch: Some(Arc::new(watch)), ..self }
    }

    /// Whether somebody is to be told changes.
    pub(super) fn tells(&self) -> bool {
        self.on_change.is_some() || self.watch.is_some()
    }

    /// Tells the callbacks a change.
    pub(super) fn tell(&self, state: State) {
        for callback in [&self.watch, &self.on_change].into_iter().flatten() {
            if contain(|| callback(state)).is_none() {
                // Whoever receives the log may panic, too. The changes after this one must be told all the same.
                contain(|| tracing::error!(%state, "the callback for changes of a circuit breaker panicked"));
            }
        }
    }

    /// Whether this error counts as a failure.
    pub(super) fn is_failure(&self, error: &Error) -> bool {
        let Some(counts) = &self.counts else { return counts_by_default(error) };
        contain(|| counts(error)).unwrap_or_else(|| {
            tracing::error!("the function that says which errors count for a circuit breaker panicked");
            counts_by_default(error)
        })
    }
}

/// Returns whether an error counts as a failure unless [`Settings::counts`] says otherwise.
///
/// - Timeouts count, those of the call and those of the connection.
/// - Lost connections count, and connections that cannot be made. That is every other error whose
///   [`origin`](Error::origin) is the peer or the system.
/// - Errors of this side do not count: the Command cannot be encoded or is too large, a limit is reached, the client was
///   closed.
/// - The Protocol's failure, of kind [`Remote`](ErrorKind::Remote), does not count.
///
/// A call that is cancelled has no error.
#[must_use]
pub fn counts_by_default(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Timeout => true,
        // An answer; and the refusal of a breaker, not of a server.
        ErrorKind::Remote | ErrorKind::Refused => false,
        _ => error.origin() != Origin::Local,
    }
}

/// Runs a function of the application. Returns `None` if it panics.
fn contain<R>(function: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(function)).map_err(discard).ok()
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rules { window, failure_rate, open_time, successes } = self.rules;
        f.debug_struct("Settings")
            .field("window", &window)
            .field("failure_rate", &failure_rate)
            .field("open_time", &open_time)
            .field("successes", &successes)
            .field("has_on_change", &self.on_change.is_some())
            .field("has_counts", &self.counts.is_some())
            .finish()
    }
}

/// 8 KiB of memory for each breaker.
const LARGEST_WINDOW: usize = 65_536;

const SHORTEST_OPEN_TIME: Duration = Duration::from_millis(1);
