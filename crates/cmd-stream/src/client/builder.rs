//! The settings of a client, and how it starts.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::dial::{Accepted, dial, establish};
use super::health::Health;
use super::race::Won;
use super::reconnect::{self, FailsWhenDropped, Redial};
use super::route::{Alone, Route, address_of};
use super::table::Table;
use super::{Backoff, Client, ClosesWhenDropped, Keepalive, Limits, Link, OnUnexpected, Shared};
use crate::connection::runtime;
use crate::error::Error;
use crate::format::Format;
use crate::proto::backoff::{self, Attempts};
use crate::proto::frame::Seq;
use crate::proto::handshake::ServerInfo;
use crate::protocol::{ClientProtocol, Protocol};
use crate::sync::Arc;
use crate::transport::{Address, Connect, Io, Peer, Tcp};

/// Counts the clients of this process. The log numbers them.
static CLIENTS: AtomicU64 = AtomicU64::new(0);

/// The settings of a [`Client`], made by [`Client::builder`]. Every default is safe in production.
pub struct Builder<P: Protocol, F> {
    format: Arc<F>,
    limits: Limits,
    accepted: Accepted,
    timeout: Duration,
    keepalive: Keepalive,
    reconnect: bool,
    backoff: Backoff,
    max_age: Duration,
    on_unexpected: Option<OnUnexpected<P::Reply>>,
    /// Where it says how it does, and whether others may send what it cannot.
    member: Option<(Arc<Health>, bool)>,
}

impl<P, F> Builder<P, F>
where
    P: ClientProtocol<F>,
    F: Format,
{
    pub(super) fn new(format: F) -> Self {
        Self {
            format: Arc::new(format),
            limits: Limits::default(),
            accepted: Accepted::default(),
            timeout: Duration::MAX,
            keepalive: Keepalive::default(),
            reconnect: true,
            backoff: Backoff::default(),
            max_age: Duration::MAX,
            on_unexpected: None,
            member: None,
        }
    }

    /// Sets the limits. The default is [`Limits::default`].
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Sets the ServerInfo that the server is expected to greet with. The default is [`ServerInfo::default`];
    /// [`ServerInfo::of`] distinguishes versions of a service.
    #[must_use]
    pub fn server_info(self, info: ServerInfo) -> Self {
        Self { accepted: Accepted { info, ..self.accepted }, ..self }
    }

    /// Accepts one more ServerInfo besides that of [`server_info`](Self::server_info). The order of the calls does not
    /// matter, and it can be called several times. This allows clients of the next version to be deployed before its
    /// servers.
    #[must_use]
    pub fn also_accept(mut self, info: ServerInfo) -> Self {
        self.accepted.also.push(info);
        self
    }

    /// Sets a callback for Replies that no call waits for, because the call was dropped or already had its last Reply. The
    /// callback should be quick, because the connection's task runs it. A panic in it is contained. Without a callback,
    /// such Replies are dropped.
    #[must_use]
    pub fn on_unexpected_reply(self, callback: impl Fn(Seq, P::Reply) + Send + Sync + 'static) -> Self {
        Self { on_unexpected: Some(Arc::new(callback)), ..self }
    }

    /// Sets the default timeout of calls. There is none unless it is set: a call waits until it is answered or its
    /// connection is lost.
    ///
    /// For a [`stream`](Client::stream), this is the time to its first Reply; for a [`post`](Client::post), the time
    /// until it is written. [`Call::timeout`](super::Call::timeout) says what is limited, and sets another time for one
    /// call.
    #[must_use]
    pub fn timeout(self, time: Duration) -> Self {
        Self { timeout: time, ..self }
    }

    /// Sets when the server is pinged, and when it is taken for dead. The default is [`Keepalive::default`]; it can be
    /// turned [off](Keepalive::OFF).
    #[must_use]
    pub fn keepalive(self, keepalive: Keepalive) -> Self {
        Self { keepalive, ..self }
    }

    /// Sets whether the client makes another connection when it has lost one. It does by default.
    ///
    /// Without, the client ends with its connection: all pending calls and all later ones fail with the reason.
    #[must_use]
    pub fn reconnect(self, reconnect: bool) -> Self {
        Self { reconnect, ..self }
    }

    /// Sets the pauses between attempts to connect. The default is [`Backoff::default`].
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// Sets after which time a connection is replaced by a new one, so that the clients of a service spread over its servers
    /// again after a deploy. Never by default; at least 1 s. The time of each connection is up to a tenth longer or shorter, by chance.
    ///
    /// The server answers first what it has. Calls go on until a moment at which it has nothing to answer. If there is none for
    /// [`Limits::drain`], further calls wait for the next connection, and the server has as much time again to answer what it
    /// has. In a [`Group`](crate::group::Group) of several the other members take the calls at once.
    #[must_use]
    pub fn max_age(self, time: Duration) -> Self {
        Self { max_age: time.max(Duration::from_secs(1)), ..self }
    }

    /// Makes the client a member of a group.
    pub(crate) fn member(self, health: Arc<Health>, hands_back: bool) -> Self {
        Self { member: Some((health, hands_back)), ..self }
    }

    pub(crate) fn get_limits(&self) -> &Limits {
        &self.limits
    }

    /// Connects to a TCP address: text such as `"localhost:9000"`, `("localhost", 9000)`, a
    /// [`SocketAddr`](std::net::SocketAddr), or what
    /// [`Handle::local_addr`](crate::server::Handle::local_addr) says.
    ///
    /// It tries once. [`connect_lazy`](Self::connect_lazy) waits for a server that is not there yet.
    ///
    /// # Errors
    ///
    /// - [`Io`](crate::ErrorKind::Io): no connection can be made, or its handshake fails. Or there is no tokio runtime, or it
    ///   has no timers.
    /// - [`Timeout`](crate::ErrorKind::Timeout): connecting or the handshake took longer than [`Limits`] allow.
    /// - [`ServerInfoMismatch`](crate::ErrorKind::ServerInfoMismatch): the server greets with another ServerInfo.
    /// - [`Decode`](crate::ErrorKind::Decode), [`Limit`](crate::ErrorKind::Limit),
    ///   [`UnexpectedEof`](crate::ErrorKind::UnexpectedEof), [`Closed`](crate::ErrorKind::Closed): the peer does not greet
    ///   as a server does, or it hung up.
    /// - [`Panic`](crate::ErrorKind::Panic): a transport of your own panicked, or the runtime has no sockets (`enable_io`).
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the connection.
    pub async fn connect(self, address: impl Into<Address>) -> Result<Client<P, F>, Error> {
        self.connect_by(Tcp::new(address)).await
    }

    /// Connects through another transport.
    ///
    /// # Errors
    ///
    /// Fails as [`connect`](Self::connect) does.
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the connection.
    pub async fn connect_by(self, transport: impl Connect) -> Result<Client<P, F>, Error> {
        runtime::has_timers()?;
        let (transport, reconnect) = (Arc::new(transport), self.reconnect);
        let address = address_of(|| transport.address());
        let dialed = dial(&*transport, &address, &self.limits, &self.accepted).await?;
        tracing::debug!(peer = %dialed.peer, protocol = P::NAME, format = F::NAME, "connected");
        let redial = self.redial(Alone(Arc::clone(&transport)));
        let (fails, client) = self.start(Link::Up(dialed.peer.clone()));
        if reconnect {
            spawn::<P>(reconnect::run(fails, redial, Some(Won { target: transport, dialed })), &address);
        } else {
            spawn::<P>(reconnect::run_once(fails, dialed), &address);
        }
        Ok(client)
    }

    /// Connects to a TCP address with TLS.
    ///
    /// The certificate of the server must be for the host of the address, unless
    /// [`ClientTls::server_name`](crate::transport::tls::ClientTls::server_name) is set.
    ///
    /// # Errors
    ///
    /// Fails as [`connect`](Self::connect) does, and with [`Tls`](crate::ErrorKind::Tls) if the handshake of TLS fails: if
    /// either side does not accept the certificate of the other, or if the server does not speak TLS.
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the connection.
    #[cfg(feature = "tls")]
    pub async fn connect_tls(
        self,
        address: impl Into<Address>,
        tls: impl Into<crate::transport::tls::ClientTls>,
    ) -> Result<Client<P, F>, Error> {
        self.connect_by(crate::transport::tls::Connector::new(Tcp::new(address), tls)).await
    }

    /// Returns a client at once, which connects to a TCP address in the background, and goes on trying until it is closed.
    ///
    /// Calls wait for the connection, at most for [`Limits::connection_wait`]. Whatever goes wrong, also another ServerInfo,
    /// shows in [`Client::link`] and in the errors of the calls. In a runtime without timers the client has ended at once.
    ///
    /// ```
    /// # use cmd_stream::{client::Link, Client, Json, protocol};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)] struct Add { a: i64, b: i64 }
    /// # #[derive(Serialize, Deserialize)] struct Sum(i64);
    /// # protocol! { struct Calculator { commands { 0 => Add -> Sum } replies { 0 => Sum } failure close_connection } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let client = Client::builder(Calculator, Json).connect_lazy("calculator.internal:9000");
    /// assert!(matches!(client.link(), Link::Connecting));
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If called outside of a tokio runtime.
    pub fn connect_lazy(self, address: impl Into<Address>) -> Client<P, F> {
        self.connect_lazy_by(Tcp::new(address))
    }

    /// Returns a client at once, which connects through another transport; see [`connect_lazy`](Self::connect_lazy).
    ///
    /// # Panics
    ///
    /// If called outside of a tokio runtime.
    pub fn connect_lazy_by(self, transport: impl Connect) -> Client<P, F> {
        self.connect_lazy_on(Alone(Arc::new(transport)))
    }

    /// As [`connect_lazy_by`](Self::connect_lazy_by), to one of several servers.
    pub(crate) fn connect_lazy_on(self, route: impl Route) -> Client<P, F> {
        let redial = self.redial(route);
        let address = address_of(|| redial.route.address());
        let (fails, client) = self.start(Link::Connecting);
        if let Err(error) = runtime::has_timers_if_any() {
            client.handle.shared.table.fail(error);
            return client;
        }
        spawn::<P>(reconnect::run(fails, redial, None), &address);
        client
    }

    /// Returns a client at once, which connects to a TCP address with TLS; see [`connect_lazy`](Self::connect_lazy) and
    /// [`connect_tls`](Self::connect_tls).
    ///
    /// # Panics
    ///
    /// If called outside of a tokio runtime.
    #[cfg(feature = "tls")]
    pub fn connect_lazy_tls(
        self,
        address: impl Into<Address>,
        tls: impl Into<crate::transport::tls::ClientTls>,
    ) -> Client<P, F> {
        self.connect_lazy_by(crate::transport::tls::Connector::new(Tcp::new(address), tls))
    }

    /// Uses a stream that the caller has connected to a server. Such a client cannot reconnect: it ends with its connection.
    ///
    /// # Errors
    ///
    /// Fails as [`connect`](Self::connect) does during the handshake.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the stream.
    pub async fn over(self, io: impl Io, peer: Peer) -> Result<Client<P, F>, Error> {
        runtime::has_timers()?;
        let address = peer.to_string();
        let dialed = establish((io, peer), &address, &self.limits, &self.accepted).await?;
        tracing::debug!(peer = %dialed.peer, protocol = P::NAME, format = F::NAME, "connected");
        let (fails, client) = self.start(Link::Up(dialed.peer.clone()));
        spawn::<P>(reconnect::run_once(fails, dialed), &address);
        Ok(client)
    }

    /// What the task of the client is given, and the handle of the callers.
    fn start(self, link: Link) -> (FailsWhenDropped<P, F>, Client<P, F>) {
        let Self { format, limits, timeout, keepalive, max_age, on_unexpected, member, .. } = self;
        let table = Table::new(limits, timeout, link, member);
        let shared = Arc::new(Shared { format, keepalive, max_age, on_unexpected, table });
        // The task holds `Shared` but not the handle: so the last client that is dropped ends it.
        (FailsWhenDropped::new(&shared), Client { handle: Arc::new(ClosesWhenDropped { shared }) })
    }

    fn redial<R: Route>(&self, route: R) -> Redial<R> {
        let attempts = Attempts::new(self.backoff, backoff::seed());
        Redial { route, accepted: self.accepted.clone(), attempts }
    }
}

/// Logs with a number for each client, which stays the same on all its connections.
fn spawn<P: Protocol>(task: impl Future<Output = ()> + Send + 'static, address: &str) {
    let id = CLIENTS.fetch_add(1, Ordering::Relaxed) + 1;
    let span = tracing::debug_span!("client", address, protocol = P::NAME, id);
    tokio::spawn(tracing::Instrument::instrument(task, span));
}

impl<P: Protocol, F> Clone for Builder<P, F> {
    fn clone(&self) -> Self {
        Self {
            format: Arc::clone(&self.format),
            limits: self.limits.clone(),
            accepted: self.accepted.clone(),
            timeout: self.timeout,
            keepalive: self.keepalive,
            reconnect: self.reconnect,
            backoff: self.backoff,
            max_age: self.max_age,
            on_unexpected: self.on_unexpected.clone(),
            member: self.member.clone(),
        }
    }
}

impl<P: Protocol, F> fmt::Debug for Builder<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("protocol", &P::NAME)
            .field("server_info", &self.accepted.info)
            .field("also_accept", &self.accepted.also)
            .field("limits", &self.limits)
            .field("timeout", &self.timeout)
            .field("keepalive", &self.keepalive)
            .field("reconnect", &self.reconnect)
            .field("backoff", &self.backoff)
            .field("max_age", &self.max_age)
            .finish_non_exhaustive()
    }
}
