//! TCP, with Nagle's algorithm turned off.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

use super::{Accept, Address, Connect, Peer};

mod attempts;

/// Connects to a TCP address, which is resolved each time it connects.
///
/// If a name has several addresses, the attempts to connect to them overlap, as in RFC 8305 ("Happy Eyeballs"). One
/// address that does not answer costs 250 ms:
///
/// - IPv6 and IPv4 addresses are tried in turn, beginning with the one that the resolver names first.
/// - The next attempt starts 250 ms after the one before it, or as soon as one fails.
/// - The first connection that is established is used. The other attempts are dropped. A server may then see a
///   connection that ends before its first byte.
/// - At most 16 addresses are tried. [`Limits::connect`](crate::client::Limits::connect) bounds the time of all
///   attempts together. If it is under 250 ms, an address that does not answer uses it up.
/// - If all fail, the error names each address with its reason. Its kind is that of the last one to fail.
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
        let stream = connect_to_one_of(self.0.resolve().await?).await?;
        // Batches are made before the write. The system need not wait for more.
        stream.set_nodelay(true)?;
        let peer = stream.peer_addr()?;
        Ok((stream, peer.into()))
    }

    fn address(&self) -> String {
        self.0.to_string()
    }
}

async fn connect_to_one_of(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    attempts::connect_to_first(addresses, TcpStream::connect).await
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use testkit::wait::within;
    use tokio::net::TcpSocket;

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        (listener, address)
    }

    /// An address where nobody listens. It stays so as long as the socket is there.
    fn closed_port() -> (TcpSocket, SocketAddr) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("loopback has a free port");
        let address = socket.local_addr().expect("it is bound");
        (socket, address)
    }

    #[cfg(target_os = "linux")] // other systems answer when the backlog is full
    #[tokio::test]
    async fn an_address_that_never_answers_does_not_keep_from_the_next_one() {
        let (_living, address) = listener().await;
        let (socket, dead) = closed_port();
        let _full = socket.listen(1).expect("it is bound");
        // Linux queues one more than it was told to.
        let _queued =
            within(async { (TcpStream::connect(dead).await, TcpStream::connect(dead).await) }).await;
        let stream = within(connect_to_one_of(vec![dead, address])).await.expect("one of them answers");
        assert_eq!(stream.peer_addr().ok(), Some(address));
    }

    #[tokio::test]
    async fn an_address_that_refuses_does_not_keep_from_the_next_one() {
        let (_living, address) = listener().await;
        let (_socket, closed) = closed_port();
        let stream = within(connect_to_one_of(vec![closed, address])).await.expect("one of them answers");
        assert_eq!(stream.peer_addr().ok(), Some(address));
    }

    #[tokio::test]
    async fn the_error_of_one_address_is_the_systems_and_that_of_several_names_each() {
        let (_socket, one) = closed_port();
        let (_socket, other) = closed_port();
        let alone = within(connect_to_one_of(vec![one])).await.expect_err("nobody listens");
        assert_eq!(alone.kind(), io::ErrorKind::ConnectionRefused);
        assert!(alone.raw_os_error().is_some(), "{alone}");
        let both = within(connect_to_one_of(vec![one, other])).await.expect_err("nobody listens");
        assert_eq!(both.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(both.to_string(), format!("2 addresses failed: {one}: {alone}; {other}: {alone}"));
    }
}
