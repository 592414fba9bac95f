//! How a member of a group dials: it asks for its endpoint before each attempt.

use std::future::Future;
use std::io;

use tokio::sync::Notify;

use super::slots::Slots;
use crate::sync::atomic::{AtomicBool, Ordering::Relaxed};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use crate::transport::{Address, Connect};

/// Which endpoint each member has, and who is told when one fails.
pub(super) struct Places {
    slots: Mutex<Slots>,
    /// Told when an attempt or a connection has failed: the set of endpoints may have changed.
    pub(super) failed: Notify,
}

impl Places {
    pub(super) fn new(slots: Slots) -> Self {
        Self { slots: Mutex::new(slots), failed: Notify::new() }
    }

    pub(super) fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The transport of one member.
pub(super) struct Dial<M> {
    pub(super) places: Arc<Places>,
    pub(super) slot: usize,
    /// Makes the transport to an endpoint.
    pub(super) make: Arc<M>,
    /// Its connection has not failed.
    pub(super) works: AtomicBool,
}

impl<T, M> Connect for Dial<M>
where
    T: Connect,
    M: Fn(&Address) -> T + Send + Sync + 'static,
{
    type Outgoing = T::Outgoing;

    fn connect(&self) -> impl Future<Output = io::Result<T::Outgoing>> + Send {
        let endpoint = self.places.slots().endpoint_for(self.slot);
        async move {
            let Some(endpoint) = endpoint else {
                return Err(io::Error::new(io::ErrorKind::NotFound, "no endpoint is known yet"));
            };
            // Without the lock: it is the user's code.
            let transport = (self.make)(&endpoint);
            let outgoing = transport.connect().await?;
            self.places.slots().connected(self.slot);
            self.works.store(true, Relaxed);
            Ok(outgoing)
        }
    }

    fn address(&self) -> String {
        let mut slots = self.places.slots();
        if self.works.swap(false, Relaxed) {
            slots.aged(self.slot); // the connection is replaced though it works
        }
        match slots.endpoint_for(self.slot) {
            Some(endpoint) => endpoint.to_string(),
            None => "an endpoint that is not known yet".into(),
        }
    }

    fn failed(&self) {
        self.works.store(false, Relaxed);
        self.places.slots().failed(self.slot);
        self.places.failed.notify_one();
    }
}
