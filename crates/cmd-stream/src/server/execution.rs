//! A Command running: through the Invoker, on the Receiver, its failures and panics contained; in place where it was
//! decoded, or in a task of its own.

use std::any::Any;
use std::cell::{Cell, RefCell};
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
use super::pace::{GROUP, GROUP_SHORT, Pace};
use super::proxy::{Arrival, Connection, EncodedReply, Link, Proxy, ReplyLink};
use super::session::{Service, Session};
use crate::connection::peer::Peer;
use crate::format::Format;
use crate::proto::frame::Seq;
use crate::protocol::{CommandOf, Entry, Execute, Protocol, ReplyOf, Scheduling, ServerProtocol};

/// How this thread is polling a Command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Polling {
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
struct PollsNow;

impl PollsNow {
    fn enter(polling: Polling) -> Self {
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
    extensions: Extensions,
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
        &mut self.extensions
    }

    async fn run(self) -> Result<(), Failed> {
        let proxy = Proxy::new(self.running, &self.extensions);
        self.command.execute(&self.running.session.service.receiver, proxy).await
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
    let result = {
        let call = Invocation { running: &running, command, extensions: Extensions::default() };
        let mut run = pin!(async { service.invoker.invoke(call).await });
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
            tracing::warn!(seq = %arrival.seq, %failed, "command failed after its last reply");
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
    let future = execute(Arc::clone(session), arrival, command);
    if !in_place {
        go_on_alone::<P, F, R, I, C>(session, arrival, Box::pin(Some(future)));
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

/// Where Commands are polled in place: a pinned box for each type of a server's Commands, used again and again. A
/// Command that stays pending takes its box along.
///
/// They wait with the thread, not with the connection, so that an idle connection holds none.
#[derive(Default)]
pub(crate) struct Places {
    /// Which server they are of.
    owner: usize,
    places: Vec<Place>,
    /// Polls since the clock was looked at.
    in_group: u32,
    group_started: Option<Instant>,
}

#[derive(Default)]
struct Place {
    /// An `Option<Pin<Box<Option<Fut>>>>`, with the type of the future of this type of Commands.
    spare: Option<Box<dyn Any + Send>>,
    /// Since the numbers were last booked.
    polls: u32,
    pending: u32,
    in_group: bool,
}

thread_local! {
    static PLACES: RefCell<Vec<Places>> = const { RefCell::new(Vec::new()) };
}

/// For how many servers a thread keeps places.
const OWNERS_KEPT: usize = 4;

impl Places {
    /// The places of this thread for the Commands of this server.
    pub(crate) fn of<P, F, R, I>(service: &Arc<Service<P, F, R, I>>) -> Self {
        let owner = Arc::as_ptr(service).addr();
        let kept = PLACES.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            let found = kept.iter().position(|places| places.owner == owner)?;
            Some(kept.swap_remove(found))
        });
        let mut places = kept.ok().flatten().unwrap_or_default();
        places.owner = owner;
        places.places.resize_with(service.paces.len(), Place::default);
        places
    }

    /// Books how long the polls took, and gives the places back to the thread.
    pub(crate) fn give_back<P, F, R, I>(mut self, service: &Service<P, F, R, I>) {
        self.end_group(&service.paces);
        for (place, pace) in self.places.iter_mut().zip(&service.paces) {
            if place.polls > 0 {
                pace.polled_in_place(place.polls, place.pending);
                (place.polls, place.pending) = (0, 0);
            }
        }
        let _ = PLACES.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() == OWNERS_KEPT {
                kept.swap_remove(0);
            }
            kept.push(self);
        });
    }

    /// Looks at the clock if enough polls were made since it was looked at last.
    pub(crate) fn look_at_clock(&mut self, paces: &[Pace]) {
        if self.in_group >= GROUP {
            self.end_group(paces);
        }
    }

    fn end_group(&mut self, paces: &[Pace]) {
        let Some(started) = self.group_started.take() else { return };
        self.in_group = 0;
        let time = started.elapsed();
        for (place, pace) in self.places.iter_mut().zip(paces) {
            if std::mem::take(&mut place.in_group) && time > GROUP_SHORT {
                pace.was_long(time);
            }
        }
    }

    /// Polls once, in place. A future that stays pending is given back, to be polled again at once by its own task:
    /// so it need not be able to wake anybody yet.
    fn poll<Fut>(&mut self, index: usize, future: Fut) -> Option<Pin<Box<Option<Fut>>>>
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.group_started.get_or_insert_with(Instant::now);
        self.in_group += 1;
        let place = &mut self.places[index];
        place.polls += 1;
        place.in_group = true;

        let spare = place.spare.get_or_insert_with(|| Box::new(None::<Pin<Box<Option<Fut>>>>));
        let Some(spare) = spare.downcast_mut::<Option<Pin<Box<Option<Fut>>>>>() else {
            // The address of a server that is gone was given to another one.
            place.spare = None;
            return Some(Box::pin(Some(future)));
        };
        let mut boxed = spare.take().unwrap_or_else(|| Box::pin(None));
        boxed.set(Some(future));
        let poll = {
            let _polls = PollsNow::enter(Polling::InPlace);
            boxed.as_mut().as_pin_mut().map(|future| future.poll(&mut Context::from_waker(Waker::noop())))
        };
        match poll {
            Some(Poll::Pending) => {
                place.pending += 1;
                Some(boxed)
            }
            _ => {
                boxed.set(None);
                *spare = Some(boxed);
                None
            }
        }
    }
}
