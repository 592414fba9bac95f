//! A chaos proxy: it stands on loopback between a client and a server, and a test breaks the link as its script says.
//!
//! Whatever a method changes holds when it returns: after [`Links::stall`], for example, no further byte passes. Faults
//! combine, except that a direction is either stalled or half-open: the later call counts.
//!
//! The sockets are real, so this does not work with a paused clock.

mod link;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::wait::until;
use link::{End, Flow, Link, Way};

/// A direction of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// A TCP proxy on loopback. Its port is open from the start, and bytes are forwarded until the test says otherwise.
///
/// The faults are methods of [`Links`]. Called on the proxy, they concern all its connections, in both directions.
///
/// Dropping it closes its port and all connections.
///
/// ```
/// use testkit::chaos::{Direction, Proxy};
/// use testkit::peer::BytePeer;
/// use tokio::net::TcpListener;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
/// let proxy = Proxy::start(listener.local_addr().unwrap());
/// let mut client = BytePeer::connect(proxy.address()).await;
/// let mut server = BytePeer::accept(&listener).await;
///
/// proxy.toward(Direction::ToServer).cut_after(3);
/// client.send(b"message").await;
/// server.expect(b"mes").await;
/// server.expect_end().await;
/// client.expect_end().await;
/// # });
/// ```
#[derive(Debug)]
pub struct Proxy {
    links: Links,
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy that dials this server, such as `127.0.0.1:9000`, for each connection that it accepts.
    ///
    /// If the server cannot be reached, the client's connection is reset.
    ///
    /// # Panics
    ///
    /// If there is no free port on loopback, or no tokio runtime.
    pub fn start(server: impl Display) -> Self {
        let listener = listen(bind((Ipv4Addr::LOCALHOST, 0).into()));
        let address = listener.local_addr().expect("it is bound");
        let inner = Inner {
            server: server.to_string(),
            port: Port::Open(listener),
            waker: None,
            ways: Default::default(),
            accepted: 0,
            links: BTreeMap::new(),
        };
        let shared = Arc::new(Shared(Mutex::new(inner)));
        let accepting = tokio::spawn(accept_all(Arc::clone(&shared)));
        let directions = &[Direction::ToServer, Direction::ToClient];
        Self { links: Links { shared, connection: None, directions }, address, accepting }
    }

    /// Returns the address that clients connect to. It never changes.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Dials another server from now on. Connections that have a server keep it.
    pub fn to(&self, server: impl Display) {
        self.links.shared.lock().server = server.to_string();
    }

    /// Closes the port: clients that connect are refused. The port stays reserved, and open connections continue. Those
    /// that are not accepted yet are reset. Calling it again has no effect.
    ///
    /// # Panics
    ///
    /// If another process takes the port at the very moment when it is closed.
    pub fn refuse(&self) {
        let mut inner = self.links.shared.lock();
        if matches!(inner.port, Port::Open(_)) {
            // Closes the listener: a second socket cannot have the port while the first one listens.
            inner.port = Port::Gone;
            inner.port = Port::Closed(bind(self.address));
        }
    }

    /// Opens the same port again after [`refuse`](Self::refuse). Has no effect on an open port.
    pub fn listen(&self) {
        let mut inner = self.links.shared.lock();
        inner.port = match std::mem::replace(&mut inner.port, Port::Gone) {
            Port::Closed(socket) => Port::Open(listen(socket)),
            port => port,
        };
        if let Some(waker) = inner.waker.take() {
            waker.wake();
        }
    }

    /// Returns one connection, by its number in the order of acceptance, from 0. Its faults can be chosen before it is
    /// accepted.
    ///
    /// The little that is known of a connection (about 300 bytes) stays as long as the proxy.
    pub fn connection(&self, number: usize) -> Links {
        let mut inner = self.links.shared.lock();
        inner.link(number);
        Links { connection: Some(number), ..self.links.clone() }
    }

    /// Returns how many connections have been accepted so far.
    pub fn connections(&self) -> usize {
        self.links.shared.lock().accepted
    }

    /// Waits until `count` connections have been accepted, counted from the start. A client may be connected earlier, but
    /// [`cut`](Links::cut) and [`reset`](Links::reset) do not concern it before.
    ///
    /// # Panics
    ///
    /// If it takes longer than [`PATIENCE`](crate::wait::PATIENCE).
    pub async fn accepted(&self, count: usize) {
        until(|| self.connections() >= count).await;
    }
}

impl Deref for Proxy {
    type Target = Links;

    fn deref(&self) -> &Links {
        &self.links
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.links.shared.lock().port = Port::Gone;
        // Its connections are tasks that end with it.
        self.accepting.abort();
    }
}

/// All connections through a [`Proxy`], present and future, or one of them; in both directions, or in one.
#[derive(Clone, Debug)]
pub struct Links {
    shared: Arc<Shared>,
    connection: Option<usize>,
    directions: &'static [Direction],
}

impl Links {
    /// Returns the same connections, in one direction only.
    #[must_use]
    pub fn toward(&self, direction: Direction) -> Self {
        let directions = match direction {
            Direction::ToServer => &[Direction::ToServer],
            Direction::ToClient => &[Direction::ToClient],
        };
        Self { directions, ..self.clone() }
    }

    /// Holds all bytes, and the end of the connection as well, until [`heal`](Self::heal). Nothing is lost. The proxy does
    /// not read, so the sender is blocked when the buffers of the sockets are full.
    pub fn stall(&self) {
        self.change(|way, _| way.flow = Flow::Stall);
    }

    /// Lets the link die silently: whatever is sent is swallowed, the end of the connection as well, and no end learns
    /// it. Nothing blocks the sender. A connection that has lost bytes is reset as soon as it is not half-open any more,
    /// as TCP never delivers bytes with a gap.
    ///
    /// A new connection that is half-open in both directions is accepted, and the server is not dialed. The proxy keeps
    /// the connection until both ends have closed it, or only the client if there is no server.
    pub fn half_open(&self) {
        self.change(|way, _| way.flow = Flow::HalfOpen);
    }

    /// Forwards each byte by a write of its own, without Nagle's delay. The system joins bytes that the receiver does not
    /// read in time. With [`throttle(1000)`](Self::throttle) as well, at least a millisecond is between them.
    pub fn split(&self) {
        self.change(|way, _| way.split = true);
    }

    /// Forwards at most so many bytes per second, in each direction of each connection.
    ///
    /// # Panics
    ///
    /// If it is 0. Use [`stall`](Self::stall).
    pub fn throttle(&self, bytes_per_second: u64) {
        assert!(bytes_per_second > 0, "a rate of 0 is a stall");
        self.change(|way, _| way.rate = Some(bytes_per_second));
    }

    /// Forwards `bytes` more bytes, then does as [`cut`](Self::cut). They are counted for each direction of each connection
    /// by itself, from now on or from its start. The receiver gets exactly these, then the end.
    pub fn cut_after(&self, bytes: u64) {
        self.change(|way, passed| way.cut_at = Some(passed.saturating_add(bytes)));
    }

    /// Ends all faults: bytes are forwarded again, at once. Held bytes arrive. A connection that has lost bytes is
    /// reset. A refused port stays closed until [`Proxy::listen`].
    pub fn heal(&self) {
        self.change(|way, _| *way = Way::default());
    }

    /// Ends the accepted connections in an orderly way, with a FIN to each end, in both directions even after
    /// [`toward`](Self::toward). What was forwarded arrives, held bytes are lost. What the ends still send is discarded;
    /// after a second, it is answered by a reset.
    ///
    /// # Panics
    ///
    /// If it is one connection that is not accepted yet. If it has ended, this has no effect.
    pub fn cut(&self) {
        self.end(End::Cut);
    }

    /// Resets the accepted connections at each end, in both directions even after [`toward`](Self::toward). Bytes that an
    /// end has not read may be lost.
    ///
    /// # Panics
    ///
    /// If it is one connection that is not accepted yet. If it has ended, this has no effect.
    pub fn reset(&self) {
        self.end(End::Reset);
    }

    /// Returns how many of the connections are open. A connection with [`half_open`](Self::half_open) directions can be
    /// open when an end has closed it.
    pub fn open(&self) -> usize {
        self.shared.lock().chosen(self.connection).filter(|link| link.is_open()).count()
    }

    /// Returns how many bytes were forwarded.
    pub fn bytes(&self) -> u64 {
        self.sum(Link::passed)
    }

    /// Returns how many bytes were swallowed by [`half_open`](Self::half_open). An event to wait for: the sender has sent
    /// into the void.
    pub fn lost(&self) -> u64 {
        self.sum(Link::lost)
    }

    fn sum(&self, count: impl Fn(&Link, Direction) -> u64) -> u64 {
        let inner = self.shared.lock();
        let links = inner.chosen(self.connection);
        links.flat_map(|link| self.directions.iter().map(|&direction| count(link, direction))).sum()
    }

    /// Changes each way, given how many bytes have passed on it.
    fn change(&self, change: impl Fn(&mut Way, u64)) {
        let mut inner = self.shared.lock();
        if self.connection.is_none() {
            self.directions.iter().for_each(|&direction| change(&mut inner.ways[direction as usize], 0));
        }
        inner.chosen(self.connection).for_each(|link| link.change(self.directions, &change));
    }

    fn end(&self, end: End) {
        let inner = self.shared.lock();
        if let Some(number) = self.connection {
            assert!(number < inner.accepted, "connection {number} is not accepted yet");
        }
        inner.chosen(self.connection).filter(|link| link.is_open()).for_each(|link| link.end(end));
    }
}

#[derive(Debug)]
struct Shared(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    server: String,
    port: Port,
    /// Wakes the task that accepts, when the port is opened.
    waker: Option<Waker>,
    /// What future connections start with.
    ways: [Way; 2],
    accepted: usize,
    /// Those accepted, and those that the test has asked for before.
    links: BTreeMap<usize, Arc<Link>>,
}

#[derive(Debug)]
enum Port {
    Open(TcpListener),
    /// A socket that is bound and does not listen: the system refuses its clients and gives its port to nobody else.
    Closed(TcpSocket),
    Gone,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, Arc<Link>)>> {
        let mut inner = self.lock();
        inner.waker = Some(cx.waker().clone());
        let Port::Open(listener) = &inner.port else { return Poll::Pending };
        listener.poll_accept(cx).map_ok(|(client, _)| {
            let number = inner.accepted;
            inner.accepted += 1;
            let link = Arc::clone(inner.link(number));
            link.open();
            (client, link)
        })
    }
}

impl Inner {
    fn link(&mut self, number: usize) -> &Arc<Link> {
        self.links.entry(number).or_insert_with(|| Arc::new(Link::new(self.ways)))
    }

    /// Returns one connection, or all.
    fn chosen(&self, connection: Option<usize>) -> impl Iterator<Item = &Link> {
        let numbers = match connection {
            Some(number) => number..=number,
            None => 0..=usize::MAX,
        };
        self.links.range(numbers).map(|(_, link)| &**link)
    }
}

async fn accept_all(shared: Arc<Shared>) {
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            accepted = poll_fn(|cx| shared.poll_accept(cx)) => match accepted {
                Ok((client, link)) => {
                    let shared = Arc::clone(&shared);
                    running.spawn(link::carry(client, link, move || shared.lock().server.clone()));
                }
                // The process may have too many open files. They become fewer.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
            Some(_) = running.join_next() => {}
        }
    }
}

fn bind(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    // Connections of the port may be open, or have ended just now.
    socket.set_reuseaddr(true).expect("a socket");
    socket.bind(address).expect("the port is free");
    socket
}

fn listen(socket: TcpSocket) -> TcpListener {
    socket.listen(1024).expect("the port is ours")
}
