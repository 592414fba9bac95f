//! What is told of the members of a group: to the application, and to its strategy.

use std::time::Duration;

use super::dial::Places;
use crate::circuit_breaker::{Changes, State};
use crate::client::{Counters, Link, Links};
use crate::error::Error;
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

    /// Returns why it takes no calls now, or `None` if it does.
    pub fn unavailable(&self) -> Option<Unavailable> {
        Unavailable::of(self.link.clone(), self.is_draining, self.breaker)
    }

    /// Returns how many callers wait for it.
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
    /// Its client has ended for good, and this is why.
    Closed(Error),
}

impl Unavailable {
    fn of(link: Link, is_draining: bool, breaker: Option<State>) -> Option<Self> {
        match link {
            Link::Connecting => Some(Self::Connecting),
            Link::Down { reason, .. } => Some(Self::Down(reason)),
            Link::Closed(reason) => Some(Self::Closed(reason)),
            Link::Up(_) if is_draining => Some(Self::Draining),
            Link::Up(_) => (breaker == Some(State::Open)).then_some(Self::BreakerOpen),
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
}

impl Details {
    pub(super) fn address(&self, member: usize) -> Option<Address> {
        self.places.as_ref()?.slots().address_of(member).cloned()
    }

    pub(super) fn unavailable(
        &self,
        member: usize,
        takes_calls: bool,
        breaker: Option<State>,
    ) -> Option<Unavailable> {
        Unavailable::of(self.links.get(member)?.current(), !takes_calls, breaker)
    }
}
