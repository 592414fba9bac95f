//! Whether a client has a connection: read with [`Client::link`](crate::Client::link), watched with [`Links`].

use std::fmt;

use tokio::time::Instant;

use crate::connection::bell::Bell;
use crate::error::Error;
use crate::sync::{Arc, Mutex, PoisonError};
use crate::transport::Peer;

/// The state of a client's connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Link {
    /// An attempt to connect is being made: the first one, or another one.
    Connecting,
    /// The client is connected to this server.
    Up(Peer),
    /// The connection was lost, or an attempt to connect has failed.
    #[non_exhaustive]
    Down {
        /// Why.
        reason: Error,
        /// When the next attempt begins.
        next_attempt: Instant,
    },
    /// The client has ended for good, and this is why. Every call fails.
    Closed(Error),
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Up(peer) => write!(f, "connected to {peer}"),
            Self::Down { reason, .. } => write!(f, "down: {reason:#}"),
            Self::Closed(reason) => write!(f, "closed: {reason:#}"),
        }
    }
}

/// The state, and those who watch it.
pub(super) struct LinkCell {
    /// With the number of the changes before it.
    state: Mutex<(u64, Link)>,
    changed: Bell,
}

impl LinkCell {
    pub(super) fn new(link: Link) -> Self {
        Self { state: Mutex::new((0, link)), changed: Bell::default() }
    }

    fn current(&self) -> (u64, Link) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn link(&self) -> Link {
        self.current().1
    }

    /// Sets the state. It may be called under the lock of the table, so nobody is told yet, and what it was is returned:
    /// an error may hold something of the user's, whose destructor must not run under a lock.
    #[must_use = "what it was is dropped without a lock, and then those who watch are told"]
    pub(super) fn set(&self, link: Link) -> Link {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        std::mem::replace(&mut state.1, link)
    }

    /// Tells those who watch, after [`set`](Self::set).
    pub(super) fn tell(&self) {
        self.changed.ring();
    }

    /// Waits until there have been more changes than `seen`.
    async fn after(&self, seen: u64) -> (u64, Link) {
        loop {
            // Before the look, or a change between the two would be missed.
            let listening = self.changed.listen();
            let (changes, link) = self.current();
            if changes > seen {
                return (changes, link);
            }
            listening.await;
        }
    }

    /// Waits until the client has ended for good, and returns the reason.
    pub(super) async fn closed(&self) -> Error {
        let (mut seen, mut link) = self.current();
        loop {
            if let Link::Closed(reason) = link {
                return reason;
            }
            (seen, link) = self.after(seen).await;
        }
    }
}

/// Watches the connection of a client. Made by [`Client::links`](crate::Client::links).
///
/// It does not keep the client open.
///
/// ```
/// use cmd_stream::client::{Link, Links};
///
/// async fn log(mut links: Links) {
///     while let Some(link) = links.changed().await {
///         println!("{link}"); // "down: the server closed the connection", "connecting", "connected to 10.0.0.7:9000"
///     }
/// }
/// # let _ = log;
/// ```
pub struct Links {
    cell: Arc<LinkCell>,
    /// `None` until the first look.
    seen: Option<u64>,
}

impl Links {
    pub(super) fn new(cell: Arc<LinkCell>) -> Self {
        Self { cell, seen: None }
    }

    /// Returns the state as it is now.
    pub fn current(&self) -> Link {
        self.cell.link()
    }

    /// Waits until the state differs from what it returned last. The first call returns the state at once. After
    /// [`Link::Closed`] it returns `None`.
    ///
    /// States that follow each other quickly may be skipped, but not the last one.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped early, no state is lost.
    pub async fn changed(&mut self) -> Option<Link> {
        let (changes, link) = match self.seen {
            None => self.cell.current(),
            // Nothing follows it.
            Some(_) if matches!(self.cell.current(), (changes, Link::Closed(_)) if Some(changes) == self.seen) =>
            {
                return None;
            }
            Some(seen) => self.cell.after(seen).await,
        };
        self.seen = Some(changes);
        Some(link)
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("current", &self.current()).finish_non_exhaustive()
    }
}
