//! TCP, with Nagle's algorithm turned off.

use std::io;

use tokio::net::{TcpListener, TcpStream};

use super::{Accept, Address, Connect, Peer};

/// Connects to a TCP address, which is resolved on each attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tcp(Address);

impl Tcp {
    /// Creates a connector to this address.
    pub fn new(address: impl Into<Address>) -> Self {
        Self(address.into())
    }
}

impl Connect for Tcp {
    type Outgoing = (TcpStream, Peer);

    async fn connect(&self) -> io::Result<(TcpStream, Peer)> {
        let stream = TcpStream::connect(&*self.0.resolve().await?).await?;
        // Batches are made before the write. The system need not wait for more.
        stream.set_nodelay(true)?;
        let peer = stream.peer_addr()?;
        Ok((stream, peer.into()))
    }

    fn address(&self) -> String {
        self.0.to_string()
    }
}

impl Accept for TcpListener {
    type Incoming = (TcpStream, Peer);

    async fn accept(&mut self) -> io::Result<(TcpStream, Peer)> {
        let (stream, peer) = Self::accept(self).await?;
        // This fails if the client has left already, which the first use of the connection will show.
        let _ = stream.set_nodelay(true);
        Ok((stream, peer.into()))
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Self::local_addr(self).map(Peer::from)
    }
}
