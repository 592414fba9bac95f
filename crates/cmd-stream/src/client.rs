//! The client: the calls of a [`Client`] share one connection, which is replaced when it is lost.

use std::fmt;
use std::time::Duration;

use crate::error::Error;
use crate::format::{Encode, Format};
use crate::proto::frame::Seq;
use crate::protocol::kind::{HasNoReply, HasReply};
use crate::protocol::{ClientProtocol, CommandOf, Protocol};
use crate::sync::Arc;
use crate::transport::{Address, Peer};

mod builder;
pub(crate) mod call;
mod counters;
mod dial;
mod driver;
pub(crate) mod health;
mod keepalive;
mod limits;
mod link;
mod notices;
mod race;
mod reconnect;
pub(crate) mod route;
pub(crate) mod stream;
pub(crate) mod table;

pub use crate::proto::backoff::Backoff;
pub use builder::Builder;
pub use call::{Call, Post};
pub use counters::Counters;
pub use keepalive::Keepalive;
pub use limits::{Limits, Overflow};
pub use link::{Link, Links};
pub use stream::{OpenStream, ReplyStream};

use table::Table;

/// The callback for Replies that no call waits for.
type OnUnexpected<R> = Arc<dyn Fn(Seq, R) + Send + Sync>;

/// A client of the Protocol `P` in the Format `F`. All its callers share one connection, which is replaced when it is
/// lost.
///
/// Clones are the same client. The client ends with [`close`](Self::close), or when its last clone and its last stream are
/// dropped.
///
/// When the connection is lost, the client makes another one, with pauses between its attempts ([`Backoff`]). Calls whose
/// Commands may have reached the server fail at once with the reason, and [`Error::was_sent`] is true. Calls whose
/// Commands were not written yet, and new calls, wait for the next connection, at most for [`Limits::connection_wait`].
/// A connection that is dead without having been closed is noticed by [`Keepalive`]. [`link`](Self::link) and
/// [`links`](Self::links) report the state of the connection.
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

/// What the callers and the task of one client share: the table, and what depends on the Protocol and the Format.
pub(crate) struct Shared<P: Protocol, F> {
    /// The clients of a group share it.
    pub(crate) format: Arc<F>,
    keepalive: Keepalive,
    max_age: Duration,
    on_unexpected: Option<OnUnexpected<P::Reply>>,
    pub(crate) table: Table<P::Reply>,
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
        Builder::new(format)
    }

    /// Sends a Command and waits for its Reply.
    ///
    /// The call is a future: nothing happens until it is polled. If the Command is answered with several Replies, the
    /// call returns the first one. The others go to the [unexpected-reply callback](Builder::on_unexpected_reply).
    ///
    /// # Errors
    ///
    /// - [`CallError::Failed`](crate::CallError::Failed): the server answered with the Protocol's failure.
    /// - [`Encode`](crate::ErrorKind::Encode), [`Panic`](crate::ErrorKind::Panic) or
    ///   [`Limit`](crate::ErrorKind::Limit): the Command cannot be encoded or is too large. Nothing was sent, and the
    ///   connection goes on.
    /// - [`Timeout`](crate::ErrorKind::Timeout) with [`Origin::Local`](crate::Origin::Local): the deadline of the call
    ///   has passed.
    /// - [`Closed`](crate::ErrorKind::Closed) with [`Origin::Local`](crate::Origin::Local): the client was closed.
    /// - Any other kind says why the connection was lost, or why there is none.
    ///
    /// [`Error::was_sent`] tells whether the Command may have been executed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the call forgets the Command. If it was not written yet, it is never sent. If it was, a Reply that arrives
    /// for it later is unexpected; the server is not told.
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
    /// Dropping the call or the stream forgets the Command, as for [`send`](Self::send).
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
    /// If the call is dropped before the Command is written, it is never sent.
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
    /// What its callers and its task share. It does not keep the client open.
    pub(crate) fn share(&self) -> Arc<Shared<P, F>> {
        Arc::clone(&self.handle.shared)
    }

    pub(crate) fn shared(&self) -> &Shared<P, F> {
        &self.handle.shared
    }

    fn table(&self) -> &Table<P::Reply> {
        &self.shared().table
    }

    /// Closes the client and its connection immediately. All pending calls and all later ones fail with
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed). Commands that wait to be written are not sent. Those that are just being
    /// written, in one batch, are written to the end in the background, for up to 1 s, as far as the server takes them.
    pub fn close(&self) {
        self.table().close("the client was closed");
    }

    /// Closes the client if nobody waits for it, in one step: whoever comes later is told that it is closed. Returns whether it
    /// is closed, and has no callers.
    pub(crate) fn close_if_idle(&self, message: &str) -> bool {
        self.table().close_if_idle(message)
    }

    /// Waits until the client has ended for good, and returns the reason. A client that reconnects ends only when it is
    /// closed.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped and called again.
    pub async fn closed(&self) -> Error {
        self.table().link.closed().await
    }

    /// Waits until there is a connection, and returns the server at the other end. Returns at once if there is one.
    ///
    /// A caller whose call failed because there is no connection can wait here before it tries again. [`Error`] says
    /// when that is safe.
    ///
    /// ```
    /// # use cmd_stream::{Client, Json, Origin, protocol};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)] struct Add { a: i64, b: i64 }
    /// # #[derive(Serialize, Deserialize)] struct Sum(i64);
    /// # protocol! { struct Calculator { commands { 0 => Add -> Sum } replies { 0 => Sum } failure close_connection } }
    /// # async fn example(client: Client<Calculator, Json>) -> Result<Sum, cmd_stream::Error> {
    /// loop {
    ///     match client.send(Add { a: 2, b: 3 }).await {
    ///         Ok(sum) => return Ok(sum),
    ///         // It was not sent, so it cannot run twice. And it failed for want of a connection.
    ///         Err(error) if !error.was_sent() && error.origin() != Origin::Local => client.connected().await?,
    ///         Err(error) => return Err(error.into()),
    ///     };
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Why the client has ended, if it has.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped and called again.
    pub async fn connected(&self) -> Result<Peer, Error> {
        let mut links = self.links();
        loop {
            match links.changed().await {
                Some(Link::Up(peer)) => return Ok(peer),
                Some(Link::Closed(reason)) => return Err(reason),
                Some(Link::Connecting | Link::Down { .. }) => {}
                None => return Err(self.closed().await),
            }
        }
    }

    /// Replaces the connection when the server has answered what it has, at most after [`Limits::drain`], or twice that if
    /// the client is alone. Without a connection, the next attempt begins at once.
    pub(crate) fn retire(&self) {
        self.table().retire(self.limits().drain);
    }

    /// As [`retire`](Self::retire), unless this is the last client of a group that takes calls. Returns whether it is replaced.
    pub(crate) fn retire_unless_last(&self) -> bool {
        self.table().retire_unless_last(self.limits().drain)
    }

    /// Whether nothing more is written on the connection, because it is to be replaced.
    pub(crate) fn is_draining(&self) -> bool {
        self.table().is_draining()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.table().limits
    }

    pub(crate) fn health(&self) -> &Arc<health::Health> {
        &self.table().health
    }

    /// Returns the state of the connection.
    pub fn link(&self) -> Link {
        self.table().link.link()
    }

    /// Watches the state of the connection.
    pub fn links(&self) -> Links {
        Links::new(Arc::clone(&self.table().link))
    }

    /// Returns the server at the other end, or `None` while there is no connection.
    pub fn peer(&self) -> Option<Peer> {
        match self.link() {
            Link::Up(peer) => Some(peer),
            _ => None,
        }
    }

    /// Returns what the client has counted.
    pub fn counters(&self) -> Counters {
        self.table().counts.snapshot()
    }

    /// Returns the number of callers that wait: calls that have not taken their Reply, one-way Commands that are not written
    /// yet, and open streams.
    ///
    /// [`Limits::in_flight`] counts something else: the Commands that the server has to answer, also those of calls that were
    /// dropped or timed out.
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
        f.debug_struct("Client").field("link", &self.link()).field("in_flight", &self.in_flight()).finish()
    }
}
