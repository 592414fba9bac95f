//! The task of a group: it follows the source of endpoints, and replaces the connections whose endpoints are gone, one after
//! the other, so that the other members go on.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::timeout;

use super::Inner;
use super::dial::Places;
use super::endpoints::Endpoints;
use crate::client::{Link, Links};
use crate::error::panic_message;
use crate::protocol::Protocol;
use crate::sync::{Arc, Weak};
use crate::transport::Address;

/// Runs until the group is dropped, or until the source panics.
pub(super) async fn run<P: Protocol, F: Send + Sync + 'static>(
    group: Weak<Inner<P, F>>,
    places: Arc<Places>,
    mut source: impl Endpoints,
) {
    let (mut is_final, mut had_set) = (false, false);
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
                let (replaced, is_first) = {
                    let mut slots = places.slots();
                    let was_known = slots.is_known();
                    (slots.set(set), !was_known && slots.is_known())
                };
                tracing::debug!(connections_to_replace = replaced.len(), "the set of endpoints has changed");
                to_replace.extend(replaced);
                if is_first {
                    connect_now(&group);
                }
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

/// There are endpoints at last: nobody waits for the end of a pause.
fn connect_now<P: Protocol, F>(group: &Weak<Inner<P, F>>) {
    if let Some(inner) = group.upgrade() {
        inner.members.iter().for_each(|member| member.client.retire());
    }
}

/// A connection that is being replaced.
struct Replacing<P: Protocol, F> {
    group: Weak<Inner<P, F>>,
    slot: usize,
    links: Links,
    connected_before: u64,
    most: Duration,
}

impl<P: Protocol, F> Replacing<P, F> {
    /// `None` if there is nothing to wait for.
    fn begin(group: &Weak<Inner<P, F>>, slot: usize) -> Option<Self> {
        let inner = group.upgrade()?;
        let client = &inner.members[slot].client;
        let (limits, links) = (client.limits(), client.links());
        // The attempts of one that has no connection need no watching.
        let was_up = matches!(links.current(), Link::Up(_));
        let connected_before = client.counters().connected;
        let most =
            limits.get_drain().saturating_add(limits.get_connect()).saturating_add(limits.get_handshake());
        client.retire();
        was_up.then(|| Self { group: Weak::clone(group), slot, links, connected_before, most })
    }

    /// Waits until there is another connection, or the first attempt to make one has failed. It can be dropped and called
    /// again.
    async fn done(&mut self) {
        let most = self.most;
        let replaced = async {
            while let Some(link) = self.links.changed().await {
                let Some(inner) = self.group.upgrade() else { return };
                let connected = inner.members[self.slot].client.counters().connected;
                if connected > self.connected_before || matches!(link, Link::Down { .. }) {
                    return;
                }
            }
        };
        let _ = timeout(most, replaced).await;
    }
}

/// Runs the user's code. `None` if it panicked, which is logged.
fn contained<T>(what: &str, run: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => Some(value),
        Err(payload) => {
            let panic = panic_message(&*payload).to_owned();
            std::mem::forget(payload); // its destructor may panic again
            tracing::error!(panic, "{what} panicked: the endpoints of the group do not change any more");
            None
        }
    }
}
