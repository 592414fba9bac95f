//! A Command running: through the Invoker, on the Receiver, its failures and panics contained; in place where it was
//! decoded, or in a task of its own.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tracing::Instrument;

use super::counters::one;
use super::extensions::Extensions;
use super::failed::{Failed, FailedReason};
use super::invoker::{Call, Invoker};
use super::pace::Pace;
use super::places::Places;
use super::proxy::{Arrival, Connection, EncodedReply, Link, Proxy, ReplyLink};
use super::session::Session;
use crate::connection::peer::Peer;
use crate::format::Format;
use crate::proto::frame::Seq;
use crate::protocol::{CommandOf, Entry, Execute, Protocol, ReplyOf, Scheduling, ServerProtocol};

/// How this thread is polling a Command.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Polling {
    Not,
    /// Where it was decoded: its connection's task is awake, as it is the one that polls.
    InPlace,
    /// In a task of its own.
    Alone,
}

thread_local! {
    static POLLING: Cell<Polling> = const { Cell::new(Polling::Not) };
    /// The connection's task, to be woken when the poll of a Command in a task of its own is over. A wake-up can take
    /// longer than a quick Command, which is not to be blamed for it.
    static TO_WAKE: Cell<Option<Waker>> = const { Cell::new(None) };
    /// Whether a Command stays pending only because it lets others run.
    static YIELDS: Cell<bool> = const { Cell::new(false) };
}

/// Marks how this thread polls, for as long as it is held.
pub(super) struct PollsNow;

impl PollsNow {
    pub(super) fn enter(polling: Polling) -> Self {
        POLLING.set(polling);
        Self
    }
}

impl Drop for PollsNow {
    fn drop(&mut self) {
        POLLING.set(Polling::Not);
        if let Some(task) = TO_WAKE.take() {
            task.wake();
        }
    }
}

fn is_late() -> bool {
    POLLING.get() != Polling::InPlace
}

/// Wakes the connection's task, as soon as that is good.
fn wake(task: Option<Waker>) {
    match task {
        Some(task) if POLLING.get() == Polling::Alone => TO_WAKE.set(Some(task)),
        Some(task) => task.wake(),
        None => {}
    }
}

/// A Command that runs.
struct Running<'a, P, F, R, I> {
    session: &'a Session<P, F, R, I>,
    arrival: Arrival,
    pace: &'a Pace,
    scheduling: Scheduling,
    last_is_sent: AtomicBool,
}

impl<P, F, R, I> Link for Running<'_, P, F, R, I>
where
    P: Protocol,
    F: Format,
    R: Send + Sync,
    I: Send + Sync,
{
    fn arrival(&self) -> &Arrival {
        &self.arrival
    }

    fn connection(&self) -> &Connection {
        &self.session.connection
    }

    fn poll_append(&self, reply: &mut EncodedReply, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        if self.last_is_sent.load(Relaxed) {
            return Poll::Ready(Err(Failed::new("a reply after the last one")));
        }
        let (appended, task) = self.session.append(reply, is_late(), Some(cx));
        wake(task);
        if let Poll::Ready(Ok(())) = appended {
            self.last_is_sent.store(reply.is_last, Relaxed);
        }
        appended.map_err(Failed::from)
    }

    /// The connection's task, woken by a Reply, waits in the run-next slot of this worker, which no other worker can
    /// take it out of, until this task yields. Only a Command that has proved to be quick may let it wait there.
    fn must_yield(&self) -> bool {
        let yields = match self.scheduling {
            Scheduling::Adaptive => is_late() && !self.pace.is_quick(),
            Scheduling::InPlace => false,
            Scheduling::Spawned => true,
        };
        YIELDS.set(yields);
        yields
    }
}

impl<Reply, P, F, R, I> ReplyLink<Reply> for Running<'_, P, F, R, I>
where
    Reply: ReplyOf<P>,
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync,
    I: Send + Sync,
{
    fn encode(&self, reply: Reply) -> Result<EncodedReply, Failed> {
        Ok(self.session.encode(self.arrival.seq, reply.into_reply())?)
    }
}

/// A Command as the Invoker sees it.
struct Invocation<'a, P, F, R, I, C> {
    running: &'a Running<'a, P, F, R, I>,
    command: C,
    extensions: &'a mut Extensions,
}

impl<P, F, R, I, C> Call<P> for Invocation<'_, P, F, R, I, C>
where
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync,
    I: Send + Sync,
    C: CommandOf<P> + Execute<R>,
{
    fn command(&self) -> P::CommandRef<'_> {
        self.command.as_command()
    }

    fn entry(&self) -> &'static Entry {
        &P::COMMANDS[C::INDEX]
    }

    fn seq(&self) -> Seq {
        self.running.arrival.seq
    }

    fn peer(&self) -> &Peer {
        &self.running.session.connection.peer
    }

    fn received_at(&self) -> Instant {
        self.running.arrival.received_at
    }

    fn size(&self) -> usize {
        self.running.arrival.size
    }

    fn extensions(&mut self) -> &mut Extensions {
        self.extensions
    }

    // Not an `async fn`: that would be one more future to hold, and to move, the Command.
    fn run(self) -> impl Future<Output = Result<(), Failed>> + Send {
        let Self { running, command, extensions } = self;
        command.execute(&running.session.service.receiver, Proxy::new(running, extensions))
    }
}

/// Runs a Command to its end, whatever that is.
async fn execute<P, F, R, I, C>(session: Arc<Session<P, F, R, I>>, arrival: Arrival, command: C)
where
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync + 'static,
    I: Invoker<P>,
    C: CommandOf<P> + Execute<R>,
{
    let service = &session.service;
    let running = Running {
        session: &session,
        arrival,
        pace: &service.paces[C::INDEX],
        scheduling: C::SCHEDULING,
        last_is_sent: AtomicBool::new(false),
    };
    let mut extensions = Extensions::default();
    let result = {
        let mut run = pin!(async {
            let call = Invocation { running: &running, command, extensions: &mut extensions };
            service.invoker.invoke(call).await
        });
        poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx))) {
            Ok(poll) => poll,
            Err(payload) => Poll::Ready(Err(Failed::panic(&*payload))),
        })
        .await
    };
    match (result, running.last_is_sent.load(Relaxed)) {
        (Ok(()), true) => {}
        // Most likely because of that, and there is nobody to tell; but a panic is reported all the same.
        (result, false) if session.is_ending() && !is_panic(&result) => {}
        (Ok(()), false) => session.fail(arrival.seq, Failed::no_last_reply(), is_late()),
        (Err(failed), false) => session.fail(arrival.seq, failed, is_late()),
        (Err(failed), true) => {
            one(&service.counts.failed_after_last_reply);
            if failed.reason() == FailedReason::Panic {
                one(&service.counts.panicked);
            }
            // What the error says is the user's code.
            let report =
                || tracing::warn!(seq = %arrival.seq, %failed, "command failed after its last reply");
            let _ = catch_unwind(AssertUnwindSafe(report));
        }
    }
}

fn is_panic(result: &Result<(), Failed>) -> bool {
    matches!(result, Err(failed) if failed.reason() == FailedReason::Panic)
}

/// Starts a Command: polls it in place or in a task of its own, as its type deserves.
pub(crate) fn start<P, F, R, I, C>(
    session: &Arc<Session<P, F, R, I>>,
    places: &mut Places,
    arrival: Arrival,
    command: C,
) where
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync + 'static,
    I: Invoker<P>,
    C: CommandOf<P> + Execute<R>,
{
    let in_place = match C::SCHEDULING {
        Scheduling::Adaptive => session.service.paces[C::INDEX].is_quick(),
        Scheduling::InPlace => true,
        Scheduling::Spawned => false,
    };
    let future = || execute(Arc::clone(session), arrival, command);
    if !in_place {
        go_on_alone::<P, F, R, I, C>(session, arrival, Box::pin(Some(future())));
    } else if let Some(future) = places.poll(C::INDEX, future) {
        go_on_alone::<P, F, R, I, C>(session, arrival, future);
    }
}

/// Gives a Command a task of its own.
fn go_on_alone<P, F, R, I, C>(
    session: &Arc<Session<P, F, R, I>>,
    arrival: Arrival,
    mut future: Pin<Box<Option<impl Future<Output = ()> + Send + 'static>>>,
) where
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync + 'static,
    I: Invoker<P>,
    C: CommandOf<P> + Execute<R>,
{
    session.begin_alone(arrival.seq, arrival.size);
    let booked = Booked { session: Arc::clone(session), seq: arrival.seq };
    let task = async move {
        let pace = &booked.session.service.paces[C::INDEX];
        let mut first = true;
        poll_fn(|cx| {
            let started = (C::SCHEDULING == Scheduling::Adaptive).then(Instant::now);
            let polls = PollsNow::enter(Polling::Alone);
            let future = future.as_mut().as_pin_mut().expect("a place that is given away holds a future");
            let poll = future.poll(cx);
            if let Some(started) = started {
                pace.polled_alone(started.elapsed(), first && poll.is_ready());
            }
            first &= YIELDS.take();
            drop(polls);
            poll
        })
        .await;
        drop(future);
        drop(booked);
    };
    tokio::spawn(task.in_current_span());
}

/// A Command in flight; its end is booked however its task ends.
struct Booked<P, F, R, I> {
    session: Arc<Session<P, F, R, I>>,
    seq: Seq,
}

impl<P, F, R, I> Drop for Booked<P, F, R, I> {
    fn drop(&mut self) {
        self.session.end_alone(self.seq);
    }
}
