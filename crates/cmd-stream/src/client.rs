//! The client: [`Client`] is one multiplexed connection, and calls are made on it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::timeout;

use crate::connection::Inbox;
use crate::error::{Error, ErrorKind, Origin};
use crate::format::{Encode, Format};
use crate::proto::decode::{Decoded, Fault};
use crate::proto::frame::Seq;
use crate::proto::handshake::ServerInfo;
use crate::protocol::kind::{HasNoReply, HasReply};
use crate::protocol::{ClientProtocol, CommandOf, Protocol};
use crate::sync::Arc;
use crate::transport::{Address, Connect, Io, Peer, Tcp};

mod call;
mod driver;
mod limits;
mod stream;
mod table;

pub use call::{Call, Post};
pub use limits::{Limits, Overflow};
pub use stream::{OpenStream, ReplyStream};

use driver::Driver;
use table::Table;

/// A client of the Protocol `P` in the Format `F`, on one connection that all its callers share.
///
/// Clones share the connection. It ends with [`close`](Self::close), or when the last clone and the last stream are
/// dropped. A client does not reconnect: once the connection is lost, all pending calls and all later ones fail with the
/// reason.
///
/// ```
/// # use cmd_stream::{protocol, Command, Execute, Failed, Json, Proxy, Reply, Server};
/// # use serde::{Deserialize, Serialize};
/// # struct Numbers;
/// #[derive(Serialize, Deserialize)]
/// struct Count {
///     to: u32,
/// }
///
/// #[derive(Serialize, Deserialize)]
/// struct Number {
///     value: u32,
///     last: bool,
/// }
///
/// impl Reply for Number {
///     fn is_last(&self) -> bool {
///         self.last
///     }
/// }
/// # impl Execute<Numbers> for Count {
/// #     async fn execute(self, _: &Numbers, proxy: Proxy<'_, Number>) -> Result<(), Failed> {
/// #         for value in 1..=self.to {
/// #             proxy.send(Number { value, last: value == self.to }).await?;
/// #         }
/// #         Ok(())
/// #     }
/// # }
/// # protocol! { struct Counting { commands { 0 => Count -> Number } replies { 0 => Number } failure close_connection } }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = Server::bind("127.0.0.1:0", Counting, Json, Numbers).await?;
/// # let handle = server.handle();
/// # let address = handle.local_addr();
/// # tokio::spawn(server.serve());
/// use cmd_stream::Client;
///
/// let client = Client::connect(address, Counting, Json).await?;
/// let mut numbers = client.stream(Count { to: 3 }).await?;
/// let mut sum = 0;
/// while let Some(number) = numbers.next().await {
///     sum += number?.value;
/// }
/// assert_eq!(sum, 6);
/// # Ok(()) }
/// ```
pub struct Client<P: Protocol, F> {
    handle: Arc<ClosesWhenDropped<P, F>>,
}

/// What the callers and the task of one connection share: the table, and what depends on the Protocol and the Format.
struct Shared<P: Protocol, F> {
    format: F,
    on_unexpected: Option<OnUnexpected<P::Reply>>,
    table: Table<P::Reply>,
}

struct ClosesWhenDropped<P: Protocol, F> {
    shared: Arc<Shared<P, F>>,
}

impl<P: Protocol, F> Drop for ClosesWhenDropped<P, F> {
    fn drop(&mut self) {
        self.shared.table.close("the client was dropped");
    }
}

impl<P, F> Client<P, F>
where
    P: ClientProtocol<F>,
    F: Format,
{
    /// Connects to a TCP address with the default settings.
    ///
    /// # Errors
    ///
    /// Fails as [`Builder::connect`] does.
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the connection.
    pub async fn connect(address: impl Into<Address>, protocol: P, format: F) -> Result<Self, Error> {
        Self::builder(protocol, format).connect(address).await
    }

    /// Configures a client before it connects.
    pub fn builder(protocol: P, format: F) -> Builder<P, F> {
        let _ = protocol; // only its type matters
        let info = ServerInfo::default();
        Builder { format, limits: Limits::default(), info, also: Vec::new(), on_unexpected: None }
    }

    /// Sends a Command and waits for its Reply.
    ///
    /// The call is a future: nothing happens until it is polled. If the Command is answered with several Replies, the
    /// call returns the first one. The others go to the [unexpected-reply callback](Builder::on_unexpected_reply).
    ///
    /// # Errors
    ///
    /// - [`CallError::Failed`](crate::CallError::Failed): the server answered with the Protocol's failure.
    /// - [`Encode`](ErrorKind::Encode), [`Panic`](ErrorKind::Panic) or [`Limit`](ErrorKind::Limit): the Command
    ///   cannot be encoded or is too large. Nothing was sent, and the connection goes on.
    /// - Any other kind says why the connection ended. [`Error::was_sent`] tells whether the Command may have been
    ///   executed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the call forgets the Command: a Reply that arrives for it later is unexpected. The server is not told.
    #[doc(alias = "call")]
    #[doc(alias = "request")]
    #[doc(alias = "rpc")]
    pub fn send<C>(&self, command: C) -> Call<'_, P, F, C>
    where
        C: CommandOf<P, Kind: HasReply>,
        F: Encode<C>,
    {
        Call::new(self, command)
    }

    /// Sends a Command and returns its Replies as a [`Stream`](futures_core::Stream), which ends after the last one.
    ///
    /// Nothing happens until the call is polled. It completes when the Command is in the connection's output.
    ///
    /// # Errors
    ///
    /// Fails as [`send`](Self::send) does if the Command cannot be sent or the connection has ended. Later errors are items
    /// of the stream.
    ///
    /// # Cancel safety
    ///
    /// Dropping the call or the stream forgets the Command.
    pub fn stream<C>(&self, command: C) -> OpenStream<'_, P, F, C>
    where
        C: CommandOf<P, Kind: HasReply>,
        F: Encode<C>,
    {
        OpenStream::new(self, command)
    }

    /// Sends a one-way Command (`5 => Note -> ()`), which is never answered.
    ///
    /// Nothing happens until the call is polled. It completes when the Command has been written to the transport. That does
    /// not mean that it has arrived, or that it will be executed. Commands that are sent after it may be executed before it,
    /// because the server executes Commands concurrently.
    ///
    /// # Errors
    ///
    /// Fails as [`send`](Self::send) does, except that the server cannot answer with a failure.
    ///
    /// # Cancel safety
    ///
    /// If the call is dropped early, the Command is sent whole or not at all.
    #[doc(alias = "fire_and_forget")]
    #[doc(alias = "notify")]
    pub fn post<C>(&self, command: C) -> Post<'_, P, F, C>
    where
        C: CommandOf<P, Kind: HasNoReply>,
        F: Encode<C>,
    {
        Post::new(self, command)
    }
}

impl<P: Protocol, F> Client<P, F> {
    fn shared(&self) -> &Shared<P, F> {
        &self.handle.shared
    }

    fn table(&self) -> &Table<P::Reply> {
        &self.shared().table
    }

    /// Closes the connection immediately. All pending calls and all later ones fail with [`ErrorKind::Closed`]. Commands
    /// that have not been written are not sent.
    pub fn close(&self) {
        self.table().close("the client was closed");
    }

    /// Waits until the connection has ended, and returns the reason.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped and called again.
    pub async fn closed(&self) -> Error {
        self.table().closed().await
    }

    /// Returns the server at the other end, or `None` once the connection has ended.
    pub fn peer(&self) -> Option<Peer> {
        let table = self.table();
        (!table.is_closed()).then(|| table.peer.clone())
    }

    /// Returns the number of Commands that have been sent and not yet forgotten: calls that have not taken their Reply,
    /// one-way Commands that are not written yet, and open streams.
    pub fn in_flight(&self) -> usize {
        self.table().in_flight()
    }
}

impl<P: Protocol, F> Clone for Client<P, F> {
    fn clone(&self) -> Self {
        Self { handle: Arc::clone(&self.handle) }
    }
}

impl<P: Protocol, F> fmt::Debug for Client<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("peer", &self.peer()).field("in_flight", &self.in_flight()).finish()
    }
}

/// Counts the connections of all clients in this process. The log numbers them.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// The callback for Replies that no call waits for.
type OnUnexpected<R> = Box<dyn Fn(Seq, R) + Send + Sync>;

/// The settings of a [`Client`], made by [`Client::builder`]. Every default is safe in production.
pub struct Builder<P: Protocol, F> {
    format: F,
    limits: Limits,
    info: ServerInfo,
    also: Vec<ServerInfo>,
    on_unexpected: Option<OnUnexpected<P::Reply>>,
}

impl<P, F> Builder<P, F>
where
    P: ClientProtocol<F>,
    F: Format,
{
    /// Sets the limits. The default is [`Limits::default`].
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Sets the ServerInfo that the server is expected to greet with. The default is [`ServerInfo::default`];
    /// [`ServerInfo::of`] distinguishes versions of a service.
    #[must_use]
    pub fn server_info(self, info: ServerInfo) -> Self {
        Self { info, ..self }
    }

    /// Accepts one more ServerInfo besides that of [`server_info`](Self::server_info). The order of the calls does not
    /// matter, and it can be called several times. This allows clients of the next version to be deployed before its
    /// servers.
    #[must_use]
    pub fn also_accept(mut self, info: ServerInfo) -> Self {
        self.also.push(info);
        self
    }

    /// Sets a callback for Replies that no call waits for, because the call was dropped or already had its last Reply. The
    /// callback should be quick, because the connection's task runs it. A panic in it is contained. Without a callback,
    /// such Replies are dropped.
    #[must_use]
    pub fn on_unexpected_reply(self, callback: impl Fn(Seq, P::Reply) + Send + Sync + 'static) -> Self {
        Self { on_unexpected: Some(Box::new(callback)), ..self }
    }

    /// Connects to a TCP address: text such as `"localhost:9000"`, `("localhost", 9000)`, a
    /// [`SocketAddr`](std::net::SocketAddr), or what
    /// [`Handle::local_addr`](crate::server::Handle::local_addr) says.
    ///
    /// # Errors
    ///
    /// - [`Io`](ErrorKind::Io): no connection can be made.
    /// - [`Timeout`](ErrorKind::Timeout): connecting or the handshake took longer than [`Limits`] allow.
    /// - [`ServerInfoMismatch`](ErrorKind::ServerInfoMismatch): the server greets with another ServerInfo.
    /// - [`Decode`](ErrorKind::Decode), [`Limit`](ErrorKind::Limit), [`UnexpectedEof`](ErrorKind::UnexpectedEof),
    ///   [`Closed`](ErrorKind::Closed): the peer does not greet as a server does, or it hung up.
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
        let connected = timeout(self.limits.connect, transport.connect()).await;
        let address = transport.address();
        let (io, peer) = connected
            .map_err(|_| {
                let message = format!("connecting to {address} took too long (`Limits::connect`)");
                Error::new(ErrorKind::Timeout, Origin::System, message)
            })?
            .map_err(|error| Error::io(format!("cannot connect to {address}"), error))?;
        self.over(io, peer).await
    }

    /// Uses a stream that the caller has connected to a server.
    ///
    /// # Errors
    ///
    /// Fails as [`connect`](Self::connect) does during the handshake.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the stream.
    pub async fn over(self, mut io: impl Io, peer: Peer) -> Result<Client<P, F>, Error> {
        let mut inbox = Inbox::default();
        let handshake = timeout(self.limits.handshake, greet(&mut io, &peer, &mut inbox)).await;
        let info = handshake.map_err(|_| {
            let message = format!("{peer} sent no server info in time (`Limits::handshake`)");
            Error::new(ErrorKind::Timeout, Origin::Remote, message)
        })??;
        // Checked before anything is sent: a server of another version might take the Commands for others.
        if info != self.info && !self.also.contains(&info) {
            let expected: Vec<_> =
                [&self.info].into_iter().chain(&self.also).map(ToString::to_string).collect();
            let expected = expected.join(" or ");
            let message = format!("server info mismatch: this client expects {expected}, {peer} has {info}");
            return Err(Error::new(ErrorKind::ServerInfoMismatch, Origin::Remote, message));
        }
        tracing::debug!(%peer, protocol = P::NAME, format = F::NAME, "connected");
        let id = CONNECTIONS.fetch_add(1, Ordering::Relaxed) + 1;
        let span = tracing::debug_span!("client", %peer, id);
        let table = Table::new(self.limits, peer);
        let shared = Arc::new(Shared { format: self.format, on_unexpected: self.on_unexpected, table });
        let driver = Driver::new(Arc::clone(&shared), io, inbox);
        // The task holds `Shared` but not the handle: so the last client that is dropped ends it.
        tokio::spawn(tracing::Instrument::instrument(driver.run(), span));
        Ok(Client { handle: Arc::new(ClosesWhenDropped { shared }) })
    }
}

/// Reads the ServerInfo. Frames may follow it in the inbox.
async fn greet(io: &mut impl Io, peer: &Peer, inbox: &mut Inbox) -> Result<ServerInfo, Error> {
    loop {
        match ServerInfo::decode(inbox.bytes()) {
            Decoded::Value(info, taken) => {
                inbox.consume(taken);
                return Ok(info);
            }
            Decoded::Incomplete(_) => {}
            Decoded::Invalid(error) => {
                let kind = if matches!(error.fault, Fault::TooLong { .. }) {
                    ErrorKind::Limit
                } else {
                    ErrorKind::Decode
                };
                let message = format!("invalid server info from {peer}");
                return Err(Error::with_source(kind, Origin::Remote, message, error));
            }
        }
        let read = std::future::poll_fn(|cx| inbox.poll_read(io, cx)).await;
        let read =
            read.map_err(|error| Error::io(format!("reading the server info from {peer} failed"), error))?;
        if read == 0 {
            return Err(if inbox.is_empty() {
                let message = format!("{peer} closed the connection instead of greeting");
                Error::new(ErrorKind::Closed, Origin::Remote, message)
            } else {
                let message = format!("the connection to {peer} ended in the middle of the server info");
                Error::new(ErrorKind::UnexpectedEof, Origin::Remote, message)
            });
        }
    }
}

impl<P: Protocol, F> fmt::Debug for Builder<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("protocol", &P::NAME)
            .field("server_info", &self.info)
            .field("also_accept", &self.also)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
