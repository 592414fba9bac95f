//! TCP, with Nagle's algorithm turned off.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::keepalive::{TcpKeepalive, keep_connected};
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
pub struct Tcp {
    address: Address,
    /// Always `None` where the system has none.
    user_timeout: Option<Duration>,
    keepalive: TcpKeepalive,
}

impl Tcp {
    /// Creates a connector to this address.
    pub fn new(address: impl Into<Address>) -> Self {
        Self { address: address.into(), user_timeout: None, keepalive: TcpKeepalive::default() }
    }

    /// Sets how the system finds out that the server's system is gone. [`TcpKeepalive::default`] by default;
    /// [`TcpKeepalive::OFF`] turns it off.
    #[must_use]
    pub fn keepalive(self, keepalive: TcpKeepalive) -> Self {
        Self { keepalive, ..self }
    }

    /// Limits how long data may stay unacknowledged by the peer's system (`TCP_USER_TIMEOUT`). In whole milliseconds, at
    /// least 1 ms and at most 24 days; not set by default, so that the system decides: with Linux's defaults after
    /// about 15 minutes.
    ///
    /// After that, the system closes the connection, and what waits for it fails with an error of kind
    /// [`Io`](crate::ErrorKind::Io). While nothing is to be written, it has no effect: only a ping can show that an idle
    /// connection is dead. The time also runs while the peer's system takes no more data because the peer does not read.
    /// Set it to more than the longest such pause.
    ///
    /// Exists on Android, Fuchsia and Linux only. If it cannot be set, connecting fails.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cmd_stream::transport::Tcp;
    ///
    /// let transport = Tcp::new("shop.example:9000").user_timeout(Duration::from_secs(20));
    /// // client::Builder::connect_by(transport)
    /// # let _ = transport;
    /// ```
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    #[must_use]
    pub fn user_timeout(self, time: Duration) -> Self {
        // The system would take 0 for its default, and it refuses what is over 2^31 - 1.
        let time = time.clamp(Duration::from_millis(1), Duration::from_secs(24 * 24 * 60 * 60));
        Self { user_timeout: Some(time), ..self }
    }

    fn set_options(&self, stream: &TcpStream) -> io::Result<()> {
        // Batches are made before the write. The system need not wait for more.
        stream.set_nodelay(true)?;
        keep_connected(stream, &self.keepalive);
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        if let Some(time) = self.user_timeout {
            set_user_timeout(stream, time)?;
        }
        Ok(())
    }
}

#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
fn set_user_timeout(stream: &TcpStream, time: Duration) -> io::Result<()> {
    socket2::SockRef::from(stream)
        .set_tcp_user_timeout(Some(time))
        .map_err(|error| io::Error::new(error.kind(), format!("cannot set the TCP user timeout: {error}")))
}

impl Connect for Tcp {
    type Outgoing = (TcpStream, Peer);

    async fn connect(&self) -> io::Result<(TcpStream, Peer)> {
        let stream = connect_to_one_of(self.address.resolve().await?).await?;
        self.set_options(&stream)?;
        let peer = stream.peer_addr()?;
        Ok((stream, peer.into()))
    }

    fn address(&self) -> String {
        self.address.to_string()
    }
}

async fn connect_to_one_of(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    attempts::connect_to_first(addresses, async |address| not_itself(TcpStream::connect(address).await?))
        .await
}

/// Refuses a socket that is connected to itself. The system may give a socket the very port of this host that it connects
/// to, if nobody listens there. A client that dials a server that is away would keep its port from it.
fn not_itself(stream: TcpStream) -> io::Result<TcpStream> {
    match (stream.local_addr(), stream.peer_addr()) {
        (Ok(local), Ok(peer)) if local == peer => {
            let message = "nobody listens there (the connection led to itself)";
            Err(io::Error::new(io::ErrorKind::ConnectionRefused, message))
        }
        _ => Ok(stream),
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

    #[cfg(unix)]
    #[tokio::test]
    async fn a_connection_to_itself_is_refused() {
        let (socket, address) = closed_port();
        let itself = within(socket.connect(address)).await.expect("it meets itself");
        assert_eq!(itself.peer_addr().ok(), Some(address));
        let error = not_itself(itself).expect_err("nobody listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
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

    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    #[tokio::test]
    async fn options_reach_the_socket() {
        let (_living, address) = listener().await;
        let connect = async |tcp: Tcp| {
            let (stream, _) = within(tcp.connect()).await.expect("it listens");
            let user_timeout = socket2::SockRef::from(&stream).tcp_user_timeout().expect("it can be read");
            (stream.nodelay().expect("it can be read"), user_timeout)
        };
        let tcp = Tcp::new(address);
        for (tcp, is_on) in [(tcp.clone(), true), (tcp.clone().keepalive(TcpKeepalive::OFF), false)] {
            let (stream, _) = within(tcp.connect()).await.expect("it listens");
            assert_eq!(socket2::SockRef::from(&stream).keepalive().ok(), Some(is_on));
        }
        assert_eq!(connect(tcp.clone()).await, (true, None));
        let milliseconds = Duration::from_millis;
        let day = milliseconds(24 * 60 * 60 * 1000);
        for (given, taken) in [
            (milliseconds(20_001), milliseconds(20_001)),
            (Duration::ZERO, milliseconds(1)),
            (Duration::from_nanos(1_999_999), milliseconds(1)),
            (24 * day, 24 * day),
            (24 * day + milliseconds(1), 24 * day),
            (Duration::MAX, 24 * day),
        ] {
            assert_eq!(connect(tcp.clone().user_timeout(given)).await, (true, Some(taken)), "{given:?}");
        }
    }

    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    #[tokio::test]
    async fn a_system_that_refuses_the_user_timeout_is_an_error() {
        let (socket, _other) = std::os::unix::net::UnixStream::pair().expect("two sockets");
        socket.set_nonblocking(true).expect("it is open");
        let no_tcp = std::net::TcpStream::from(std::os::fd::OwnedFd::from(socket));
        let no_tcp = TcpStream::from_std(no_tcp).expect("it is a socket");
        let error = set_user_timeout(&no_tcp, Duration::from_secs(1)).expect_err("only TCP has it");
        assert!(error.to_string().starts_with("cannot set the TCP user timeout: "), "{error}");
    }
}
