//! Attempts to connect to several servers, if the first one takes long: as in RFC 8305 ("Happy Eyeballs"), but to the end of the
//! greeting, since a server may accept connections and say nothing.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::dial::{Accepted, Dialed, dial};
use super::limits::Limits;
use super::route::{Route, Target, address_of};
use crate::error::{Error, ErrorKind, Origin};
use crate::sync::Arc;
use crate::transport::{Connect, Establish};

type IoOf<T> = <<T as Connect>::Outgoing as Establish>::Io;

/// A connection to one of several servers.
pub(super) struct Won<R: Route> {
    pub(super) target: R::Target,
    pub(super) dialed: Dialed<IoOf<R::Transport>>,
}

/// The attempts that belong to one.
pub(super) struct Race<'a, R: Route> {
    pub(super) route: &'a R,
    pub(super) limits: &'a Limits,
    pub(super) accepted: &'a Accepted,
    /// How many of them have failed.
    pub(super) failed: u64,
}

impl<R: Route> Race<'_, R> {
    /// Connects to this server, which has this address. While it does not answer, others are tried beside it. The first one that greets wins.
    /// Dropping it drops all attempts.
    ///
    /// # Errors
    ///
    /// Why the last one of them failed, if all did.
    pub(super) async fn run(&mut self, first: R::Target, address: String) -> Result<Won<R>, Error> {
        let (limits, accepted) = (self.limits, self.accepted);
        let attempt = |target: &R::Target, address: String| {
            let transport = Arc::clone(target.transport());
            Box::pin(async move { dial(&*transport, &address, limits, accepted).await })
        };
        let mut running = vec![(0, attempt(&first, address))];
        let mut tried = vec![first];
        let mut next = Some(Instant::now() + DELAY);
        loop {
            let ended = match next {
                Some(next) => timeout_at(next, first_of(&mut running)).await.ok(),
                None => Some(first_of(&mut running).await),
            };
            if let Some((place, result)) = ended {
                let (number, _) = running.swap_remove(place);
                let reason = match result {
                    Ok(dialed) if self.route.connected(&tried[number]) => {
                        return Ok(Won { target: tried.swap_remove(number), dialed });
                    }
                    Ok(_) => Error::new(ErrorKind::Closed, Origin::System, "the endpoint is gone"),
                    Err(reason) => {
                        self.failed += 1;
                        self.route.failed(&tried[number]);
                        reason
                    }
                };
                if running.is_empty() {
                    return Err(reason);
                }
                tracing::debug!(%reason, "one of several attempts to connect failed");
            }
            let another = if tried.len() < MOST_SERVERS { self.route.beside(&tried) } else { None };
            next = another.is_some().then(|| Instant::now() + DELAY);
            if let Some(target) = another {
                let address = address_of(|| target.transport().address());
                running.push((tried.len(), attempt(&target, address)));
                tried.push(target);
            }
        }
    }
}

/// Waits until one of them ends. Returns its place. Cancel safe.
async fn first_of<F: Future>(running: &mut [(usize, Pin<Box<F>>)]) -> (usize, F::Output) {
    poll_fn(|cx| {
        for (place, (_, attempt)) in running.iter_mut().enumerate() {
            if let Poll::Ready(output) = attempt.as_mut().poll(cx) {
                return Poll::Ready((place, output));
            }
        }
        Poll::Pending
    })
    .await
}

/// How long an attempt has to itself, as among the addresses of a name (RFC 8305, section 8).
const DELAY: Duration = Duration::from_millis(250);

/// If none answers, the last one starts after 3.75 s, within the default time to connect.
const MOST_SERVERS: usize = 16;
