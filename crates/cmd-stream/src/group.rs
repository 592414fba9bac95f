//! Several clients over one or many servers, behind one [`Sender`](crate::Sender).
//!
//! A group has a fixed number of clients, its members. [`endpoints`] says where they connect to, and a [`Strategy`] which of
//! them takes the next call. A member that has no connection, or whose circuit breaker is open, or whose server says that it does
//! not serve, is passed over until it is back. A call that was not sent moves to another member.
//!
//! [`sender::Builder`](crate::sender::Builder) makes the group. `docs/GROUPS.md` explains the choices.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use crate::circuit_breaker::{CircuitBreaker, OpenError, Ticket};
use crate::client::health::{Health, Told};
use crate::client::{Client, Counters, Link, Links};
use crate::error::{Error, ErrorKind, Origin};
use crate::format::Format;
use crate::proto::backoff::seed;
use crate::protocol::{ClientProtocol, Protocol};
use crate::sync::Arc;
use crate::transport::{Address, Connect};

mod dial;
pub mod endpoints;
mod keeper;
mod member;
mod probe;
mod slots;
mod strategy;

#[doc(inline)]
pub use endpoints::Endpoints;
pub use member::{BreakerChange, Member, Unavailable};
pub use probe::Probes;
pub(crate) use probe::Probing;
pub use strategy::{LeastInFlight, Members, PowerOfTwoChoices, RoundRobin, Strategy};
pub(crate) use strategy::{fewer_in_flight_of_two, much_fewer_in_flight};

use dial::{Dial, Places};
use member::Details;
pub(crate) use member::OnBreakerChange;
use slots::Slots;

/// The clients of a [`Sender`](crate::Sender), and what is known of them. Made by [`Sender::group`](crate::Sender::group).
///
/// ```
/// # use cmd_stream::{Json, Sender, protocol};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)] struct Add { a: i64, b: i64 }
/// # #[derive(Serialize, Deserialize)] struct Sum(i64);
/// # protocol! { struct Calculator { commands { 0 => Add -> Sum } replies { 0 => Sum } failure close_connection } }
/// # fn example(sender: Sender<Calculator, Json>) {
/// for member in sender.group().members() {
///     println!("{}: {}, {} in flight", member.number(), member.link(), member.in_flight());
///     if let (Some(address), Some(why)) = (member.address(), member.unavailable()) {
///         println!("{address} takes no calls: {why}");
///     }
/// }
/// # }
/// ```
pub struct Group<P: Protocol, F> {
    inner: Arc<Inner<P, F>>,
}

struct Inner<P: Protocol, F> {
    members: Box<[Slot<P, F>]>,
    /// Of the members, in their order.
    healths: Box<[Arc<Health>]>,
    /// Of the members, in their order; empty without.
    breakers: Box<[CircuitBreaker]>,
    /// `None` is the default one.
    strategy: Option<Box<dyn Strategy>>,
    told: Arc<Told>,
    details: Details,
    /// How long calls wait when no member is available.
    wait: Duration,
    /// The task that follows the endpoints, and those that probe the members.
    keeper: Option<AbortHandle>,
    probers: Box<[AbortHandle]>,
}

struct Slot<P: Protocol, F> {
    client: Client<P, F>,
}

impl<P: Protocol, F> Drop for Inner<P, F> {
    fn drop(&mut self) {
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
        self.probers.iter().for_each(AbortHandle::abort);
    }
}

/// What a group is made of.
pub(crate) struct Settings<P: Protocol, F> {
    pub(crate) client: crate::client::Builder<P, F>,
    pub(crate) clients: usize,
    pub(crate) strategy: Option<Box<dyn Strategy>>,
    pub(crate) breaker: Option<crate::circuit_breaker::Settings>,
    pub(crate) on_breaker_change: Option<OnBreakerChange>,
    pub(crate) probing: Option<Probing<P, F>>,
}

impl<P, F> Group<P, F>
where
    P: ClientProtocol<F>,
    F: Format,
{
    /// Starts the clients. `first` is the first set of the source, if it is known already. `is_final`: the source is not
    /// asked any more.
    pub(crate) fn start<T: Connect>(
        settings: Settings<P, F>,
        first: Option<Vec<Address>>,
        (source, is_final): (impl Endpoints, bool),
        make: impl Fn(&Address) -> T + Send + Sync + 'static,
    ) -> Self {
        let Settings { client, clients, strategy, breaker, on_breaker_change, probing } = settings;
        let (told, make) = (Arc::new(Told::default()), Arc::new(make));
        let mut slots = Slots::new(clients, seed());
        if let Some(first) = first {
            slots.set(first);
            (0..clients).for_each(|slot| drop(slots.endpoint_for(slot)));
        }
        let places = Arc::new(Places::new(slots));
        let wait = client.get_limits().get_connection_wait();
        let mut healths = Vec::new();
        let members = (0..clients).map(|slot| {
            let dial = Dial::new(Arc::clone(&places), slot, Arc::clone(&make));
            let health = Arc::new(Health::telling(Arc::clone(&told)));
            healths.push(Arc::clone(&health));
            // One alone keeps what it cannot send, for its next connection. Of several, each hands it back.
            let hands_back = clients > 1;
            let wait = if hands_back { Duration::ZERO } else { wait };
            let limits = client.get_limits().clone().connection_wait(wait);
            let client = client.clone().limits(limits).member(health, hands_back);
            Slot { client: client.connect_lazy_on(dial) }
        });
        let members: Box<[_]> = members.collect();
        let breakers =
            breaker.map(|settings| breakers(&settings, clients, (&places, &told), on_breaker_change));
        let links = members.iter().map(|member| member.client.links()).collect();
        let probed = members.iter().enumerate().filter_map(|(member, slot)| {
            Some(probing.as_ref()?.begin(member, &slot.client, &places)) // none without
        });
        let (findings, probers): (Vec<_>, Vec<_>) = probed.unzip();
        let inner = Arc::new_cyclic(|group| {
            let keeper = keeper::run(group.clone(), Arc::clone(&places), source, is_final);
            Inner {
                members,
                healths: healths.into(),
                breakers: breakers.unwrap_or_default(),
                strategy,
                told,
                details: Details { places: Some(places), links, findings: findings.into() },
                wait,
                keeper: Some(tokio::spawn(keeper).abort_handle()),
                probers: probers.into(),
            }
        });
        Self { inner }
    }

    /// Waits until so many members have a connection.
    ///
    /// # Errors
    ///
    /// The first attempts of too many have failed: why one of them did.
    pub(crate) async fn ready(&self, minimum: usize, endpoints: usize) -> Result<(), Error> {
        let members = &self.inner.members;
        let minimum = minimum.clamp(1, members.len());
        // With fewer members than endpoints, one that fails goes on to another endpoint.
        let tries = if endpoints > members.len() { endpoints as u64 } else { 1 };
        loop {
            // Before the look, or a change between the two would be missed.
            let attempted = self.inner.told.attempted.listen();
            let (mut up, mut possible, mut reason) = (0, 0, None);
            for member in members {
                match member.client.link() {
                    Link::Up(_) => {
                        up += 1;
                        possible += 1;
                        continue;
                    }
                    Link::Closed(why) => {
                        reason = Some(why);
                        continue; // it never will
                    }
                    Link::Down { reason: why, .. } => reason = Some(why),
                    Link::Connecting => {}
                }
                let Counters { attempts_failed, lost, .. } = member.client.counters();
                possible += usize::from(attempts_failed + lost < tries);
            }
            if up >= minimum {
                return Ok(());
            }
            if possible < minimum
                && let Some(reason) = reason
            {
                return Err(reason);
            }
            attempted.await;
        }
    }
}

/// A breaker for each member. Its changes are logged, and told with the member.
fn breakers(
    settings: &crate::circuit_breaker::Settings,
    clients: usize,
    (places, told): (&Arc<Places>, &Arc<Told>),
    on_change: Option<OnBreakerChange>,
) -> Box<[CircuitBreaker]> {
    let breaker = |member| {
        let (places, told, on_change) = (Arc::clone(places), Arc::clone(told), on_change.clone());
        let settings = settings.clone().watched(move |state| {
            let address = places.slots().address_of(member).cloned();
            let endpoint = address.as_ref().map(tracing::field::display);
            tracing::info!(member, endpoint, %state, "the circuit breaker of a member has changed");
            if let Some(on_change) = &on_change {
                on_change(&BreakerChange { member, address, state });
            }
        });
        // Calls may wait for it.
        CircuitBreaker::telling(settings, move || told.available.ring())
    };
    (0..clients).map(breaker).collect()
}

/// A member that takes a call, and what its breaker is to be told.
pub(crate) struct Picked {
    pub(crate) member: usize,
    pub(crate) ticket: Ticket,
}

impl<P: Protocol, F> Group<P, F> {
    /// A group of this client alone, which keeps its own settings.
    pub(crate) fn of(client: Client<P, F>) -> Self {
        let healths = Box::new([Arc::clone(client.health())]);
        let links = Box::new([client.links()]);
        let details = Details { places: None, links, findings: Box::default() };
        let inner = Arc::new(Inner {
            members: Box::new([Slot { client }]),
            healths,
            breakers: Box::default(),
            strategy: None,
            told: Arc::default(),
            details,
            wait: Duration::ZERO,
            keeper: None,
            probers: Box::default(),
        });
        Self { inner }
    }

    #[inline]
    pub(crate) fn client(&self, member: usize) -> &Client<P, F> {
        &self.inner.members[member].client
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.inner.members.len()
    }

    /// Whether there is neither a strategy nor a breaker to ask. One member alone waits for its connection itself.
    pub(crate) fn picks_simply(&self) -> bool {
        let Inner { healths, breakers, strategy, .. } = &*self.inner;
        breakers.is_empty() && (strategy.is_none() || healths.len() == 1)
    }

    /// Of the members, in their order.
    pub(crate) fn healths(&self) -> Box<[Arc<Health>]> {
        self.inner.healths.clone()
    }

    /// Chooses the member that takes a call: not the one to avoid, if there is another, and one whose server does not serve only
    /// if there is no other. `None` if no member is available.
    ///
    /// # Errors
    ///
    /// The strategy has panicked.
    #[cold]
    pub(crate) fn pick(&self, avoid: Option<usize>) -> Result<Option<Picked>, Error> {
        let picked = self.pick_of(Members { avoid, ..self.seen() })?;
        if picked.is_some() || !self.inner.healths.iter().any(|health| health.is_passed_over()) {
            return Ok(picked);
        }
        self.pick_of(Members { avoid, takes_any: true, ..self.seen() })
    }

    #[inline]
    fn pick_of(&self, mut members: Members<'_>) -> Result<Option<Picked>, Error> {
        let Inner { breakers, healths, .. } = &*self.inner;
        let avoid = members.avoid;
        let mut picked = None;
        if let Some(failed) = avoid {
            // Another server, if there is one, or else another connection to the same.
            members.avoid_server = Some(healths[failed].server());
            picked = self.ask(&members)?;
            members.avoid_server = None;
            if picked.is_none() {
                picked = self.ask(&members)?;
            }
            members.avoid = None;
        }
        if picked.is_none() {
            picked = self.ask(&members)?;
        }
        let Some(member) = picked else { return Ok(None) };
        if breakers.is_empty() {
            return Ok(Some(Picked { member, ticket: Ticket::NONE }));
        }
        if let Some(ticket) = breakers[member].admit() {
            return Ok(Some(Picked { member, ticket }));
        }
        // Half-open, a breaker lets only a few calls through.
        let others = members.available_from(member + 1).filter(|&other| other != member);
        let admitted = |member| Some(Picked { member, ticket: breakers[member].admit()? });
        Ok(others.into_iter().find_map(admitted))
    }

    fn seen(&self) -> Members<'_> {
        let Inner { healths, breakers, details, .. } = &*self.inner;
        Members {
            healths,
            breakers,
            details: Some(details),
            avoid: None,
            avoid_server: None,
            takes_any: false,
        }
    }

    /// Asks the strategy. If it does not choose one of those that are available, another one is.
    #[inline]
    fn ask(&self, members: &Members<'_>) -> Result<Option<usize>, Error> {
        if members.len() == 1 {
            return Ok(members.is_closed_or_trying(0).then_some(0));
        }
        // It may be the user's, and may panic.
        let strategy = self.inner.strategy.as_deref().unwrap_or(&PowerOfTwoChoices);
        let picked = catch_unwind(AssertUnwindSafe(|| strategy.pick(members)))
            .map_err(|payload| Error::panic("the strategy of the group", payload))?;
        Ok(match picked {
            Some(member) if members.is_available(member) => Some(member),
            _ => members.available_from(0).next(),
        })
    }

    /// A measured call of a member has had its Reply.
    pub(crate) fn took(&self, member: usize, time: Duration) {
        self.inner.healths[member].took(time);
    }

    /// Tells the breaker of a member how a call ended.
    pub(crate) fn ended(&self, member: usize, ticket: &mut Ticket, error: Option<&Error>) {
        match error {
            None => self.inner.breakers[member].succeeded(ticket),
            Some(error) => self.inner.breakers[member].failed(ticket, error),
        }
    }

    /// Until when a call waits for a member, when none is available. `waits_since` says since when it does, if all of those
    /// that have a connection refuse it.
    pub(crate) fn wait_until(&self, waits_since: &mut Option<Instant>) -> Option<Instant> {
        let since = match self.inner.told.none_since() {
            Some(since) => since,
            None => *waits_since.get_or_insert_with(Instant::now),
        };
        since.checked_add(self.inner.wait)
    }

    /// Whether a member has a connection that takes calls.
    pub(crate) fn is_connected(&self, member: usize) -> bool {
        self.inner.healths[member].is_connected()
    }

    /// Whether a member is available that is connected to another server.
    pub(crate) fn has_elsewhere(&self, than: usize) -> bool {
        let server = self.inner.healths[than].server();
        let members = Members { avoid: Some(than), avoid_server: Some(server), ..self.seen() };
        (0..self.len()).any(|member| members.is_available(member))
    }

    /// How many Commands its members have sent, without probes.
    pub(crate) fn sent(&self) -> u64 {
        let Inner { healths, details, .. } = &*self.inner;
        let probes: u64 = details.findings.iter().map(|findings| findings.sent()).sum();
        healths.iter().map(|health| health.sent()).sum::<u64>().saturating_sub(probes)
    }

    /// How many callers wait for a member. A probe is none.
    pub(crate) fn in_flight(&self, member: usize) -> usize {
        let probes = self.inner.details.probes_in_flight(member);
        self.client(member).in_flight().saturating_sub(probes)
    }

    /// Waits until a member is available, at most until then.
    pub(crate) async fn available(self, until: Option<Instant>) {
        let Inner { healths, breakers, told, .. } = &*self.inner;
        loop {
            // Before the look, or a change between the two would be missed.
            let available = told.available.listen();
            // All that a breaker does is told, but that it has been open for long enough.
            let mut wake = until;
            for (member, health) in healths.iter().enumerate() {
                if !health.is_connected() {
                    continue;
                }
                let Some(breaker) = breakers.get(member) else { return };
                let (lets_through, open_until) = breaker.outlook();
                if lets_through {
                    return;
                }
                wake = [wake, open_until].into_iter().flatten().min();
            }
            if self.has_ended() || until.is_some_and(|until| until <= Instant::now()) {
                return;
            }
            match wake {
                Some(wake) => drop(timeout_at(wake, available).await),
                None => available.await,
            }
        }
    }

    /// Whether no member will ever be available again.
    pub(crate) fn has_ended(&self) -> bool {
        self.inner.members.iter().all(|member| matches!(member.client.link(), Link::Closed(_)))
    }

    /// Why no member is available.
    pub(crate) fn unavailable(&self) -> Error {
        if self.inner.healths.iter().any(|health| health.is_connected()) {
            let message = "no member of the group takes the call";
            return Error::with_source(ErrorKind::Refused, Origin::System, message, OpenError);
        }
        let mut reason = None;
        for member in &self.inner.members {
            match member.client.link() {
                Link::Down { reason: why, .. } | Link::Closed(why) => reason = Some(why),
                // Of one that is up, the connection is being replaced.
                Link::Connecting | Link::Up(_) => {}
            }
        }
        let waited = self.inner.wait;
        let mut message = "no member of the group has a connection".to_owned();
        if self.inner.details.places.as_ref().is_some_and(|places| !places.slots().is_known()) {
            message += ": no endpoint is known yet";
        }
        if !waited.is_zero() && !self.has_ended() {
            message += &format!(" after {waited:?} (`Limits::connection_wait`)");
        }
        match reason {
            Some(reason) => Error::with_source(reason.kind(), reason.origin(), message, reason),
            None => Error::new(ErrorKind::Timeout, Origin::System, message),
        }
    }

    /// No member is probed any more.
    pub(crate) fn stop_probes(&self) {
        self.inner.probers.iter().for_each(AbortHandle::abort);
    }

    pub(crate) fn close(&self) {
        if let Some(keeper) = &self.inner.keeper {
            keeper.abort(); // nobody connects any more
        }
        self.stop_probes();
        for member in &self.inner.members {
            member.client.close();
        }
    }

    /// Returns what is known of the members, in the order of their numbers.
    pub fn members(&self) -> impl ExactSizeIterator<Item = Member> + '_ {
        self.inner.members.iter().enumerate().map(|(number, slot)| Member {
            number,
            address: self.inner.details.address(number),
            link: slot.client.link(),
            is_draining: slot.client.is_draining(),
            in_flight: self.in_flight(number),
            latency: self.inner.healths[number].latency(),
            breaker: self.inner.breakers.get(number).map(CircuitBreaker::state),
            changes: self.inner.breakers.get(number).map(CircuitBreaker::changes),
            counters: slot.client.counters(),
            trouble: self.inner.details.trouble(number),
            probes: self.inner.details.findings.get(number).map(|findings| findings.probes()),
        })
    }

    /// Watches the connection of a member. Returns `None` if there is no such member.
    pub fn links(&self, member: usize) -> Option<Links> {
        Some(self.inner.members.get(member)?.client.links())
    }
}

impl<P: Protocol, F> Clone for Group<P, F> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<P: Protocol, F> fmt::Debug for Group<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.members()).finish()
    }
}
