//! Connections inside one process, for tests, and for a client and a server in the same program.

use std::io;

use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use super::{Accept, Connect, Peer};
use crate::sync::{Arc, Mutex, PoisonError};

/// Creates a connector, and the listener that it connects to.
///
/// ```
/// use cmd_stream::transport::memory;
///
/// let (connector, listener) = memory::pair();
/// # let _ = (connector, listener);
/// ```
pub fn pair() -> (Connector, Listener) {
    let (to_listener, from_connectors) = mpsc::channel(BACKLOG);
    (Connector { to_listener: Arc::new(Mutex::new(to_listener)) }, Listener { from_connectors })
}

/// Connects to its [`Listener`]. Clones have the same one.
#[derive(Clone, Debug)]
pub struct Connector {
    to_listener: Arc<Mutex<mpsc::Sender<DuplexStream>>>,
}

impl Connector {
    /// Creates another listener, which takes the place of the one before. So a test can end a server and start it again, while
    /// clients use the same connector. Connections that exist are not disturbed.
    ///
    /// ```
    /// use cmd_stream::transport::memory;
    ///
    /// let (connector, listener) = memory::pair();
    /// drop(listener); // the server ends, and nobody can connect
    /// let listener = connector.listen(); // it is back
    /// # let _ = listener;
    /// ```
    pub fn listen(&self) -> Listener {
        let (to_listener, from_connectors) = mpsc::channel(BACKLOG);
        *self.to_listener.lock().unwrap_or_else(PoisonError::into_inner) = to_listener;
        Listener { from_connectors }
    }
}

/// Accepts the connections of its [`Connector`]s.
#[derive(Debug)]
pub struct Listener {
    from_connectors: mpsc::Receiver<DuplexStream>,
}

fn peer() -> Peer {
    Peer::other("memory")
}

impl Connect for Connector {
    type Outgoing = (DuplexStream, Peer);

    async fn connect(&self) -> io::Result<(DuplexStream, Peer)> {
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        let to_listener = self.to_listener.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match to_listener.send(theirs).await {
            Ok(()) => Ok((ours, peer())),
            Err(_) => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    fn address(&self) -> String {
        peer().to_string()
    }
}

impl Listener {
    /// Returns the next connection, or `None` when no connector is left.
    pub(crate) async fn next(&mut self) -> Option<(DuplexStream, Peer)> {
        Some((self.from_connectors.recv().await?, peer()))
    }
}

impl Accept for Listener {
    type Incoming = (DuplexStream, Peer);

    async fn accept(&mut self) -> io::Result<(DuplexStream, Peer)> {
        match self.next().await {
            Some(connection) => Ok(connection),
            None => std::future::pending().await, // no connector is left, and none can be created
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(peer())
    }
}

/// How many bytes a connection buffers in each direction.
const BUFFER: usize = 64 << 10;
/// How many connections can wait to be accepted. Further `connect` calls wait.
const BACKLOG: usize = 128;
