//! A Command with a task of its own: what its task does beside polling it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::Instant;
use tracing::Instrument;

use super::execute::{Execute, Scheduling};
use super::gate::Turn;
use super::line::{Arrival, How, put_off};
use super::polling::{Current, Polling};
use super::service::Service;
use super::session::{Booked, Session};
use super::shedding::Waiting;
use super::unstarted::Spent;
use crate::error::{contained, drop_contained};
use crate::protocol::CommandOf;
use crate::stats::Outcome;
use crate::sync::Arc;

/// Gives a Command a task of its own. Returns whether it has started: one that is timed starts in its task, or not at all.
pub(super) fn spawn<S, C, Fut>(session: &Arc<Session<S>>, arrival: Arrival, future: Fut) -> bool
where
    S: Service,
    C: CommandOf<S::Protocol> + Execute<S::Receiver>,
    Fut: Future<Output = Option<Outcome>> + Send + 'static,
{
    let shedder = session.line.control.shedder.as_ref();
    let waits = shedder.map(|shedder| Box::new((arrival, shedder.waits(arrival.received_at))));
    let is_started = waits.is_none();
    let size = size_of::<Fut>();
    session.line.unstarted.add();
    let (of, was) = (Type::of::<S, C>(), Was::New { waits });
    if const { size_of::<Fut>() > MOST_INLINE } {
        let future: Boxed = Box::pin(future);
        start(session, arrival, future, size, of, was);
    } else {
        start(session, arrival, future, size, of, was);
    }
    is_started
}

/// The same for one that was polled in place, and was not ready.
pub(super) fn go_on<S, C, Fut>(session: &Arc<Session<S>>, arrival: Arrival, future: Pin<Box<Fut>>)
where
    S: Service,
    C: CommandOf<S::Protocol> + Execute<S::Receiver>,
    Fut: Future<Output = Option<Outcome>> + Send + 'static,
{
    let future: Boxed = future;
    start(session, arrival, future, size_of::<Fut>(), Type::of::<S, C>(), Was::Polled);
}

fn start<S, Fut>(session: &Arc<Session<S>>, arrival: Arrival, future: Fut, size: usize, of: Type, was: Was)
where
    S: Service,
    Fut: Future<Output = Option<Outcome>> + Send + 'static,
{
    // Booked before the task is spawned: the next frame of this read may use its seq.
    let booked = Booked::for_task(session, &arrival, of.index, size);
    let (has_come, waits) = match was {
        Was::Polled => (true, None),
        Was::New { waits } => (false, waits),
    };
    let is_timed = waits.is_some();
    if !is_timed {
        session.line.control.tally.started(of.index, 1);
    }
    let (received_at, index) = (arrival.received_at, of.index as u32);
    let life = Life { booked: Some(booked), received_at, index, is_open: !is_timed };
    let task = Alone {
        future: Some(future),
        life,
        waits,
        turn: Turn::default(),
        spent: Spent::default(),
        is_adaptive: of.is_adaptive,
        has_come,
        has_started: has_come,
        only_yielded: true,
        is_kept: false,
    };
    // In the span of the connection, so that what the Command logs says where it came from.
    tokio::spawn(task.in_current_span());
}

/// A Command that its task holds by a pointer. One type for all of them: what a task needs is compiled for each type of futures.
type Boxed = Pin<Box<dyn Future<Output = Option<Outcome>> + Send>>;

/// The size in bytes over which a task holds its Command by a pointer. One allocation is better than two, but the runtime moves
/// what a task holds some ten times.
const MOST_INLINE: usize = 2 << 10;

/// What is to be known of a type of Commands.
struct Type {
    index: usize,
    is_adaptive: bool,
}

impl Type {
    fn of<S, C>() -> Self
    where
        S: Service,
        C: CommandOf<S::Protocol> + Execute<S::Receiver>,
    {
        Self { index: C::INDEX, is_adaptive: C::SCHEDULING == Scheduling::Adaptive }
    }
}

/// What a Command was before it got a task of its own.
enum Was {
    /// Polled in place, and not ready.
    Polled,
    New {
        waits: Waits,
    },
}

/// If the server asks how long a Command waits for its task. Boxed, as most servers do not ask, and each task would keep
/// room for it.
type Waits = Option<Box<(Arrival, Waiting)>>;

pin_project! {
    /// The task of a Command.
    ///
    /// Not an `async` block, which would hold the future twice. When a Command is polled again, its task has long left the
    /// cache: so there is one allocation, and little in it.
    struct Alone<S: Service, Fut> {
        // Until it has ended, or is not to be started. Dropped before the rest: the Command is in flight until its values
        // are gone.
        #[pin]
        future: Option<Fut>,
        life: Life<S>,
        waits: Waits,
        turn: Turn,
        spent: Spent,
        is_adaptive: bool,
        // Whether its task has been polled, and then whether the Command has: one that was not polled waits until there is
        // room in the output.
        has_come: bool,
        has_started: bool,
        // Whether the Command has only let others run so far. If it ends now, it counts as one that ended at once.
        only_yielded: bool,
        is_kept: bool,
    }
}

impl<S: Service, Fut: Future<Output = Option<Outcome>>> Future for Alone<S, Fut> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Also while the destructors of the user's values run.
        let _marked = self.life.booked.as_ref().and_then(|booked| booked.session.line.mark_thread());
        if !self.has_come {
            self.as_mut().come();
        }
        // None if it is not to be started.
        if self.future.is_some() {
            ready!(self.as_mut().poll_future(cx));
        }
        // One that is told to go is in the middle of its work, and holds the user's values.
        contained(|| self.project().future.set(None));
        Poll::Ready(())
    }
}

impl<S: Service, Fut: Future<Output = Option<Outcome>>> Alone<S, Fut> {
    /// Its task is polled for the first time.
    fn come(self: Pin<&mut Self>) {
        let mut this = self.project();
        *this.has_come = true;
        let Some(Booked { session, .. }) = &this.life.booked else { return };
        session.line.starts();
        let Some((arrival, waiting)) = this.waits.take().map(|waits| *waits) else { return };
        if session.starts(&arrival, &waiting) {
            session.line.control.tally.started(this.life.index as usize, 1);
            this.life.is_open = true;
        } else {
            // It has not been polled, and holds the Command.
            contained(|| this.future.set(None));
            // As with any failure, after the Command is gone.
            session.shed(&arrival, How::running());
        }
    }

    fn poll_future(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let (life, spent) = (this.life, this.spent);
        let Some(booked) = &life.booked else { return Poll::Ready(()) };
        let session = &booked.session;
        // Its connection has ended, and the server needs what it takes. It is booked as lost.
        if booked.is_dropped() {
            return Poll::Ready(());
        }
        if !*this.has_started {
            *this.has_started = session.line.poll_start(this.turn, cx).is_ready();
        }
        if !*this.has_started {
            return booked.keep(this.is_kept, Poll::Pending, cx);
        }
        let started = (*this.is_adaptive || spent.is_counted()).then(Instant::now);
        let current = Current::enter(Polling::Alone, cx.waker());
        let may_put_off = put_off::Poll::enter(&session.line);
        let poll = this.future.as_pin_mut().map_or(Poll::Ready(None), |future| future.poll(cx));
        drop(may_put_off);
        let mut ended_at = None;
        if started.is_some() || poll.is_ready() {
            let now = Instant::now();
            if let Some(started) = started {
                let took = (now - started).saturating_sub(current.waking());
                if *this.is_adaptive {
                    let ended_at_first = *this.only_yielded && poll.is_ready();
                    session.service.parts().paces[life.index as usize].polled_alone(took, ended_at_first);
                }
                session.line.unstarted.polled(spent, took);
            }
            ended_at = Some(now);
        }
        *this.only_yielded &= current.yields();
        drop(current);
        let kept = booked.keep(this.is_kept, poll.map(drop), cx);
        if let (Poll::Ready(outcome), Some(now)) = (poll, ended_at) {
            life.end(outcome, now);
        }
        kept
    }
}

/// A Command in flight, whose end is booked once.
struct Life<S: Service> {
    /// As long as it lives.
    booked: Option<Booked<S>>,
    received_at: Instant,
    /// Of its type.
    index: u32,
    /// It has started, and its end is not booked yet.
    is_open: bool,
}

impl<S: Service> Life<S> {
    /// Without an outcome it was handed over, and is booked elsewhere.
    fn end(&mut self, outcome: Option<Outcome>, now: Instant) {
        self.is_open = false;
        if let (Some(outcome), Some(booked)) = (outcome, &self.booked) {
            booked.session.book(self.index as usize, self.received_at, outcome, now);
        }
    }
}

impl<S: Service> Drop for Life<S> {
    fn drop(&mut self) {
        // Its task was dropped before it ended, with the runtime; or it was told to go.
        if self.is_open {
            self.end(Some(Outcome::Lost), Instant::now());
        }
        // It may be the last one that holds what is the application's.
        drop_contained(self.booked.take());
    }
}
