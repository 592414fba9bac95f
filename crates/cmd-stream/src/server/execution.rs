//! A Command running: through the Invoker, on the Receiver, its failures and panics contained; in place where it was
//! decoded, or in a task of its own.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tracing::Instrument;

use super::connection::Connection;
use super::control::Control;
use super::execute::{Execute, Scheduling, ServerProtocol};
use super::extensions::Extensions;
use super::handed::Handed;
use super::invoker::{Ended, Invocation, Invoker, contain, sealed};
use super::link::{Arrival, EncodedReply, HandedLink, Link, ReplyLink, RunningLink, Sent};
use super::pace::Pace;
use super::places::Places;
use super::proxy::Proxy;
use super::session::{How, Session, Subject};
use crate::format::Format;
use crate::proto::frame::Seq;
use crate::protocol::kind::Kind;
use crate::protocol::{CommandOf, Entry, Failed, ReplyOf};

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

pub(super) fn is_late() -> bool {
    POLLING.get() != Polling::InPlace
}

/// Wakes the connection's task, as soon as that is good.
pub(super) fn wake(task: Option<Waker>) {
    match task {
        Some(task) if POLLING.get() == Polling::Alone => {
            // It may be the task of another connection, if an owned Proxy of a Command there was used.
            wake_now(TO_WAKE.replace(Some(task)));
        }
        task => wake_now(task),
    }
}

pub(super) fn wake_now(task: Option<Waker>) {
    if let Some(task) = task {
        task.wake();
    }
}

/// Nothing is put off while it is held: the thread is about to sleep until somebody else has done something.
pub(super) struct Undisturbed(Polling);

impl Undisturbed {
    pub(super) fn enter() -> Self {
        // An error means that the thread is ending: a destructor of another such value sends.
        wake_now(TO_WAKE.try_with(Cell::take).ok().flatten());
        Self(POLLING.replace(Polling::Not))
    }

    /// Whether the thread was polling a Command where it was decoded: then it is that of the Command's connection, and
    /// whoever waits on it for that connection waits for ever.
    pub(super) fn was_in_place(&self) -> bool {
        self.0 == Polling::InPlace
    }
}

impl Drop for Undisturbed {
    fn drop(&mut self) {
        POLLING.set(self.0);
    }
}

/// A Command that runs.
struct Running<'a, P, F, R, I> {
    session: &'a Arc<Session<P, F, R, I>>,
    arrival: Arrival,
    subject: Subject,
    pace: &'a Pace,
    scheduling: Scheduling,
    last_is_sent: AtomicBool,
    /// The same Command, once its Proxy has been made an owned one; that knows then what was sent.
    handed: OnceLock<Arc<Handed<P, F, R, I>>>,
}

impl<P, F, R, I> Running<'_, P, F, R, I> {
    /// How it has ended, if it has.
    fn ended(&self) -> Option<Ended> {
        if self.last_is_sent.load(Relaxed) {
            Some(Ended::Replied)
        } else if self.handed.get().is_some() {
            Some(Ended::HandedOver)
        } else if self.subject.is_one_way {
            Some(Ended::Unanswered)
        } else {
            None
        }
    }
}

impl<P, F, R, I> Link for Running<'_, P, F, R, I>
where
    P: ServerProtocol<F, R>,
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

    fn control(&self) -> &Control {
        &self.session.control
    }

    fn poll_ready(&self, turn: &mut Option<u64>, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        if let Some(handed) = self.handed.get() {
            return handed.poll_ready(turn, cx);
        }
        self.session.poll_ready(turn, &self.last_is_sent, cx).map_err(Failed::from)
    }

    fn poll_append(&self, reply: &mut EncodedReply, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        if let Some(handed) = self.handed.get() {
            return handed.poll_append(reply, cx);
        }
        self.session.poll_append(reply, &self.last_is_sent, How::running(), cx).map_err(Failed::from)
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
    fn send(&self, reply: Reply) -> Result<Sent, Failed> {
        if let Some(handed) = self.handed.get() {
            return handed.send(reply);
        }
        let Some(reply) = reply.into_reply() else { return Ok(Sent::Done) };
        Ok(self.session.send(self.arrival.seq, &reply, Some(&self.last_is_sent), How::running())?)
    }
}

impl<Reply, P, F, R, I> RunningLink<Reply> for Running<'_, P, F, R, I>
where
    Reply: ReplyOf<P>,
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync + 'static,
    I: Send + Sync + 'static,
{
    fn hand_over(&self) -> Arc<dyn HandedLink<Reply>> {
        let handed = self.handed.get_or_init(|| {
            let last_is_sent = self.last_is_sent.load(Relaxed);
            let booked = Booked::new(self.session, &self.arrival);
            Arc::new(Handed::new(booked, self.arrival, self.subject, last_is_sent))
        });
        Arc::clone(handed) as Arc<dyn HandedLink<Reply>>
    }
}

/// A Command as the Invoker sees it.
struct Arrived<'a, P, F, R, I, C> {
    running: &'a Running<'a, P, F, R, I>,
    command: C,
    extensions: &'a mut Extensions,
}

impl<P, F, R, I, C> sealed::Sealed for Arrived<'_, P, F, R, I, C> {}

impl<P, F, R, I, C> Invocation<P> for Arrived<'_, P, F, R, I, C>
where
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync + 'static,
    I: Send + Sync + 'static,
    C: CommandOf<P> + Execute<R>,
{
    fn command(&self) -> P::CommandRef<'_> {
        self.command.as_command()
    }

    fn entry(&self) -> &'static Entry {
        self.running.subject.entry
    }

    fn seq(&self) -> Seq {
        self.running.arrival.seq
    }

    fn connection(&self) -> &Connection {
        &self.running.session.connection
    }

    fn received_at(&self) -> tokio::time::Instant {
        self.running.arrival.received_at
    }

    fn size(&self) -> usize {
        self.running.arrival.size
    }

    fn extensions(&mut self) -> &mut Extensions {
        self.extensions
    }

    // Not an `async fn`: that would be one more future to hold, and to move, the Command.
    fn run(self) -> impl Future<Output = Result<Ended, Failed>> + Send {
        let Self { running, command, extensions } = self;
        let receiver = &running.session.service.receiver;
        let execute = AssertUnwindSafe(|| command.execute(receiver, Proxy::new(running, extensions)));
        contain(catch_unwind(execute), |()| running.ended().ok_or_else(Failed::no_last_reply))
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
        subject: Subject { seq: arrival.seq, entry: &P::COMMANDS[C::INDEX], is_one_way: C::Kind::ONE_WAY },
        pace: &service.paces[C::INDEX],
        scheduling: C::SCHEDULING,
        last_is_sent: AtomicBool::new(false),
        handed: OnceLock::new(),
    };
    let mut extensions = Extensions::default();
    let result = {
        let mut run = pin!(async {
            let arrived = Arrived { running: &running, command, extensions: &mut extensions };
            service.invoker.invoke(arrived).await
        });
        poll_fn(|cx| {
            if I::IS_DIRECT {
                return run.as_mut().poll(cx);
            }
            match catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx))) {
                Ok(poll) => poll,
                Err(payload) => Poll::Ready(Err(Failed::panic(&*payload))),
            }
        })
        .await
    };
    let failed = match result {
        // An Invoker may say so of a Command that it has not run.
        Ok(_) if I::IS_DIRECT || running.ended().is_some() => return,
        Ok(_) => Failed::no_last_reply(),
        Err(failed) => failed,
    };
    match running.handed.get() {
        Some(handed) => handed.end(failed),
        None if running.last_is_sent.load(Relaxed) => session.failed_too_late(running.subject, &failed),
        None => session.fail(running.subject, failed, true),
    }
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
    let booked = Booked::new(session, &arrival);
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

/// Keeps a Command in flight: for the task that runs it, or for whoever it was handed over to.
pub(super) struct Booked<P, F, R, I> {
    pub(super) session: Arc<Session<P, F, R, I>>,
    seq: Seq,
}

impl<P, F, R, I> Booked<P, F, R, I> {
    fn new(session: &Arc<Session<P, F, R, I>>, arrival: &Arrival) -> Self {
        session.hold(arrival.seq, arrival.size);
        Self { session: Arc::clone(session), seq: arrival.seq }
    }
}

impl<P, F, R, I> Drop for Booked<P, F, R, I> {
    fn drop(&mut self) {
        self.session.release(self.seq);
    }
}
