//! The server's side: [`Server`] and its life cycle. One connection is `driver` and `session`, one Command is
//! `execution`.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use tokio::net::{TcpListener, ToSocketAddrs};

use crate::error::Error;
use crate::format::Format;
use crate::proto::handshake::ServerInfo;
use crate::protocol::ServerProtocol;
use crate::transport::{Accept, Peer};

pub(crate) mod accept;
mod control;
mod counters;
mod driver;
mod execution;
pub(crate) mod extensions;
pub(crate) mod failed;
pub(crate) mod invoker;
mod limits;
mod pace;
mod places;
pub(crate) mod proxy;
mod session;

pub use control::{Cut, Handle, Served};
pub use counters::Counters;
pub use extensions::Extensions;
pub use failed::FailedReason;
pub use invoker::Plain;
pub use limits::Limits;
pub use proxy::IntoReply;

use control::Control;
use counters::Counts;
use invoker::Invoker;
use pace::Pace;
use session::Service;

/// Executes the Commands of the Protocol `P`, which arrive in the Format `F`, on a Receiver `R`.
///
/// It listens from the moment it is made, and serves once [`serve`](Self::serve) is awaited.
///
/// ```
/// # use cmd_stream::{protocol, Command, Execute, Failed, Json, Proxy, Reply};
/// # use serde::{Deserialize, Serialize};
/// # struct Calc;
/// # #[derive(Serialize, Deserialize)] struct Add { a: i64, b: i64 }
/// # #[derive(Serialize, Deserialize)] struct Sum(i64);
/// # impl Reply for Sum {}
/// # impl Command for Add { type Reply = Sum; }
/// # impl Execute<Calc> for Add {
/// #     async fn execute(self, _: &Calc, proxy: Proxy<'_, Sum>) -> Result<(), Failed> {
/// #         proxy.send(Sum(self.a + self.b)).await
/// #     }
/// # }
/// # protocol! { struct Calculator { commands { 0 => Add } replies { 0 => Sum } } }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use cmd_stream::Server;
///
/// let server = Server::bind("127.0.0.1:0", Calculator, Json, Calc).await?;
/// let handle = server.handle();
/// println!("listening on {}", handle.local_addr());
/// let serving = tokio::spawn(server.serve());
///
/// handle.shutdown();
/// println!("{:?}", serving.await?);
/// # Ok(()) }
/// ```
pub struct Server<P, F, R, I = Plain, L = TcpListener> {
    listener: L,
    service: Arc<Service<P, F, R, I>>,
    info: ServerInfo,
    on_lost: Option<OnLost>,
    control: Arc<Control>,
}

/// What is called when a connection has ended.
type OnLost = Arc<dyn Fn(&LostConnection) + Send + Sync>;

/// A connection that has ended, and why.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LostConnection {
    /// Who was at the other end.
    pub peer: Peer,
    /// The number of the connection: they are counted from 1.
    pub id: u64,
    /// Why it ended. A client that just leaves gives [`ErrorKind::Closed`](crate::ErrorKind::Closed) of
    /// [`Origin::Remote`](crate::Origin::Remote).
    pub reason: Error,
    /// How many of its Commands were still running. They run on.
    pub commands_left: usize,
}

impl<P, F, R> Server<P, F, R>
where
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync + 'static,
{
    /// A server with the default settings that listens on a TCP address. Port 0 takes a free one; the
    /// [handle](Self::handle) knows which.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the address cannot be listened on.
    pub async fn bind(
        address: impl ToSocketAddrs,
        protocol: P,
        format: F,
        receiver: R,
    ) -> Result<Self, Error> {
        Self::builder(protocol, format, receiver).bind(address).await
    }

    /// A server with settings of its own.
    ///
    /// ```
    /// # use cmd_stream::{protocol, Command, Execute, Failed, Json, Proxy, Reply};
    /// # use serde::{Deserialize, Serialize};
    /// # struct Calc;
    /// # #[derive(Serialize, Deserialize)] struct Add { a: i64, b: i64 }
    /// # #[derive(Serialize, Deserialize)] struct Sum(i64);
    /// # impl Reply for Sum {}
    /// # impl Command for Add { type Reply = Sum; }
    /// # impl Execute<Calc> for Add {
    /// #     async fn execute(self, _: &Calc, proxy: Proxy<'_, Sum>) -> Result<(), Failed> {
    /// #         proxy.send(Sum(self.a + self.b)).await
    /// #     }
    /// # }
    /// # protocol! { struct Calculator { commands { 0 => Add } replies { 0 => Sum } } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use cmd_stream::{Server, ServerInfo, server::Limits};
    ///
    /// let server = Server::builder(Calculator, Json, Calc)
    ///     .server_info(ServerInfo::new("calculator/v2")?)
    ///     .limits(Limits::default().connections(100))
    ///     .on_connection_lost(|lost| println!("{}: {}", lost.peer, lost.reason))
    ///     .bind("127.0.0.1:0")
    ///     .await?;
    /// # let _ = server;
    /// # Ok(()) }
    /// ```
    pub fn builder(protocol: P, format: F, receiver: R) -> Builder<P, F, R> {
        let _ = protocol; // all that is known of it is its type
        Builder {
            protocol: PhantomData,
            format,
            receiver,
            invoker: Plain,
            limits: Limits::default(),
            info: ServerInfo::default(),
            on_lost: None,
        }
    }
}

impl<P, F, R, I, L: Accept> Server<P, F, R, I, L> {
    /// What steers the server while it serves. It can be cloned.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.control))
    }
}

impl<P, F, R, I, L> fmt::Debug for Server<P, F, R, I, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("info", &self.info)
            .field("limits", &self.service.limits)
            .finish_non_exhaustive()
    }
}

/// Settings of a [`Server`]; made by [`Server::builder`]. Each has a default that is safe in production.
pub struct Builder<P, F, R, I = Plain> {
    protocol: PhantomData<fn() -> P>,
    format: F,
    receiver: R,
    invoker: I,
    limits: Limits,
    info: ServerInfo,
    on_lost: Option<OnLost>,
}

impl<P, F, R, I> Builder<P, F, R, I>
where
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync + 'static,
    I: Invoker<P>,
{
    /// What bounds the server. [`Limits::default`] unless set.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// What the server greets with. [`ServerInfo::default`] unless set.
    #[must_use]
    pub fn server_info(self, info: ServerInfo) -> Self {
        Self { info, ..self }
    }

    /// Through which every Command passes. [`Plain`] unless set.
    #[must_use]
    pub fn invoker<J: Invoker<P>>(self, invoker: J) -> Builder<P, F, R, J> {
        let Self { protocol, format, receiver, limits, info, on_lost, .. } = self;
        Builder { protocol, format, receiver, invoker, limits, info, on_lost }
    }

    /// Called when a connection has ended, whatever the reason. It should be quick, as it runs on the runtime; a panic
    /// in it is contained.
    #[must_use]
    pub fn on_connection_lost(self, call: impl Fn(&LostConnection) + Send + Sync + 'static) -> Self {
        Self { on_lost: Some(Arc::new(call)), ..self }
    }

    /// A server that listens on a TCP address. Port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the address cannot be listened on.
    pub async fn bind(self, address: impl ToSocketAddrs) -> Result<Server<P, F, R, I>, Error> {
        let listener = TcpListener::bind(address).await.map_err(|error| Error::io("binding", error))?;
        self.listen(listener)
    }

    /// A server on a listener of the caller's own: a [`TcpListener`] with its own settings, a Unix socket, or anything
    /// else that implements [`Accept`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the listener does not tell its address.
    pub fn listen<L: Accept>(self, listener: L) -> Result<Server<P, F, R, I, L>, Error> {
        let address = listener.local_addr().map_err(|error: io::Error| Error::io("listening", error))?;
        let service = Arc::new(Service {
            protocol: self.protocol,
            format: self.format,
            receiver: self.receiver,
            invoker: self.invoker,
            limits: self.limits,
            counts: Arc::new(Counts::default()),
            paces: P::COMMANDS.iter().map(|_| Pace::default()).collect(),
        });
        let control = Arc::new(Control::new(address, Arc::clone(&service.counts)));
        Ok(Server { listener, service, info: self.info, on_lost: self.on_lost, control })
    }
}

impl<P, F, R, I> fmt::Debug for Builder<P, F, R, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("info", &self.info)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
