//! What is told of the members of a group: to the application, and to its strategy.

use std::time::Duration;

use super::dial::Places;
use super::probe::{Findings, Probes, Trouble};
use crate::circuit_breaker::{Changes, State};
use crate::client::{Counters, Link, Links};
use crate::error::Error;
use crate::health::HealthReply;
use crate::sync::Arc;
use crate::transport::Address;

/// What is known of one of the clients of a [`Group`](super::Group), as it was when it was asked for.
#[derive(Clone, Debug)]
pub struct Member {
    pub(super) number: usize,
    pub(super) address: Option<Address>,
    pub(super) link: Link,
    pub(super) is_draining: bool,
    pub(super) in_flight: usize,
    pub(super) latency: Option<Duration>,
    pub(super) breaker: Option<State>,
    pub(super) changes: Option<Changes>,
    pub(super) counters: Counters,
    pub(super) trouble: Option<Trouble>,
    pub(super) probes: Option<Probes>,
}

impl Member {
    /// Returns its number, counted from 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Returns the endpoint of its connection. If it has none, the endpoint of its last attempt to connect, or of the first
    /// one that is to come.
    ///
    /// `None` if no endpoint is known yet, and in a Sender that was made of a [`Client`](crate::Client).
    pub fn address(&self) -> Option<&Address> {
        self.address.as_ref()
    }

    /// Returns the state of its connection.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Returns why it takes no calls now, or `None` if it does. One whose server [does not serve](Unavailable::NotServing) takes
    /// calls all the same if no other member does.
    pub fn unavailable(&self) -> Option<Unavailable> {
        Unavailable::of(self.link.clone(), self.is_draining, self.breaker, self.trouble.clone())
    }

    /// Returns whether it takes calls only if no other member does, because of what its [probes](crate::sender::Builder::probe)
    /// have found. [`unavailable`](Self::unavailable) says what that is, unless there is a greater obstacle.
    pub fn is_passed_over(&self) -> bool {
        self.trouble.is_some()
    }

    /// Returns how its [probes](crate::sender::Builder::probe) ended, if it is probed.
    pub fn probes(&self) -> Option<Probes> {
        self.probes
    }

    /// Returns how many callers wait for it. A probe is none.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Returns an average of how long its Replies took lately. One call in 64 is measured. `None` if none was yet.
    pub fn latency(&self) -> Option<Duration> {
        self.latency
    }

    /// Returns the state of its circuit breaker, if it has one.
    pub fn breaker(&self) -> Option<State> {
        self.breaker
    }

    /// Returns how often its circuit breaker has changed its state, if it has one.
    pub fn breaker_changes(&self) -> Option<Changes> {
        self.changes
    }

    /// Returns what its client has counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

/// Why a member of a group takes no calls.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Unavailable {
    /// It connects: for the first time, or again.
    Connecting,
    /// Its connection was lost, or its last attempt to connect has failed. This is why.
    Down(Error),
    /// Its connection is about to be replaced, because of its age or because its endpoint is gone. The server still answers
    /// what it has.
    Draining,
    /// Its circuit breaker is open.
    BreakerOpen,
    /// Its server said to the last [probe](crate::sender::Builder::probe) that it does not serve, or is about to end.
    NotServing(HealthReply),
    /// Its server has left two [probes](crate::sender::Builder::probe) in a row without an answer, or has answered them with
    /// the failure of the Protocol. This is why the last one failed.
    ProbesFail(Error),
    /// Its client has ended for good, and this is why.
    Closed(Error),
}

impl Unavailable {
    fn of(link: Link, is_draining: bool, breaker: Option<State>, trouble: Option<Trouble>) -> Option<Self> {
        match link {
            Link::Connecting => Some(Self::Connecting),
            Link::Down { reason, .. } => Some(Self::Down(reason)),
            Link::Closed(reason) => Some(Self::Closed(reason)),
            Link::Up(_) if is_draining => Some(Self::Draining),
            Link::Up(_) if breaker == Some(State::Open) => Some(Self::BreakerOpen),
            Link::Up(_) => trouble.map(|trouble| match trouble {
                Trouble::Said(reply) => Self::NotServing(reply),
                Trouble::Failed(error) => Self::ProbesFail(error),
            }),
        }
    }
}

impl std::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Down(reason) => write!(f, "down: {reason:#}"),
            Self::Draining => f.write_str("its connection is being replaced"),
            Self::BreakerOpen => f.write_str("its circuit breaker is open"),
            Self::NotServing(reply) => write!(f, "its server says that it is {reply}"),
            Self::ProbesFail(error) => write!(f, "its probes fail: {error:#}"),
            Self::Closed(reason) => write!(f, "closed: {reason:#}"),
        }
    }
}

/// The circuit breaker of a member of a group has changed; see
/// [`sender::Builder::on_breaker_change`](crate::sender::Builder::on_breaker_change).
#[derive(Clone, Debug)]
pub struct BreakerChange {
    pub(super) member: usize,
    pub(super) address: Option<Address>,
    pub(super) state: State,
}

impl BreakerChange {
    /// Returns the number of the member, counted from 0.
    pub fn member(&self) -> usize {
        self.member
    }

    /// Returns the endpoint of the member; see [`Member::address`].
    pub fn address(&self) -> Option<&Address> {
        self.address.as_ref()
    }

    /// Returns the state after the change.
    pub fn state(&self) -> State {
        self.state
    }
}

/// The callback for changes of the breakers.
pub(crate) type OnBreakerChange = Arc<dyn Fn(&BreakerChange) + Send + Sync>;

/// What is seldom asked for. Nothing of it is looked at to choose a member, unless a strategy asks.
pub(super) struct Details {
    /// `None` in a group that was made of a client.
    pub(super) places: Option<Arc<Places>>,
    /// Of the members, in their order.
    pub(super) links: Box<[Links]>,
    /// Of the members, in their order; empty without probes.
    pub(super) findings: Box<[Arc<Findings>]>,
}

impl Details {
    pub(super) fn address(&self, member: usize) -> Option<Address> {
        self.places.as_ref()?.slots().address_of(member).cloned()
    }

    pub(super) fn unavailable(
        &self,
        member: usize,
        is_connected: bool,
        breaker: Option<State>,
    ) -> Option<Unavailable> {
        Unavailable::of(self.links.get(member)?.current(), !is_connected, breaker, self.trouble(member))
    }

    pub(super) fn trouble(&self, member: usize) -> Option<Trouble> {
        self.findings.get(member)?.trouble()
    }

    /// How many callers of the client of a member are probes.
    pub(super) fn probes_in_flight(&self, member: usize) -> usize {
        self.findings.get(member).map_or(0, |findings| findings.in_flight())
    }
}
