//! A circuit breaker: it refuses calls while their server keeps failing, so that callers fail at once and the server can
//! recover.
//!
//! A [`CircuitBreaker`] looks at the last outcomes of calls. It has three states:
//!
//! - [`Closed`](State::Closed): calls are made. If too many of the last ones have failed, it opens.
//! - [`Open`](State::Open): calls are refused. After [`open_time`](Settings::open_time) it is half-open.
//! - [`HalfOpen`](State::HalfOpen): as many trial calls as [`successes`](Settings::successes) are made, and all others are
//!   refused. If all trials succeed, it closes. If one fails, it opens again.
//!
//! ```
//! use cmd_stream::circuit_breaker::{CircuitBreaker, Settings, State};
//! use cmd_stream::{Error, ErrorKind, Origin};
//!
//! let settings = Settings::default().window(4).failure_rate(0.5);
//! let breaker = CircuitBreaker::new(settings.on_change(|state| println!("the breaker is {state}")));
//!
//! let lost = Error::new(ErrorKind::Io, Origin::System, "connection refused");
//! for _ in 0..2 {
//!     let permit = breaker.try_call().expect("it is closed");
//!     permit.fail(&lost);
//! }
//! assert_eq!(breaker.state(), State::Open);
//! assert!(breaker.try_call().is_none());
//! ```
//!
//! [`CircuitBreaker::try_call`] shows how to use it around the calls of a client.

// `proto/circuit.rs` has the rules. Here is the lock around them, the clock, and the callbacks.

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::fmt;
use std::num::NonZeroU64;

use tokio::time::Instant;

use crate::error::{CallError, Error, ErrorKind};
use crate::proto::circuit::{Circuit, Generation, Outcome};
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

mod hooks;
#[cfg(all(test, cmd_stream_model))]
mod models;
mod settings;

pub use crate::proto::circuit::State;
pub use settings::{Settings, counts_by_default};

/// Refuses calls while a server keeps failing. The [module](self) describes its states.
///
/// It is cheap to clone, and all clones are one breaker. While it is closed and none of the last calls has failed, a call
/// costs two reads of one atomic number, and no lock.
///
/// # When changes are noticed
///
/// The breaker has no task and no timer. Outcomes change its state at once. That [`open_time`](Settings::open_time) is over
/// is noticed by the next [`try_call`](Self::try_call) or [`state`](Self::state), however late it comes, and
/// [`Settings::on_change`] is told then.
#[derive(Clone)]
pub struct CircuitBreaker {
    shared: Arc<Shared>,
}

/// How often a breaker has changed its state, from [`CircuitBreaker::changes`]. All numbers only grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Changes {
    /// How often it has opened, from closed or from half-open.
    pub opened: u64,
    /// How often it has become half-open.
    pub half_opened: u64,
    /// How often it has closed.
    pub closed: u64,
}

impl Changes {
    fn count(&mut self, state: State) {
        match state {
            State::Open => self.opened += 1,
            State::HalfOpen => self.half_opened += 1,
            State::Closed => self.closed += 1,
        }
    }
}

struct Shared {
    /// Told when the breaker may let more calls through, or when its state has changed.
    on_news: Option<Box<dyn Fn() + Send + Sync>>,
    /// [What callers need to know](View) without the lock. It is written under the lock.
    view: AtomicU64,
    inner: Mutex<Inner>,
    settings: Settings,
}

struct Inner {
    circuit: Circuit<Instant>,
    changes: Changes,
    /// The changes that the callback has not been told yet.
    untold: VecDeque<State>,
    /// Whether somebody is telling them. Only one does at a time, so that they are told in order.
    is_telling: bool,
}

impl CircuitBreaker {
    /// Creates a breaker that is closed.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self::make(settings, None)
    }

    /// A breaker that tells when it may let through a call that it has refused, other than by the [time](Self::half_opens_at).
    /// It is told without a lock.
    pub(crate) fn telling(settings: Settings, on_news: impl Fn() + Send + Sync + 'static) -> Self {
        Self::make(settings, Some(Box::new(on_news)))
    }

    fn make(settings: Settings, on_news: Option<Box<dyn Fn() + Send + Sync>>) -> Self {
        let circuit = Circuit::new(settings.rules);
        let view = AtomicU64::new(View::of(&circuit).0);
        let changes = Changes::default();
        let inner = Inner { circuit, changes, untold: VecDeque::new(), is_telling: false };
        Self { shared: Arc::new(Shared { on_news, view, inner: Mutex::new(inner), settings }) }
    }

    /// Returns the state, and makes it half-open if it has been open for long enough.
    #[must_use]
    pub fn state(&self) -> State {
        match self.shared.view().state() {
            // Only time can change the state without anybody telling it.
            State::Open => self.shared.change(|circuit| {
                circuit.notice(Instant::now());
                circuit.state()
            }),
            state => state,
        }
    }

    /// Returns how often its state has changed.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.shared.lock().changes
    }

    /// Whether a call would be let through now. If not, and the breaker is open, it says until when.
    pub(crate) fn outlook(&self) -> (bool, Option<Instant>) {
        self.shared.change(|circuit| {
            circuit.notice(Instant::now());
            (circuit.has_room(), circuit.open_until())
        })
    }

    /// Asks whether a call may be made. Returns `None` if the breaker is open, or half-open with all trials under way.
    ///
    /// Tell the outcome of the call to the [`Permit`]. If the permit is dropped, the call has no outcome.
    ///
    /// ```
    /// use cmd_stream::circuit_breaker::CircuitBreaker;
    /// use cmd_stream::protocol::{ClientProtocol, CommandOf, kind::HasReply};
    /// use cmd_stream::{CallError, Client, Command, format::Encode};
    ///
    /// /// Returns `None` if the breaker refuses the call.
    /// async fn guarded<P, F, C>(
    ///     breaker: &CircuitBreaker,
    ///     client: &Client<P, F>,
    ///     command: C,
    /// ) -> Option<Result<C::Reply, CallError<P::Failure>>>
    /// where
    ///     P: ClientProtocol<F>,
    ///     F: Encode<C>,
    ///     C: CommandOf<P, Kind: HasReply>,
    /// {
    ///     let permit = breaker.try_call()?;
    ///     let result = client.send(command).await;
    ///     permit.end(&result);
    ///     Some(result)
    /// }
    /// ```
    pub fn try_call(&self) -> Option<Permit<'_>> {
        Some(Permit { breaker: self, ticket: self.admit()? })
    }

    /// Closes the breaker and forgets all outcomes. Calls that are under way do not count any more.
    pub fn reset(&self) {
        self.shared.change(Circuit::close);
    }

    /// Like [`try_call`](Self::try_call), for calls that cannot borrow the breaker.
    pub(crate) fn admit(&self) -> Option<Ticket> {
        let view = self.shared.view();
        if view.state() == State::Closed {
            return Some(Ticket::new(view.generation(), None));
        }
        let began = self.shared.change(|circuit| circuit.admit(Instant::now()))?;
        Some(Ticket::new(began, Some(Arc::clone(&self.shared))))
    }

    /// The call has succeeded. Only the first outcome of a ticket counts.
    pub(crate) fn succeeded(&self, ticket: &mut Ticket) {
        if let Some(began) = ticket.take() {
            self.shared.end(began, Outcome::Success);
        }
    }

    /// The call has failed.
    pub(crate) fn failed(&self, ticket: &mut Ticket, error: &Error) {
        let Some(began) = ticket.began() else { return };
        let outcome = if self.shared.settings.is_failure(error) {
            Outcome::Failure
        } else if error.kind() == ErrorKind::Remote {
            Outcome::Success // the server has answered
        } else {
            Outcome::Unknown
        };
        ticket.take();
        self.shared.end(began, outcome);
    }
}

impl Shared {
    fn view(&self) -> View {
        // Relaxed, because the number alone is what is looked at. A caller that reads it while it is changed asks before
        // the change.
        View(self.view.load(Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the circuit under the lock. Tells a change after that.
    fn change<R>(&self, change: impl FnOnce(&mut Circuit<Instant>) -> R) -> R {
        let (result, tells, is_news) = {
            let mut inner = self.lock();
            let (before, had_room) = (inner.circuit.state(), inner.circuit.has_room());
            let result = change(&mut inner.circuit);
            let after = inner.circuit.state();
            let is_news = after != before || (inner.circuit.has_room() && !had_room);
            self.view.store(View::of(&inner.circuit).0, Relaxed);
            if after != before {
                inner.changes.count(after);
                if self.settings.tells() {
                    inner.untold.push_back(after);
                }
            }
            // If somebody is telling, that one goes on with this change.
            let tells = !inner.untold.is_empty() && !inner.is_telling;
            inner.is_telling |= tells;
            (result, tells, is_news)
        };
        if tells {
            while let Some(state) = self.next_untold() {
                self.settings.tell(state);
            }
        }
        if is_news && let Some(on_news) = &self.on_news {
            on_news();
        }
        result
    }

    fn next_untold(&self) -> Option<State> {
        let mut inner = self.lock();
        let next = inner.untold.pop_front();
        inner.is_telling = next.is_some();
        next
    }

    /// A call that began in `began` has ended.
    fn end(&self, began: Generation, outcome: Outcome) {
        let view = self.view();
        let changes_nothing = match outcome {
            Outcome::Success => view.is_spotless(),
            Outcome::Failure => false,
            Outcome::Unknown => view.state() == State::Closed,
        };
        if view.generation() == began && !changes_nothing {
            self.change(|circuit| circuit.end(began, outcome, Instant::now()));
        }
    }
}

/// What can be known of a circuit without the lock: its generation, whether it is spotless, and its state, in one number.
#[derive(Clone, Copy)]
struct View(u64);

impl View {
    fn of(circuit: &Circuit<Instant>) -> Self {
        let state = match circuit.state() {
            State::Closed => CLOSED,
            State::HalfOpen => HALF_OPEN,
            State::Open => OPEN,
        };
        // A breaker that changes a million times per second reaches 2^61 after 70,000 years.
        Self(circuit.generation().0 << 3 | u64::from(circuit.is_spotless()) << 2 | state)
    }

    fn state(self) -> State {
        match self.0 & 3 {
            CLOSED => State::Closed,
            HALF_OPEN => State::HalfOpen,
            _ => State::Open,
        }
    }

    fn is_spotless(self) -> bool {
        self.0 & 4 != 0
    }

    fn generation(self) -> Generation {
        Generation(self.0 >> 3)
    }
}

const CLOSED: u64 = 0;
const HALF_OPEN: u64 = 1;
const OPEN: u64 = 2;

/// A call that may be made, from [`CircuitBreaker::try_call`].
///
/// Tell it the outcome. If it is dropped instead, the call has no outcome: nothing is counted, and if it was a trial,
/// another call may take its place. That is right for a call that was cancelled.
///
/// An outcome counts only if the breaker has not changed its state since the call began.
#[must_use = "a permit that is dropped means that the call was not made"]
#[derive(Debug)]
pub struct Permit<'a> {
    breaker: &'a CircuitBreaker,
    ticket: Ticket,
}

impl Permit<'_> {
    /// Counts the call as a success.
    pub fn success(mut self) {
        self.breaker.succeeded(&mut self.ticket);
    }

    /// Counts the call as a failure if [`Settings::counts`] says so.
    ///
    /// Otherwise an error of kind [`Remote`](ErrorKind::Remote) is a success, as the server has answered. Any other error
    /// is no outcome, as if the permit was dropped.
    pub fn fail(mut self, error: &Error) {
        self.breaker.failed(&mut self.ticket, error);
    }

    /// Counts the result of a call: a Reply is a [`success`](Self::success), and so is the Protocol's failure. Any other
    /// error is passed to [`fail`](Self::fail).
    pub fn end<T, F>(self, result: &Result<T, CallError<F>>) {
        match result {
            Ok(_) | Err(CallError::Failed(_)) => self.success(),
            Err(CallError::Other(error)) => self.fail(error),
        }
    }
}

/// What a breaker keeps for a call while it is used as [hooks](crate::hooks). If it is dropped, the call has no outcome.
pub struct Ticket {
    /// The generation that it began in, plus one. `None` if its outcome is known.
    began: Option<NonZeroU64>,
    /// Where a trial gives its place back. Other calls have none: to share the breaker would cost as much as all the rest.
    place: Option<Arc<Shared>>,
}

impl Ticket {
    /// Of a call that no breaker was asked for.
    pub(crate) const NONE: Self = Self { began: None, place: None };

    fn new(began: Generation, place: Option<Arc<Shared>>) -> Self {
        Self { began: NonZeroU64::new(began.0 + 1), place }
    }

    fn began(&self) -> Option<Generation> {
        Some(Generation(self.began?.get() - 1))
    }

    fn take(&mut self) -> Option<Generation> {
        let began = self.began();
        self.began = None;
        began
    }

    /// Whether the outcome of the call still counts.
    #[inline]
    pub(crate) fn counts(&self) -> bool {
        self.began.is_some()
    }

    pub(crate) fn is_trial(&self) -> bool {
        self.place.is_some()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // As a rule it is no trial.
        if let Some(shared) = &self.place
            && let Some(began) = self.began()
        {
            shared.end(began, Outcome::Unknown);
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("is_trial", &self.is_trial()).finish_non_exhaustive()
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not `state()`: that may call the callback.
        f.debug_struct("CircuitBreaker")
            .field("state", &self.shared.view().state())
            .field("settings", &self.shared.settings)
            .finish()
    }
}

/// Why a call was not made: the circuit breaker refuses it.
///
/// As [hooks](crate::hooks), the breaker refuses a call with this error.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OpenError;

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the circuit breaker is open")
    }
}

impl StdError for OpenError {}
