//! How a member of a group dials: it asks for its endpoint before each attempt.

use std::io;
use std::pin::pin;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::slots::Slots;
use crate::client::route::{Route, Target, tell_failed};
use crate::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use crate::transport::{Address, Connect};

/// Which endpoint each member has, and who is told when one fails.
pub(super) struct Places {
    slots: Mutex<Slots>,
    /// Told when an attempt or a connection has failed: the set of endpoints may have changed.
    pub(super) failed: Notify,
    /// Told when there are endpoints at last.
    known: Notify,
}

impl Places {
    pub(super) fn new(slots: Slots) -> Self {
        Self { slots: Mutex::new(slots), failed: Notify::new(), known: Notify::new() }
    }

    pub(super) fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the set of endpoints. Returns the members to replace.
    pub(super) fn set(&self, endpoints: Vec<Address>) -> Vec<usize> {
        let replaced = self.slots().set(endpoints);
        self.known.notify_waiters();
        replaced
    }

    /// Waits until a member has an endpoint.
    async fn endpoint_for(&self, slot: usize) -> Address {
        loop {
            let mut known = pin!(self.known.notified());
            known.as_mut().enable(); // before the look, or a change between the two would be missed
            let endpoint = self.slots().endpoint_for(slot);
            match endpoint {
                Some(endpoint) => return endpoint,
                None => known.await,
            }
        }
    }
}

/// The endpoints of one member.
pub(super) struct Dial<T, M> {
    places: Arc<Places>,
    slot: usize,
    make: Arc<M>,
    /// Where it has dialled last.
    last: Mutex<Option<Arc<Transport<T, M>>>>,
}

/// The transport to one endpoint. It is the user's, and is made when it is needed.
pub(super) struct Transport<T, M> {
    endpoint: Address,
    make: Arc<M>,
    made: OnceLock<T>,
}

/// An endpoint that is dialled.
pub(super) struct Attempt<T, M> {
    transport: Arc<Transport<T, M>>,
    /// Of one beside another.
    held: Mutex<Option<Held>>,
}

/// An endpoint that a member tries, which has another one. No other member tries it meanwhile.
struct Held {
    places: Arc<Places>,
    endpoint: Address,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.places.slots().let_go(&self.endpoint);
    }
}

impl<T, M> Dial<T, M> {
    pub(super) fn new(places: Arc<Places>, slot: usize, make: Arc<M>) -> Self {
        Self { places, slot, make, last: Mutex::new(None) }
    }

    fn last(&self) -> MutexGuard<'_, Option<Arc<Transport<T, M>>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The transport to an endpoint: that of the last attempt, if it was the same.
    fn transport(&self, endpoint: Address) -> Arc<Transport<T, M>> {
        let last = self.last().clone().filter(|last| last.endpoint == endpoint);
        last.unwrap_or_else(|| {
            let (make, made) = (Arc::clone(&self.make), OnceLock::new());
            Arc::new(Transport { endpoint, make, made })
        })
    }

    fn keep(&self, transport: &Arc<Transport<T, M>>) {
        let _before = self.last().replace(Arc::clone(transport)); // it is the user's, and is dropped without the lock
    }
}

impl<T, M> Connect for Transport<T, M>
where
    T: Connect,
    M: Fn(&Address) -> T + Send + Sync + 'static,
{
    type Outgoing = T::Outgoing;

    async fn connect(&self) -> io::Result<T::Outgoing> {
        self.made.get_or_init(|| (self.make)(&self.endpoint)).connect().await
    }

    fn address(&self) -> String {
        self.endpoint.to_string()
    }

    fn failed(&self) {
        if let Some(transport) = self.made.get() {
            transport.failed();
        }
    }
}

impl<T, M> Target for Attempt<T, M>
where
    T: Connect,
    M: Fn(&Address) -> T + Send + Sync + 'static,
{
    type Transport = Transport<T, M>;

    fn transport(&self) -> &Arc<Transport<T, M>> {
        &self.transport
    }
}

impl<T, M> Route for Dial<T, M>
where
    T: Connect,
    M: Fn(&Address) -> T + Send + Sync + 'static,
{
    type Transport = Transport<T, M>;
    type Target = Attempt<T, M>;

    async fn next(&self) -> Attempt<T, M> {
        let transport = self.transport(self.places.endpoint_for(self.slot).await);
        self.keep(&transport);
        Attempt { transport, held: Mutex::new(None) }
    }

    fn beside(&self, tried: &[Attempt<T, M>]) -> Option<Attempt<T, M>> {
        let is_new = |endpoint: &Address| tried.iter().all(|attempt| attempt.transport.endpoint != *endpoint);
        let endpoint = self.places.slots().hold(self.slot, is_new)?;
        let held = Held { places: Arc::clone(&self.places), endpoint: endpoint.clone() };
        Some(Attempt { transport: self.transport(endpoint), held: Mutex::new(Some(held)) })
    }

    fn connected(&self, attempt: &Attempt<T, M>) -> bool {
        let held = attempt.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        let endpoint = &attempt.transport.endpoint;
        if held.is_some() && !self.places.slots().move_to(self.slot, endpoint) {
            return false;
        }
        self.places.slots().connected(self.slot, endpoint);
        self.keep(&attempt.transport);
        true
    }

    fn failed(&self, attempt: &Attempt<T, M>) {
        tell_failed(&*attempt.transport);
        self.places.slots().failed(self.slot, &attempt.transport.endpoint, Instant::now());
        self.places.failed.notify_one();
    }

    fn replaced(&self) {
        self.places.slots().aged(self.slot, Instant::now());
    }

    fn address(&self) -> String {
        let endpoint = self.places.slots().next_of(self.slot).cloned();
        endpoint.map_or_else(|| "an endpoint that is not known yet".into(), |endpoint| endpoint.to_string())
    }

    fn is_known(&self) -> bool {
        self.places.slots().is_known()
    }
}
