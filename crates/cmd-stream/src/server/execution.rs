//! A Command's way through the Invoker to the Receiver, its failures and panics contained; in place where it was decoded,
//! or in a task of its own.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;

use tokio::time::Instant;
use tracing::Instrument;

use super::boxes::Boxes;
use super::execute::{Execute, Scheduling};
use super::extensions::Extensions;
use super::gate::Turn;
use super::invoker::{Ended, Invoker};
use super::line::{Arrival, How, Line};
use super::polling::{Current, Polling};
use super::running::{Arrived, Held, Inline, Running};
use super::service::Service;
use super::session::{Booked, Session};
use super::shedding::Waiting;
use super::unstarted::Spent;
use crate::error::drop_contained;
use crate::protocol::{CommandOf, Failed};
use crate::stats::Outcome;
use crate::sync::Arc;

/// Starts a Command: polls it in place or in a task of its own, as its type deserves. Returns false if it waits for that
/// task, which counts it when it starts; see [`Shedder`](super::shedding::Shedder).
pub(super) fn start<S, C>(session: &Arc<Session<S>>, boxes: &mut Boxes, arrival: Arrival, command: C) -> bool
where
    S: Service,
    C: CommandOf<S::Protocol> + Execute<S::Receiver>,
{
    // Each future on the way to the Receiver holds the Command, and keeps room for it when it has handed it on.
    if const { size_of::<C>() > MOST_INLINE } {
        start_held::<S, C, _>(session, boxes, arrival, Box::new(command))
    } else {
        start_held::<S, C, _>(session, boxes, arrival, Inline(command))
    }
}

/// The size of a Command in bytes over which it is held by a pointer.
const MOST_INLINE: usize = 1 << 10;

#[inline]
fn start_held<S, C, H>(session: &Arc<Session<S>>, boxes: &mut Boxes, arrival: Arrival, command: H) -> bool
where
    S: Service,
    C: CommandOf<S::Protocol> + Execute<S::Receiver>,
    H: Held<C>,
{
    let in_place = match C::SCHEDULING {
        Scheduling::Adaptive => session.service.parts().paces[C::INDEX].is_quick(),
        Scheduling::InPlace => true,
        Scheduling::Spawned => false,
    };
    let future = || execute(Arc::clone(session), arrival, command);
    if !in_place {
        let shedder = session.line.control.shedder.as_ref();
        let waits = shedder.map(|shedder| Box::new((arrival, shedder.waits(arrival.received_at))));
        let is_started = waits.is_none();
        go_on_alone::<S, C>(session, arrival, Box::pin(Some(future())), waits.map_or(Was::New, Was::Timed));
        return is_started;
    } else if let Some(future) = boxes.poll(C::INDEX, future) {
        go_on_alone::<S, C>(session, arrival, future, Was::Polled);
    }
    true
}

/// Runs a Command to its end, whatever that is. Returns how it has ended; nothing if it was handed over, and goes on.
async fn execute<S, C, H>(session: Arc<Session<S>>, arrival: Arrival, command: H) -> Option<Outcome>
where
    S: Service,
    C: CommandOf<S::Protocol> + Execute<S::Receiver>,
    H: Held<C>,
{
    let running = Running::new::<C>(&session, arrival);
    let mut extensions = Extensions::default();
    let result = {
        let mut run = pin!(async {
            let arrived = Arrived::new(&running, command, &mut extensions);
            session.service.parts().invoker.invoke(arrived).await
        });
        poll_fn(|cx| {
            // `run` contains the panics of the Command, and those of its destructors. Without an Invoker of the user's there
            // is nothing else to contain.
            if S::Invoker::IS_DIRECT {
                return run.as_mut().poll(cx);
            }
            match catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx))) {
                Ok(poll) => poll,
                Err(payload) => Poll::Ready(Err(Failed::panic(payload))),
            }
        })
        .await
    };
    // The extensions are the Invoker's, and so are their destructors.
    let result = if extensions.is_empty() {
        result
    } else {
        let dropped = extensions.drop_values().map_err(Failed::panic);
        result.and_then(|ended| dropped.map(|()| ended))
    };
    // The Invoker's future is gone here, and with it the Command. The failure is sent after that.
    match result {
        // An Invoker may say so of a Command that it has not run.
        Ok(ended) if S::Invoker::IS_DIRECT => outcome(ended),
        Ok(_) => match running.ended() {
            Some(ended) => outcome(ended),
            None => running.fail(Failed::no_last_reply()),
        },
        Err(failed) => running.fail(failed),
    }
}

/// How a Command has ended that did not fail; nothing if it goes on.
fn outcome(ended: Ended) -> Option<Outcome> {
    match ended {
        Ended::Replied | Ended::Unanswered => Some(Outcome::Replied),
        Ended::HandedOver => None,
    }
}

/// What a Command was before it got a task of its own. One that was not polled waits there until there is room in the output.
enum Was {
    /// Polled in place, and not ready.
    Polled,
    New,
    /// New, and the server asks how long it waits for its task. Boxed, as most servers do not ask, and each task would keep
    /// room for it.
    Timed(Box<(Arrival, Waiting)>),
}

impl Was {
    /// Books a Command that gets a task.
    fn book(&self, line: &Line, index: usize) {
        if !matches!(self, Self::Polled) {
            line.unstarted.add();
        }
        if !matches!(self, Self::Timed(_)) {
            line.control.tally.started(index, 1);
        }
    }
}

/// Gives a Command a task of its own.
fn go_on_alone<S, C>(
    session: &Arc<Session<S>>,
    arrival: Arrival,
    mut future: Pin<Box<Option<impl Future<Output = Option<Outcome>> + Send + 'static>>>,
    was: Was,
) where
    S: Service,
    C: CommandOf<S::Protocol> + Execute<S::Receiver>,
{
    // Booked before the task is spawned: the next frame of this read may use its seq.
    let booked = Booked::new(session, &arrival, C::INDEX, size_of_val(&*future));
    was.book(&session.line, C::INDEX);
    let received_at = arrival.received_at;
    let task = async move {
        let mut has_started = matches!(was, Was::Polled);
        if !has_started {
            booked.session.line.starts();
        }
        if let Was::Timed(waits) = was {
            let (arrival, waiting) = *waits;
            if !booked.session.starts(&arrival, &waiting) {
                // It has not been polled, and holds the Command.
                drop_contained(future);
                // As with any failure, after the Command is gone.
                booked.session.shed(&arrival, How::running());
                return;
            }
            booked.session.line.control.tally.started(C::INDEX, 1);
        }
        let mut ends = Ends { session: &booked.session, index: C::INDEX, received_at, is_booked: false };
        let pace = &booked.session.service.parts().paces[C::INDEX];
        // Whether the Command has only let others run so far. If it ends now, it counts as one that ended at once.
        let mut first = true;
        let mut turn = Turn::default();
        let mut spent = Spent::default();
        let mut is_kept = false;
        poll_fn(|cx| {
            // Its connection has ended, and the server needs what it takes. It is booked as lost.
            if booked.is_dropped() {
                return Poll::Ready(());
            }
            if !has_started {
                has_started = booked.session.line.poll_start(&mut turn, cx).is_ready();
            }
            if !has_started {
                return booked.keep(&mut is_kept, Poll::Pending, cx);
            }
            let is_adaptive = C::SCHEDULING == Scheduling::Adaptive;
            let started = (is_adaptive || spent.is_counted()).then(Instant::now);
            let current = Current::enter(Polling::Alone, cx.waker());
            let future = future.as_mut().as_pin_mut().expect("a box that is given away holds a future");
            let poll = future.poll(cx);
            if started.is_some() || poll.is_ready() {
                let now = Instant::now();
                if let Some(started) = started {
                    let took = (now - started).saturating_sub(current.waking());
                    if is_adaptive {
                        pace.polled_alone(took, first && poll.is_ready());
                    }
                    booked.session.line.unstarted.polled(&mut spent, took);
                }
                if let Poll::Ready(outcome) = poll {
                    ends.book(outcome, now);
                }
            }
            first &= current.yields();
            drop(current);
            booked.keep(&mut is_kept, poll.map(drop), cx)
        })
        .await;
        // The Command is in flight until its values are gone.
        drop(future);
        drop(ends);
        // It may be the last one that holds what is the application's.
        drop_contained(booked);
    };
    // In the span of the connection, so that what the Command logs says where it came from.
    tokio::spawn(task.in_current_span());
}

/// The end of a Command with a task of its own, which is booked once.
struct Ends<'a, S: Service> {
    session: &'a Session<S>,
    index: usize,
    received_at: Instant,
    is_booked: bool,
}

impl<S: Service> Ends<'_, S> {
    /// Without an outcome it was handed over, and is booked elsewhere.
    fn book(&mut self, outcome: Option<Outcome>, now: Instant) {
        self.is_booked = true;
        if let Some(outcome) = outcome {
            self.session.book(self.index, self.received_at, outcome, now);
        }
    }
}

impl<S: Service> Drop for Ends<'_, S> {
    fn drop(&mut self) {
        // Its task was dropped before it ended, with the runtime.
        if !self.is_booked {
            self.book(Some(Outcome::Lost), Instant::now());
        }
    }
}

#[cfg(all(test, feature = "mus"))]
mod tests {
    use super::{
        Arc, Arrival, CommandOf, Execute, Failed, Held, Invoker, MOST_INLINE, Service, Session, execute,
    };
    use crate::server::invoker::{Direct, Ended, Invocation, Stack};
    use crate::server::service::Parts;
    use crate::{Answer, Mus, protocol};

    const KIB: usize = 1 << 10;

    #[derive(mus_format::Mus)]
    struct Large([u8; 64 * KIB]);
    #[derive(mus_format::Mus)]
    struct Sum(u64);
    struct Adder;

    impl Answer<Adder> for Large {
        async fn answer(self, _: &Adder, _: &crate::Context<'_>) -> Result<Sum, Failed> {
            Ok(Sum(self.0.iter().map(|&byte| u64::from(byte)).sum()))
        }
    }

    protocol! {
        struct Adding {
            commands { 1 => Large -> Sum }
            replies { 1 => Sum }
            failure close_connection
        }
    }

    /// Only runs the Command, as many do that look at it first.
    struct Looks;

    impl Invoker<Adding> for Looks {
        async fn invoke(&self, invocation: impl Invocation<Adding>) -> Result<Ended, Failed> {
            invocation.run().await
        }
    }

    /// The size of the future of a Command that is held so.
    fn size<S, C, H>() -> usize
    where
        S: Service,
        C: CommandOf<S::Protocol> + Execute<S::Receiver>,
        H: Held<C>,
    {
        fn of<S: Service, H, Fut>(_: impl Fn(Arc<Session<S>>, Arrival, H) -> Fut) -> usize {
            size_of::<Fut>()
        }
        of(execute::<S, C, H>)
    }

    #[test]
    fn a_large_command_is_not_held_by_each_future_on_its_way() {
        type Served<I> = Parts<Adding, Mus, Adder, I>;
        const { assert!(size_of::<Large>() > MOST_INLINE) };
        let most = 3 * size_of::<Large>();
        let sizes = [
            size::<Served<Direct>, Large, Box<Large>>(),
            size::<Served<Looks>, Large, Box<Large>>(),
            size::<Served<Stack<Looks, Stack<Looks, Looks>>>, Large, Box<Large>>(),
        ];
        assert!(sizes.iter().all(|&size| size <= most), "{sizes:?}");
    }
}
