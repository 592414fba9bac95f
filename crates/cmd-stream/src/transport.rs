//! Where connections come from: TCP, Unix sockets and memory. Any other transport is a type that implements [`Accept`] or
//! [`Connect`], or a stream handed to [`client::Builder::over`](crate::client::Builder::over).

use std::future::Future;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

mod address;
pub mod memory;
mod peer;
mod tcp;
#[cfg(unix)]
mod unix;

pub use address::Address;
pub use peer::Peer;
pub use tcp::Tcp;
#[cfg(unix)]
pub use unix::Unix;

/// A byte stream in both directions: what a transport gives.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// What a server accepts connections from.
pub trait Accept: Send + 'static {
    /// A connection that was accepted: a stream with its [`Peer`], or something that becomes one.
    type Incoming: Incoming;

    /// Waits for the next connection. It must be cancel safe: dropped before it is done, it has accepted nothing.
    ///
    /// # Errors
    ///
    /// Any error is reported, and tried again after a pause; it never ends the server.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Incoming>> + Send;

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn local_addr(&self) -> io::Result<Peer>;
}

/// A connection that was accepted and may have to be established: TLS has its handshake. The connection's own task does
/// that, so that a client which is slow, or does nothing, holds up nobody.
///
/// A stream with its [`Peer`] is one that is established already.
pub trait Incoming: Send + 'static {
    /// The stream of the connection.
    type Io: Io;

    /// Who is at the other end, as far as that is known.
    fn peer(&self) -> &Peer;

    /// Does the transport's handshake. The server bounds its time by
    /// [`Limits::handshake`](crate::server::Limits::handshake).
    ///
    /// # Errors
    ///
    /// Any error ends this connection, and is counted.
    fn establish(self) -> impl Future<Output = io::Result<(Self::Io, Peer)>> + Send;
}

impl<IO: Io> Incoming for (IO, Peer) {
    type Io = IO;

    fn peer(&self) -> &Peer {
        &self.1
    }

    async fn establish(self) -> io::Result<Self> {
        Ok(self)
    }
}

/// What a client gets its connection from.
pub trait Connect: Send + Sync + 'static {
    /// The stream of a connection.
    type Io: Io;

    /// Makes a connection.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn connect(&self) -> impl Future<Output = io::Result<(Self::Io, Peer)>> + Send;

    /// Where it connects to, for messages.
    fn address(&self) -> String;
}
