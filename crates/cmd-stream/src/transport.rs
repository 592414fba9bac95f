//! Transports: TCP, Unix sockets and memory, and TLS over any of them (feature `tls`).
//!
//! To use another one, implement [`Accept`] or [`Connect`], or pass a stream to
//! [`client::Builder::over`](crate::client::Builder::over).

use std::future::Future;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

mod address;
mod keepalive;
pub mod memory;
mod peer;
mod presence;
mod progress;
mod socket;
mod tcp;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(unix)]
mod unix;

pub use address::Address;
pub use keepalive::TcpKeepalive;
pub(crate) use keepalive::keep_accepted;
pub use peer::Peer;
pub(crate) use presence::{Presence, presence};
pub use progress::Progress;
pub use tcp::Tcp;
#[cfg(unix)]
pub use unix::Unix;

/// A bidirectional byte stream.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A source of connections for a server.
pub trait Accept: Send + 'static {
    /// An accepted connection: a stream with its [`Peer`], or something that becomes one.
    type Incoming: Establish;

    /// Waits for the next connection. It must be cancel safe: if it is dropped before it completes, no connection is
    /// lost.
    ///
    /// # Errors
    ///
    /// The server reports an error and tries again after a pause. An error never ends it.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Incoming>> + Send;

    /// Returns the address it listens on.
    ///
    /// # Errors
    ///
    /// Returns the errors of the operating system.
    fn local_addr(&self) -> io::Result<Peer>;
}

/// A connection that may need a handshake before it can be used, as in TLS.
///
/// On a server, the connection's own task does the handshake, so that a slow or idle client does not delay others.
///
/// A stream with its [`Peer`] needs none.
pub trait Establish: Send + 'static {
    /// The stream of the connection.
    type Io: Io;

    /// Returns the peer, as far as it is known.
    fn peer(&self) -> &Peer;

    /// Returns how far the handshake has come, for the message if it takes too long. By default nothing is known.
    fn progress(&self) -> Progress {
        Progress::default()
    }

    /// Returns whether the client is known to have left, or to send nothing more, before anything was read. A server asks
    /// that while the connection waits for a place, several times per second. By default nothing is known.
    fn has_left(&self) -> bool {
        false
    }

    /// Performs the transport's handshake, within [`server::Limits::handshake`](crate::server::Limits::handshake) or
    /// [`client::Limits::handshake`](crate::client::Limits::handshake).
    ///
    /// # Errors
    ///
    /// An error ends this connection. A server counts it, and a client fails the attempt to connect with it. If it has a
    /// [`cmd_stream::Error`](crate::Error) inside, the client's error has the kind and the origin of that.
    fn establish(self) -> impl Future<Output = io::Result<(Self::Io, Peer)>> + Send;
}

impl<IO: Io> Establish for (IO, Peer) {
    type Io = IO;

    fn peer(&self) -> &Peer {
        &self.1
    }

    fn has_left(&self) -> bool {
        matches!(presence(&self.0), Some(Presence::HalfClosed | Presence::Gone(_)))
    }

    async fn establish(self) -> io::Result<Self> {
        Ok(self)
    }
}

/// A source of connections for a client.
pub trait Connect: Send + Sync + 'static {
    /// A connection: a stream with its [`Peer`], or something that becomes one.
    type Outgoing: Establish;

    /// Connects, within [`client::Limits::connect`](crate::client::Limits::connect).
    ///
    /// # Errors
    ///
    /// Returns the errors of the operating system.
    fn connect(&self) -> impl Future<Output = io::Result<Self::Outgoing>> + Send;

    /// Returns the address it connects to, for messages. Asked before each attempt.
    fn address(&self) -> String;

    /// Tells that the last attempt has failed, in its handshake too, or that the connection was lost. A transport that has
    /// several servers to choose from may choose another one for the next attempt. Does nothing by default.
    fn failed(&self) {}
}
