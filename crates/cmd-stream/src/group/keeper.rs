//! The task of a group: it follows the source of endpoints, and replaces the connections whose endpoints are gone, one after
//! the other, so that the other members go on. The last one that takes calls goes on until another one does.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use super::Inner;
use super::dial::Places;
use super::endpoints::Endpoints;
use crate::client::health::Told;
use crate::client::{Client, Link, Links};
use crate::error::take_message;
use crate::protocol::Protocol;
use crate::sync::{Arc, Weak};
use crate::transport::Address;

/// Runs until the group is dropped. `is_final`: the source is not asked any more.
pub(super) async fn run<P: Protocol, F: Send + Sync + 'static>(
    group: Weak<Inner<P, F>>,
    places: Arc<Places>,
    mut source: impl Endpoints,
    mut is_final: bool,
) {
    let mut had_set = false;
    let mut to_replace = VecDeque::new();
    let mut replacing: Option<Replacing<P, F>> = None;
    loop {
        while replacing.is_none()
            && let Some(slot) = to_replace.pop_front()
        {
            replacing = Replacing::begin(&group, slot);
        }
        if std::mem::take(&mut had_set) {
            yield_now().await; // a source that always has another set must not keep the thread
        }
        let Some(event) = event(&mut source, is_final, &places, replacing.as_mut()).await else {
            is_final = true; // what it said last stays, and is still carried out
            continue;
        };
        match event {
            Event::Set(Some(set)) => {
                let replaced = places.set(set);
                tracing::debug!(connections_to_replace = replaced.len(), "the set of endpoints has changed");
                // Those that have no connection need not wait for their turn.
                to_replace.extend(replaced.into_iter().filter(|slot| !connects_now(&group, *slot)));
                had_set = true;
            }
            Event::Set(None) => is_final = true,
            Event::Failed if is_final => {}
            Event::Failed => match contained("`Endpoints::refresh`", || source.refresh()) {
                Some(()) => {}
                None => is_final = true,
            },
            Event::Replaced => replacing = None,
        }
    }
}

enum Event {
    /// Another set, or none any more.
    Set(Option<Vec<Address>>),
    /// An attempt has failed, or a connection was lost.
    Failed,
    /// A connection is replaced.
    Replaced,
}

/// `None` if the source has panicked.
async fn event<P: Protocol, F: Send + Sync + 'static>(
    source: &mut impl Endpoints,
    is_final: bool,
    places: &Places,
    mut replacing: Option<&mut Replacing<P, F>>,
) -> Option<Event> {
    let mut next = pin!(async { source.next().await });
    let mut failed = pin!(places.failed.notified());
    let mut replaced = pin!(async {
        match &mut replacing {
            Some(replacing) => replacing.done().await,
            None => std::future::pending().await,
        }
    });
    poll_fn(|cx| {
        if replaced.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Event::Replaced));
        }
        if failed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Event::Failed));
        }
        if is_final {
            return Poll::Pending;
        }
        // The source is the user's.
        match contained("`Endpoints::next`", || next.as_mut().poll(cx)) {
            Some(Poll::Ready(set)) => Poll::Ready(Some(Event::Set(set))),
            Some(Poll::Pending) => Poll::Pending,
            None => Poll::Ready(None),
        }
    })
    .await
}

/// A member that has no connection makes its next attempt at once. Returns false if it has one.
fn connects_now<P: Protocol, F>(group: &Weak<Inner<P, F>>, slot: usize) -> bool {
    group.upgrade().is_some_and(|inner| {
        let client = &inner.members[slot].client;
        let is_down = !matches!(client.link(), Link::Up(_));
        is_down && client.retire_unless_last()
    })
}

/// A connection that is being replaced.
struct Replacing<P: Protocol, F> {
    group: Weak<Inner<P, F>>,
    told: Arc<Told>,
    slot: usize,
    links: Links,
    connected_before: u64,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    /// It is the last one that takes calls. It is replaced all the same at this instant.
    IsLast(Option<Instant>),
    /// It is replaced, and this is when nobody waits for the next connection any more.
    Retires(Option<Instant>),
}

impl<P: Protocol, F> Replacing<P, F> {
    /// `None` if there is nothing to wait for.
    fn begin(group: &Weak<Inner<P, F>>, slot: usize) -> Option<Self> {
        let inner = group.upgrade()?;
        let client = &inner.members[slot].client;
        let links = client.links();
        // The attempts of one that has no connection need no watching.
        let was_up = matches!(links.current(), Link::Up(_));
        let connected_before = client.counters().connected;
        let stage = if client.retire_unless_last() {
            Self::retires(client)
        } else {
            Stage::IsLast(Instant::now().checked_add(client.limits().get_drain()))
        };
        let told = Arc::clone(&inner.told);
        was_up.then(|| Self { group: Weak::clone(group), told, slot, links, connected_before, stage })
    }

    fn retires(client: &Client<P, F>) -> Stage {
        let limits = client.limits();
        let most = limits.get_drain().saturating_mul(2); // one alone takes as long
        let most = most.saturating_add(limits.get_connect()).saturating_add(limits.get_handshake());
        Stage::Retires(Instant::now().checked_add(most))
    }

    /// Waits until there is another connection, or the first attempt to make one has failed. It can be dropped and called
    /// again.
    async fn done(&mut self) {
        while let Stage::IsLast(until) = self.stage {
            // Before the look, or a change between the two would be missed.
            let available = self.told.available.listen();
            {
                let Some(inner) = self.group.upgrade() else { return };
                let client = &inner.members[self.slot].client;
                if client.counters().connected > self.connected_before {
                    return; // it was lost meanwhile
                }
                let is_over = until.is_some_and(|until| until <= Instant::now());
                if is_over {
                    client.retire();
                }
                if is_over || client.retire_unless_last() {
                    self.stage = Self::retires(client);
                    continue;
                }
            }
            at_most(until, available).await;
        }
        let Stage::Retires(until) = self.stage else { return };
        let replaced = async {
            while let Some(link) = self.links.changed().await {
                let Some(inner) = self.group.upgrade() else { return };
                let connected = inner.members[self.slot].client.counters().connected;
                if connected > self.connected_before || matches!(link, Link::Down { .. }) {
                    return;
                }
            }
        };
        at_most(until, replaced).await;
    }
}

/// Waits for something, at most until this instant.
async fn at_most(until: Option<Instant>, something: impl Future<Output = ()>) {
    match until {
        Some(until) => drop(timeout_at(until, something).await),
        None => something.await,
    }
}

/// Runs the user's code. `None` if it panicked, which is logged.
fn contained<T>(what: &str, run: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => Some(value),
        Err(payload) => {
            let panic = take_message(payload);
            tracing::error!(panic, "{what} panicked: the endpoints of the group do not change any more");
            None
        }
    }
}
