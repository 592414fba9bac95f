//! Where connections come from. Each transport is a module; any other one is a type that implements [`Accept`] or
//! [`Connect`], or a stream handed to [`client::Builder::over`](crate::client::Builder::over).

use std::future::Future;
use std::io;

pub use crate::connection::Io;
pub use crate::connection::peer::Peer;

pub mod memory;
mod tcp;
#[cfg(unix)]
mod unix;

pub use tcp::Tcp;
#[cfg(unix)]
pub use unix::Unix;

/// What a server accepts connections from.
pub trait Accept: Send + 'static {
    /// The streams of its connections.
    type Io: Io;

    /// Waits for the next connection. It must be cancel safe: dropped before it is done, it has accepted nothing.
    ///
    /// # Errors
    ///
    /// Any error is reported, and tried again after a pause; it never ends the server.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, Peer)>> + Send;

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn local_addr(&self) -> io::Result<Peer>;
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
}
