//! Unix sockets.

use std::io;
use std::path::PathBuf;

use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};

use super::{Accept, Connect, Peer};

/// Connects to a Unix socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unix(PathBuf);

impl Unix {
    /// Creates a connector to the socket with this path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

impl Connect for Unix {
    type Outgoing = (UnixStream, Peer);

    async fn connect(&self) -> io::Result<(UnixStream, Peer)> {
        Ok((UnixStream::connect(&self.0).await?, Peer::unix(Some(self.0.clone()))))
    }

    fn address(&self) -> String {
        self.0.display().to_string()
    }
}

impl Accept for UnixListener {
    type Incoming = (UnixStream, Peer);

    async fn accept(&mut self) -> io::Result<(UnixStream, Peer)> {
        let (stream, peer) = Self::accept(self).await?;
        Ok((stream, unix_peer(&peer)))
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Self::local_addr(self).map(|address| unix_peer(&address))
    }
}

fn unix_peer(address: &SocketAddr) -> Peer {
    Peer::unix(address.as_pathname().map(PathBuf::from))
}
