//! A Command's way through the Invoker to the Receiver, its failures and panics contained; in place where it was decoded,
//! or in a task of its own.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Instant;

use tracing::Instrument;

use super::boxes::Boxes;
use super::execute::{Execute, Scheduling};
use super::extensions::Extensions;
use super::invoker::Invoker;
use super::line::{Arrival, How};
use super::polling::{Current, Polling};
use super::running::{Arrived, Running};
use super::service::Service;
use super::session::{Booked, Session};
use super::shedding::Waiting;
use crate::protocol::{CommandOf, Failed};
use crate::sync::Arc;

/// Starts a Command: polls it in place or in a task of its own, as its type deserves. Returns false if it waits for that
/// task, which counts it when it starts; see [`Shedder`](super::shedding::Shedder).
pub(super) fn start<S, C>(session: &Arc<Session<S>>, boxes: &mut Boxes, arrival: Arrival, command: C) -> bool
where
    S: Service,
    C: CommandOf<S::Protocol> + Execute<S::Receiver>,
{
    let in_place = match C::SCHEDULING {
        Scheduling::Adaptive => session.service.parts().paces[C::INDEX].is_quick(),
        Scheduling::InPlace => true,
        Scheduling::Spawned => false,
    };
    let future = || execute(Arc::clone(session), arrival, command);
    if !in_place {
        // Boxed, as most servers do not ask, and each task would keep room for it.
        let waits = session
            .line
            .control
            .shedder
            .as_ref()
            .map(|shedder| Box::new((arrival, shedder.waits(arrival.received_at))));
        let is_started = waits.is_none();
        go_on_alone::<S, C>(session, arrival, Box::pin(Some(future())), waits);
        return is_started;
    } else if let Some(future) = boxes.poll(C::INDEX, future) {
        go_on_alone::<S, C>(session, arrival, future, None);
    }
    true
}

/// Runs a Command to its end, whatever that is.
async fn execute<S, C>(session: Arc<Session<S>>, arrival: Arrival, command: C)
where
    S: Service,
    C: CommandOf<S::Protocol> + Execute<S::Receiver>,
{
    let running = Running::new::<C>(&session, arrival);
    let mut extensions = Extensions::default();
    let result = {
        let mut run = pin!(async {
            let arrived = Arrived { running: &running, command, extensions: &mut extensions };
            session.service.parts().invoker.invoke(arrived).await
        });
        poll_fn(|cx| {
            // `run` contains the panics of the Command. Without an Invoker of the user's there is nothing else to contain.
            if S::Invoker::IS_DIRECT {
                return run.as_mut().poll(cx);
            }
            match catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx))) {
                Ok(poll) => poll,
                Err(payload) => Poll::Ready(Err(Failed::panic(&*payload))),
            }
        })
        .await
    };
    // The Invoker's future is gone here, and with it the Command. The failure is sent after that.
    match result {
        // An Invoker may say so of a Command that it has not run.
        Ok(_) if S::Invoker::IS_DIRECT || running.ended().is_some() => {}
        Ok(_) => running.fail(Failed::no_last_reply()),
        Err(failed) => running.fail(failed),
    }
}

/// Gives a Command a task of its own. If the server asks how long it waits to be started, `waits` is what is known of it.
fn go_on_alone<S, C>(
    session: &Arc<Session<S>>,
    arrival: Arrival,
    mut future: Pin<Box<Option<impl Future<Output = ()> + Send + 'static>>>,
    waits: Option<Box<(Arrival, Waiting)>>,
) where
    S: Service,
    C: CommandOf<S::Protocol> + Execute<S::Receiver>,
{
    // Booked before the task is spawned: the next frame of this read may use its seq.
    let booked = Booked::new(session, &arrival);
    let task = async move {
        if let Some(waits) = waits
            && let (arrival, waiting) = *waits
            && !booked.session.starts(&arrival, &waiting)
        {
            drop(future);
            // As with any failure, after the Command is gone.
            booked.session.shed(&arrival, How::running());
            return;
        }
        let pace = &booked.session.service.parts().paces[C::INDEX];
        // Whether the Command has only let others run so far. If it ends now, it counts as one that ended at once.
        let mut first = true;
        poll_fn(|cx| {
            let started = (C::SCHEDULING == Scheduling::Adaptive).then(Instant::now);
            let current = Current::enter(Polling::Alone);
            let future = future.as_mut().as_pin_mut().expect("a box that is given away holds a future");
            let poll = future.poll(cx);
            if let Some(started) = started {
                pace.polled_alone(started.elapsed(), first && poll.is_ready());
            }
            first &= current.yields();
            // What was put off is done when the time was taken.
            drop(current);
            poll
        })
        .await;
        // The Command is in flight until its values are gone.
        drop(future);
        drop(booked);
    };
    // In the span of the connection, so that what the Command logs says where it came from.
    tokio::spawn(task.in_current_span());
}
