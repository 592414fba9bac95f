//! One connection of a server as the user's code sees it: its peer, and values of the user's own.

use std::any::{Any, TypeId};
use std::fmt;

use crate::connection::bell::Bell;
use crate::error::drop_contained;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use crate::transport::Peer;

/// A connection of a server. It keeps values of the application, at most one of each type, for all its Commands.
///
/// So a client need log in only once. The Command that checks its password, or the Invoker, inserts who the client is;
/// every later Command on this connection finds that. The client must wait for the Reply of the log-in before it sends
/// more, because the server executes Commands concurrently.
///
/// The values are dropped when the connection has ended and the lost-connection callback has returned. From then on there
/// are none, also for Commands that are still running, and whatever is inserted is dropped.
///
/// ```
/// use cmd_stream::server::Connection;
///
/// struct User(String);
///
/// fn log_in(connection: &Connection) {
///     connection.insert(User("alice".into()));
/// }
///
/// fn who(connection: &Connection) -> String {
///     connection.get::<User>().map_or("a stranger".into(), |user| user.0.clone())
/// }
/// ```
pub struct Connection {
    id: u64,
    peer: Peer,
    /// None when the connection has ended.
    values: Mutex<Option<Values>>,
    gone: AtomicBool,
    on_gone: Bell,
}

type Value = Arc<dyn Any + Send + Sync>;
type Values = Vec<(TypeId, Value)>;

impl Connection {
    pub(super) fn new(id: u64, peer: Peer) -> Self {
        Self {
            id,
            peer,
            values: Mutex::new(Some(Vec::new())),
            gone: AtomicBool::new(false),
            on_gone: Bell::default(),
        }
    }

    /// Returns its number. The connections of a server are numbered from 1.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Inserts a value. Returns the previous value of the same type, if there was one.
    pub fn insert<T: Send + Sync + 'static>(&self, value: T) -> Option<Arc<T>> {
        let (id, value) = (TypeId::of::<T>(), Arc::new(value));
        let before = self.change(|values| match values.iter_mut().find(|(other, _)| *other == id) {
            Some((_, there)) => Some(std::mem::replace(there, value)),
            None => {
                values.push((id, value));
                None
            }
        });
        before.flatten().and_then(|before| before.downcast().ok())
    }

    /// Returns the value of type `T`.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.change(|values| find::<T>(values)).flatten()?.downcast().ok()
    }

    /// Returns the value of type `T`. If there is none, inserts the one that the function makes.
    ///
    /// Commands that call it at the same time get the same value, though the function may run for each of them.
    pub fn get_or_insert_with<T: Send + Sync + 'static>(&self, make: impl FnOnce() -> T) -> Arc<T> {
        if let Some(value) = self.get() {
            return value;
        }
        // Made without the lock, as it is the user's code. So another Command may have inserted one by now.
        let made = Arc::new(make());
        let there = self.change(|values| {
            let there = find::<T>(values);
            if there.is_none() {
                values.push((TypeId::of::<T>(), Arc::clone(&made) as Value));
            }
            there
        });
        there.flatten().and_then(|value| value.downcast().ok()).unwrap_or(made)
    }

    /// Removes and returns the value of type `T`.
    pub fn remove<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let id = TypeId::of::<T>();
        let value = self.change(|values| {
            let position = values.iter().position(|(other, _)| *other == id)?;
            Some(values.swap_remove(position).1)
        });
        value.flatten()?.downcast().ok()
    }

    /// Does something with the values, unless the connection has ended. The function must not drop a value: the lock is
    /// held, and destructors are the user's code.
    fn change<T>(&self, change: impl FnOnce(&mut Values) -> T) -> Option<T> {
        self.values().as_mut().map(change)
    }

    fn values(&self) -> MutexGuard<'_, Option<Values>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the values for good. One of them may hold a Command of this very connection, which would keep it for ever.
    pub(super) fn drop_values(&self) {
        // Taken out first: a destructor may ask this connection for another value.
        let values = self.values().take();
        for value in values.into_iter().flatten() {
            drop_contained(value);
        }
    }

    /// Waits until the connection has ended.
    pub(super) async fn closed(&self) {
        // Before the check. Otherwise an end between the two would be missed.
        let listening = self.on_gone.listen();
        if !self.gone.load(Ordering::Acquire) {
            listening.await;
        }
    }

    /// Tells its Commands that it has ended.
    pub(super) fn end(&self) {
        // In this order: whoever is notified, or registers later, finds it gone.
        self.gone.store(true, Ordering::Release);
        self.on_gone.ring();
    }
}

fn find<T: 'static>(values: &Values) -> Option<Value> {
    let id = TypeId::of::<T>();
    values.iter().find(|(other, _)| *other == id).map(|(_, value)| Arc::clone(value))
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.drop_values();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .field("peer", &self.peer)
            .field("values", &self.values().as_ref().map_or(0, Vec::len))
            .finish_non_exhaustive()
    }
}
