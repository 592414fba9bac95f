//! Asks the servers of a group whether they serve, by the Command [`Health`]. A member whose server does not is passed over as
//! long as there are others.
//!
//! Each member has a task. It holds what the calls of the client share, but not the client, so it keeps nothing open. At most
//! one probe of a member is out: one that is not answered is not given up, as its late answer says that the server is back.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::dial::Places;
use crate::client::call::Call;
use crate::client::{self, Client, Link, Links, Shared};
use crate::error::{CallError, Error, ErrorKind, Origin};
use crate::format::{Encode, Format};
use crate::health::{Health, HealthReply};
use crate::proto::backoff::{SplitMix64, seed};
use crate::proto::never::{FOR_EVER, after};
use crate::protocol::{ClientProtocol, CommandOf, Protocol};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How members are probed. It can be made only for a Protocol that lists `Health`; after that nobody has to know.
pub(crate) struct Probing<P: Protocol, F> {
    every: Duration,
    spawn: fn(Prober<P, F>) -> AbortHandle,
}

impl<P, F> Probing<P, F>
where
    P: ClientProtocol<F>,
    F: Format + Encode<Health>,
    Health: CommandOf<P>,
{
    pub(crate) fn new(every: Duration) -> Self {
        let every = every.clamp(SHORTEST, FOR_EVER);
        Self { every, spawn: |prober| tokio::spawn(prober.run()).abort_handle() }
    }
}

impl<P: Protocol, F> Probing<P, F> {
    /// Probes a member until its client ends, or the task is aborted.
    pub(super) fn begin(
        &self,
        member: usize,
        client: &Client<P, F>,
        places: &Arc<Places>,
    ) -> (Arc<Findings>, AbortHandle) {
        let findings = Arc::new(Findings::default());
        let prober = Prober {
            member,
            every: self.every,
            shared: client.share(),
            links: client.links(),
            health: Arc::clone(client.health()),
            places: Arc::clone(places),
            findings: Arc::clone(&findings),
            failures: 0,
        };
        (findings, (self.spawn)(prober))
    }
}

impl<P: Protocol, F> fmt::Debug for Probing<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.every.fmt(f)
    }
}

/// How many probes of a member of a [`Group`](super::Group) ended how; from [`Member::probes`](super::Member::probes). All
/// numbers only grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Probes {
    /// The server said that it serves.
    pub serving: u64,
    /// The server said that it does not serve, or that it is about to end.
    pub not_serving: u64,
    /// The server did not answer in time, or answered with the failure of the Protocol, or the connection was lost before it
    /// answered. A server that is silent is counted each time that it should have been probed again.
    pub failed: u64,
}

/// What the probes of a member have found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    trouble: Mutex<Option<Trouble>>,
    /// A probe is in the table of the client, which counts it as a caller.
    is_out: AtomicBool,
    /// Probes that were given to a connection.
    sent: AtomicU64,
    serving: AtomicU64,
    not_serving: AtomicU64,
    failed: AtomicU64,
}

/// Why a member is passed over.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    Said(HealthReply),
    Failed(Error),
}

impl Findings {
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.lock().clone()
    }

    /// How many callers of the client are probes.
    pub(super) fn in_flight(&self) -> usize {
        usize::from(self.is_out.load(Relaxed))
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    pub(super) fn probes(&self) -> Probes {
        let [serving, not_serving, failed] =
            [&self.serving, &self.not_serving, &self.failed].map(|number| number.load(Relaxed));
        Probes { serving, not_serving, failed }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Trouble>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task of one member.
struct Prober<P: Protocol, F> {
    member: usize,
    every: Duration,
    shared: Arc<Shared<P, F>>,
    links: Links,
    health: Arc<client::health::Health>,
    places: Arc<Places>,
    findings: Arc<Findings>,
    /// Probes that have failed since the last one that was answered.
    failures: u32,
}

impl<P, F> Prober<P, F>
where
    P: ClientProtocol<F>,
    F: Format + Encode<Health>,
    Health: CommandOf<P>,
{
    /// Runs until the client has ended for good.
    async fn run(mut self) {
        let mut random = SplitMix64(seed());
        // As it is now. What comes later is a change.
        if self.links.changed().await.is_none() {
            return;
        }
        loop {
            let began = Instant::now();
            if self.health.is_connected() {
                self.probe(began).await;
            }
            let next = began + jittered(self.every, random.next());
            loop {
                match timeout_at(next, self.links.changed()).await {
                    Err(_) => break,
                    Ok(Some(Link::Up(_))) => break, // another server may be at the other end
                    Ok(Some(_)) => {}
                    Ok(None) => return,
                }
            }
        }
    }

    /// One probe, until it is answered, or cannot be any more.
    async fn probe(&mut self, began: Instant) {
        let (shared, findings) = (Arc::clone(&self.shared), Arc::clone(&self.findings));
        let _out = Out(&findings);
        let mut call = Call::of(&shared, Health {}).timeout(Duration::MAX);
        let mut was_sent = false;
        let mut due = began;
        loop {
            due = after(due, self.every);
            let answer = poll_fn(|cx| {
                let answer = Pin::new(&mut call).poll(cx);
                let is_sent = call.is_sent();
                if is_sent && !was_sent {
                    was_sent = true;
                    findings.sent.fetch_add(1, Relaxed);
                }
                findings.is_out.store(is_sent && answer.is_pending(), Relaxed);
                answer
            });
            match timeout_at(due, answer).await {
                Ok(Ok(reply)) => return self.said(reply),
                Ok(Err(CallError::Failed(failure))) => {
                    return self.failed(CallError::Failed(failure).into());
                }
                // The connection is lost. Perhaps by the probe: then this happens on the next one, too.
                Ok(Err(CallError::Other(reason))) if reason.was_sent() => return self.failed(reason),
                // It was lost before, or is being replaced. That says nothing of the next one.
                Ok(Err(CallError::Other(reason))) => {
                    return tracing::debug!(member = self.member, %reason, "a probe was not sent");
                }
                Err(_) if !self.health.is_connected() => return, // it is being replaced, and waits for nobody
                Err(_) => {
                    let message = format!("no answer to a probe within {:?}", self.every);
                    self.failed(Error::new(ErrorKind::Timeout, Origin::Remote, message));
                }
            }
        }
    }

    fn said(&mut self, reply: HealthReply) {
        self.failures = 0;
        let reply = reply.shortened(); // it is kept, and logged
        if reply.is_serving() {
            self.findings.serving.fetch_add(1, Relaxed);
            self.finds(None);
        } else {
            self.findings.not_serving.fetch_add(1, Relaxed);
            self.finds(Some(Trouble::Said(reply)));
        }
    }

    fn failed(&mut self, error: Error) {
        self.failures = self.failures.saturating_add(1);
        self.findings.failed.fetch_add(1, Relaxed);
        if self.failures >= FAILURES {
            self.finds(Some(Trouble::Failed(error)));
        }
    }

    /// Passes the member over for this reason, or not any more. A change is logged.
    fn finds(&self, trouble: Option<Trouble>) {
        let passes = trouble.is_some();
        let _before = std::mem::replace(&mut *self.findings.lock(), trouble.clone()); // dropped without the lock
        if !self.health.pass_over(passes) {
            return;
        }
        let address = self.places.slots().address_of(self.member).cloned();
        let (member, endpoint) = (self.member, address.as_ref().map(tracing::field::display));
        match trouble {
            Some(reason) => tracing::info!(member, endpoint, %reason, "a member is passed over"),
            None => tracing::info!(member, endpoint, "a member is not passed over any more: it serves"),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(reply) => write!(f, "its server says that it is {reply}"),
            Self::Failed(error) => write!(f, "its probes fail: {error:#}"),
        }
    }
}

/// Ends the counting of a probe as a caller, also when its task is aborted.
struct Out<'a>(&'a Findings);

impl Drop for Out<'_> {
    fn drop(&mut self) {
        self.0.is_out.store(false, Relaxed);
    }
}

/// This time, up to a tenth more or less. Many processes that have started at the same time do not probe at the same time for
/// long.
fn jittered(every: Duration, random: u64) -> Duration {
    let share = (random >> 32) as f64 / f64::from(u32::MAX);
    every.mul_f64(0.9 + share / 5.0)
}

/// The shortest time between two probes. Whoever wants to know sooner does not probe.
const SHORTEST: Duration = Duration::from_millis(10);
/// So many probes in a row have to fail. One may be lost to a moment's pause of the server.
const FAILURES: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_between_probes_varies_by_a_tenth() {
        let second = Duration::from_secs(1);
        let [least, most] = [0, u64::MAX].map(|random| jittered(second, random));
        assert_eq!((least, most), (second * 9 / 10, second * 11 / 10));
        let _no_panic = jittered(FOR_EVER, u64::MAX);
    }
}
