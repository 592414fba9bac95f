//! The task of a client, as long as the client lives: dial, drive, lose, back off, dial again.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::counters::add;
use super::dial::{Accepted, Dialed};
use super::driver::Driver;
use super::race::{Race, Won};
use super::route::{Route, Target, address_of};
use crate::connection::{Deadlines, Timers, Writer, say_goodbye};
use crate::error::{Error, ErrorKind, Origin, discard};
use crate::format::Format;
use crate::proto::backoff::Attempts;
use crate::protocol::{ClientProtocol, Protocol};
use crate::sync::Arc;
use crate::transport::{Connect, Io};

/// How a client dials again.
pub(super) struct Redial<R> {
    pub(super) route: R,
    pub(super) accepted: Accepted,
    pub(super) attempts: Attempts,
}

/// What the task of a client is given. It ends the client if the task is dropped, also before it has begun.
pub(super) struct FailsWhenDropped<P: Protocol, F>(Arc<Shared<P, F>>);

impl<P: Protocol, F> Drop for FailsWhenDropped<P, F> {
    fn drop(&mut self) {
        let panicked = std::thread::panicking();
        self.0.table.close(if panicked {
            "the task of the client panicked"
        } else {
            "the runtime of the client ended"
        });
    }
}

impl<P: Protocol, F> FailsWhenDropped<P, F> {
    pub(super) fn new(shared: &Arc<Shared<P, F>>) -> Self {
        Self(Arc::clone(shared))
    }
}

/// Runs a client on a connection that nobody can make again.
pub(super) async fn run_once<IO, P, F>(fails: FailsWhenDropped<P, F>, mut dialed: Dialed<IO>)
where
    IO: Io,
    P: ClientProtocol<F>,
    F: Format,
{
    let shared = &fails.0;
    let mut driver = Driver::new(shared, &mut dialed.io, dialed.inbox, None);
    let reason = driver.run().await;
    let writer = driver.into_writer();
    shared.table.lose_for_good(reason);
    Box::pin(leave(dialed.io, writer, Arc::clone(shared))).await;
}

/// Runs a client until it is closed. Without a connection it begins with an attempt to connect.
pub(super) async fn run<R, P, F>(
    fails: FailsWhenDropped<P, F>,
    mut redial: Redial<R>,
    mut connected: Option<Won<R>>,
) where
    R: Route,
    P: ClientProtocol<F>,
    F: Format,
{
    let shared = &*fails.0;
    let table = &shared.table;
    let (mut lost, mut next_attempt) = (None, Instant::now());
    loop {
        let Won { target, dialed: Dialed { mut io, inbox, .. } } = match connected.take() {
            Some(connected) => connected,
            // On the heap, so that the task of a connected client keeps no room for it.
            None => match Box::pin(redial.until_connected(shared, lost.take(), next_attempt)).await {
                Some(connected) => connected,
                None => return,
            },
        };
        let began = Instant::now();
        let retires_at = redial.attempts.about(shared.max_age).and_then(|age| began.checked_add(age));
        // The driver is gone before the next thing is awaited, which else had no room of its own to share with it.
        let (reason, writer) = {
            let mut driver = Driver::new(shared, &mut io, inbox, retires_at);
            let reason = driver.run().await;
            (reason, driver.into_writer())
        };
        if table.is_closed() {
            Box::pin(leave(io, writer, Arc::clone(&fails.0))).await;
            return;
        }
        redial.attempts.connected_for(began.elapsed());
        let is_replaced = table.is_replaced();
        if is_replaced {
            redial.route.replaced();
            next_attempt = Instant::now();
            let failed_calls = table.lose(&reason, next_attempt);
            tracing::info!(failed_calls, "connection given up, to be replaced");
        } else {
            let delay = redial.attempts.next_delay();
            next_attempt = Instant::now() + delay; // at most for ever
            let failed_calls = table.lose(&reason, next_attempt);
            table.notices.lost(Contained(&reason), failed_calls, delay);
            redial.route.failed(&target);
        }
        match reason.kind() {
            // Nobody is there any more, unless this side has ended it.
            ErrorKind::Io | ErrorKind::Closed | ErrorKind::UnexpectedEof if !is_replaced => {}
            // In a task of its own: the next attempt need not wait for it.
            _ => drop(tokio::spawn(leave(io, writer, Arc::clone(&fails.0)))),
        }
        lost = Some(reason);
    }
}

impl<R: Route> Redial<R> {
    /// Makes attempts to connect, the first one at this instant. `lost` says why the last connection was lost, if there was
    /// one. `None` if the client was closed.
    async fn until_connected<P, F>(
        &mut self,
        shared: &Shared<P, F>,
        lost: Option<Error>,
        mut next_attempt: Instant,
    ) -> Option<Won<R>>
    where
        P: Protocol,
    {
        let Self { route, accepted, attempts } = self;
        let mut down = Down::new(shared, lost);
        loop {
            let mut pause = pin!(sleep_until(next_attempt));
            let pause = poll_fn(|cx| match shared.table.poll_hurry(cx) {
                Poll::Ready(()) => Poll::Ready(()),
                Poll::Pending => pause.as_mut().poll(cx),
            });
            if down.address.is_none() && route.is_known() {
                down.address = Some(address_of(|| route.address()));
            }
            down.wait(pause).await?;
            shared.table.connecting();
            let first = down.wait(route.next()).await?;
            let address = address_of(|| first.transport().address());
            down.address = Some(address.clone());
            let mut race = Race { route, limits: &shared.table.limits, accepted, failed: 0 };
            let result = down.wait(race.run(first, address)).await?;
            // That one of them has failed is counted with the reason.
            add(&shared.table.counts.attempts_failed, race.failed.saturating_sub(u64::from(result.is_err())));
            match result {
                Ok(connected) => {
                    let peer = &connected.dialed.peer;
                    shared.table.up(peer.clone()).ok()?;
                    tracing::info!(%peer, "connected");
                    return Some(connected);
                }
                Err(reason) => {
                    let delay = attempts.next_delay();
                    next_attempt = Instant::now() + delay;
                    shared.table.notices.attempt_failed(Contained(&reason), delay);
                    down.failed(&reason);
                    shared.table.attempt_failed(reason, next_attempt);
                }
            }
        }
    }
}

/// A time without a connection. It looks after the calls that wait for one.
struct Down<'a, P: Protocol, F> {
    shared: &'a Shared<P, F>,
    /// Where it dials. `None` if that is not known yet.
    address: Option<String>,
    since: Instant,
    /// Why the last connection was lost, or the last attempt failed.
    reason: Option<Error>,
    has_given_up: bool,
    timers: Timers,
}

impl<'a, P: Protocol, F> Down<'a, P, F> {
    fn new(shared: &'a Shared<P, F>, reason: Option<Error>) -> Self {
        let (since, timers) = (Instant::now(), Timers::default());
        Self { shared, address: None, since, reason, has_given_up: false, timers }
    }

    /// Waits for something. `None` if the client was closed meanwhile.
    async fn wait<V: Future>(&mut self, something: V) -> Option<V::Output> {
        let mut something = pin!(something);
        poll_fn(|cx| {
            loop {
                let Ok(alarm) = self.shared.table.poll_alarm(cx) else { return Poll::Ready(None) };
                let mut deadlines = Deadlines::new();
                deadlines.set_at(Timer::Call, alarm);
                let waits_since = Some(self.since).filter(|_| !self.has_given_up);
                deadlines.set(Timer::Connection, waits_since, self.shared.table.limits.connection_wait);
                match self.timers.poll(&deadlines, None, cx) {
                    Poll::Ready(Timer::Connection) => self.give_up(),
                    Poll::Ready(Timer::Call) => self.shared.table.expire(Instant::now()),
                    Poll::Pending => return something.as_mut().poll(cx).map(Some),
                }
            }
        })
        .await
    }

    fn failed(&mut self, reason: &Error) {
        self.reason = Some(reason.clone());
        if self.has_given_up {
            self.give_up(); // calls are told the latest reason
        }
    }

    /// The calls have waited long enough.
    fn give_up(&mut self) {
        self.has_given_up = true;
        let waited = self.shared.table.limits.connection_wait;
        let mut message = match &self.address {
            Some(address) => format!("there is no connection to {address}"),
            None => "there is no connection: no endpoint is known yet".into(),
        };
        if !waited.is_zero() {
            message += &format!(" after {waited:?} (`Limits::connection_wait`)");
        }
        self.shared.table.give_up(&match &self.reason {
            Some(reason) => Error::with_source(reason.kind(), reason.origin(), message, reason.clone()),
            None => {
                if self.address.is_some() {
                    message += ": the first attempt has not ended";
                }
                Error::new(ErrorKind::Timeout, Origin::System, message)
            }
        });
    }
}

/// What a client without a connection can wait for.
#[derive(Clone, Copy)]
enum Timer {
    /// Callers have waited long enough.
    Call,
    /// Callers have waited long enough for a connection.
    Connection,
}

/// Closes a connection, after the whole of the batch that is being written. Whether that arrives does not matter, only that
/// it does not take long.
async fn leave<P: Protocol, F>(mut io: impl Io, writer: Writer, shared: Arc<Shared<P, F>>) {
    say_goodbye(&mut io, writer, |bytes| add(&shared.table.counts.bytes_sent, bytes as u64)).await;
}

/// An error for the log. What an error of a Format says is the user's code, which may panic.
struct Contained<'a>(&'a Error);

impl fmt::Display for Contained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = catch_unwind(AssertUnwindSafe(|| format!("{:#}", self.0))).map_err(discard);
        f.write_str(written.as_deref().unwrap_or("(the message of the error panicked)"))
    }
}
