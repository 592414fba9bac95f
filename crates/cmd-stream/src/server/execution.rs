//! A Command's way through the Invoker to the Receiver, its failures and panics contained; in place where it was decoded,
//! or in a task of its own.

use std::future::Future;
use std::pin::pin;

use super::alone;
use super::boxes::Boxes;
use super::execute::{Execute, Scheduling};
use super::extensions::Extensions;
use super::invoker::{Ended, Invoker, Starting};
use super::line::Arrival;
use super::running::{Arrived, Held, Inline, Running};
use super::service::Service;
use super::session::Session;
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
        return alone::spawn::<S, C, _>(session, arrival, future());
    }
    if let Some(future) = boxes.poll(C::INDEX, future) {
        alone::go_on::<S, C, _>(session, arrival, future);
    }
    true
}

/// Runs a Command to its end, whatever that is. Returns how it has ended; nothing if it was handed over, and goes on.
///
/// Not an `async fn`: that would hold what it only lends, and its arguments, twice.
fn execute<S, C, H>(
    session: Arc<Session<S>>,
    arrival: Arrival,
    command: H,
) -> impl Future<Output = Option<Outcome>> + Send + 'static
where
    S: Service,
    C: CommandOf<S::Protocol> + Execute<S::Receiver>,
    H: Held<C>,
{
    let running = Running::new::<C>(session, arrival);
    async move {
        let mut extensions = Extensions::default();
        let arrived = Arrived::new(&running, command, &mut extensions);
        let invoker = running.invoker();
        // `run` contains the panics of the Command, and those of its destructors. Without an Invoker of the user's there is
        // nothing else to contain.
        let result = if S::Invoker::IS_DIRECT {
            invoker.invoke(arrived).await
        } else {
            // Pinned where it is made, and not moved to where it is awaited.
            pin!(Starting::new(|| invoker.invoke(arrived))).await
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
}

/// How a Command has ended that did not fail; nothing if it goes on.
fn outcome(ended: Ended) -> Option<Outcome> {
    match ended {
        Ended::Replied | Ended::Unanswered => Some(Outcome::Replied),
        Ended::HandedOver => None,
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
