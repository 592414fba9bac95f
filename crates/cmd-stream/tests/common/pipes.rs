//! Connections of a chosen width: a listener to which the test hands streams, and errors.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::io;

use cmd_stream::transport::{Accept, Peer};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;

/// Hands streams to its [`Pipes`].
#[derive(Clone, Debug)]
pub(crate) struct Dialer(mpsc::UnboundedSender<io::Result<(DuplexStream, Peer)>>);

/// A listener.
#[derive(Debug)]
pub(crate) struct Pipes(mpsc::UnboundedReceiver<io::Result<(DuplexStream, Peer)>>);

/// A listener, and what connects to it.
pub(crate) fn pipes() -> (Dialer, Pipes) {
    let (dial, accept) = mpsc::unbounded_channel();
    (Dialer(dial), Pipes(accept))
}

/// Who is at the other end.
pub(crate) fn peer() -> Peer {
    Peer::other("pipe")
}

impl Dialer {
    /// The client's end of a new connection, which holds so many bytes of each direction.
    pub(crate) fn dial(&self, bytes: usize) -> DuplexStream {
        self.dial_as(bytes, peer())
    }

    /// The same, from this peer.
    pub(crate) fn dial_as(&self, bytes: usize, peer: Peer) -> DuplexStream {
        let (ours, theirs) = duplex(bytes);
        self.0.send(Ok((theirs, peer))).expect("the server listens");
        ours
    }

    /// Lets the next `accept` fail.
    pub(crate) fn fail(&self) {
        self.0.send(Err(io::Error::other("no file descriptors"))).expect("the server listens");
    }
}

impl Accept for Pipes {
    type Incoming = (DuplexStream, Peer);

    async fn accept(&mut self) -> io::Result<(DuplexStream, Peer)> {
        match self.0.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(peer())
    }
}
