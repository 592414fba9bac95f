//! The server's side: [`Server`], how Commands are executed, and what they and their Invokers can find out.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::connection::runtime;
use crate::error::Error;
use crate::format::Format;
use crate::proto::handshake::ServerInfo;
use crate::stats::Tally;
use crate::sync::Arc;
use crate::transport::{Accept, Address};

pub(crate) mod accept;
mod alarm;
mod alone;
mod boxes;
mod connection;
mod context;
mod control;
mod counters;
mod descriptors;
mod desk;
mod driver;
mod ending;
mod ends;
mod execute;
mod execution;
mod extensions;
mod gate;
mod handed;
mod handshaking;
mod invoker;
#[cfg(feature = "tower")]
pub(crate) mod layered;
mod limits;
mod line;
mod link;
mod memory;
mod notices;
mod pace;
mod places;
mod polling;
mod proxy;
mod rates;
mod replied;
mod running;
mod service;
mod session;
mod shedding;
mod start;
mod stats;
mod stint;
mod unserved;
mod unstarted;
mod watch;

pub use crate::proto::rate::Rate;
pub use connection::Connection;
pub use context::Context;
pub use control::{Cut, Handle, Served};
pub use counters::Counters;
#[doc(hidden)]
pub use execute::expansion;
pub use execute::{Answer, CommandVisitor, Execute, Scheduling, ServerProtocol};
pub use extensions::Extensions;
pub use invoker::{Direct, Ended, Invocation, Invoker, Stack};
pub use limits::Limits;
pub use proxy::{IntoReply, OwnedProxy, Proxy};
pub use replied::{EndedLater, Replied};
pub use stats::{CommandStats, Stats};

use control::Control;
use service::Parts;

/// Executes the Commands of the Protocol `P`, which arrive in the Format `F`, on a Receiver `R`.
///
/// It listens as soon as it has been created, and serves while [`serve`](Self::serve) is awaited.
///
/// ```
/// # use cmd_stream::{protocol, Answer, Context, Failed, Json};
/// # use serde::{Deserialize, Serialize};
/// # struct Calc;
/// # #[derive(Serialize, Deserialize)] struct Add { a: i64, b: i64 }
/// # #[derive(Serialize, Deserialize)] struct Sum(i64);
/// # impl Answer<Calc> for Add {
/// #     async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Sum, Failed> { Ok(Sum(self.a + self.b)) }
/// # }
/// # protocol! {
/// #     struct Calculator { commands { 0 => Add -> Sum } replies { 0 => Sum } failure close_connection }
/// # }
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
pub struct Server<P, F, R, I = Direct, L = TcpListener> {
    listener: L,
    parts: Arc<Parts<P, F, R, I>>,
    info: ServerInfo,
    callbacks: Arc<Callbacks>,
    control: Arc<Control>,
}

/// The callbacks for the beginning and the end of a connection.
#[derive(Default)]
struct Callbacks {
    connected: Option<OnConnected>,
    lost: Option<OnLost>,
}

type OnConnected = Box<dyn Fn(&Connection) + Send + Sync>;
type OnLost = Box<dyn Fn(&LostConnection<'_>) + Send + Sync>;

/// A connection that has ended, and why: the argument of the callback [`Builder::on_connection_lost`].
///
/// It borrows the connection. Copy what the callback passes on.
///
/// ```
/// use cmd_stream::server::LostConnection;
/// use std::sync::mpsc;
///
/// fn forward(to: mpsc::Sender<(u64, String)>) -> impl Fn(&LostConnection<'_>) {
///     move |lost| {
///         let _ = to.send((lost.connection.id(), format!("{:#}", lost.reason)));
///     }
/// }
/// # let _ = forward;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LostConnection<'a> {
    /// The connection: its number, its peer, and the application's values.
    pub connection: &'a Connection,
    /// Why it ended. If the client just closed it, this is [`ErrorKind::Closed`](crate::ErrorKind::Closed) with
    /// [`Origin::Remote`](crate::Origin::Remote).
    pub reason: Error,
    /// How many of its Commands were still running. They continue, unless their memory is needed
    /// ([`Limits::memory`]).
    pub commands_left: usize,
}

impl<P, F, R> Server<P, F, R>
where
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync + 'static,
{
    /// Creates a server with the default settings that listens on a TCP address.
    ///
    /// The address is text such as `"0.0.0.0:9000"`, a pair such as `("localhost", 9000)`, or a
    /// [`SocketAddr`](std::net::SocketAddr). Port 0 means any free port;
    /// [`Handle::local_addr`] returns which one it is.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the address cannot be listened on. The error names the address. Or there is
    ///   no tokio runtime, or it has no timers.
    /// - [`ErrorKind::Panic`](crate::ErrorKind::Panic) if the runtime has no sockets (`enable_io`).
    pub async fn bind(
        address: impl Into<Address>,
        protocol: P,
        format: F,
        receiver: R,
    ) -> Result<Self, Error> {
        Self::builder(protocol, format, receiver).bind(address).await
    }

    /// Starts to build a server with other settings.
    ///
    /// ```
    /// # use cmd_stream::{protocol, Answer, Context, Failed, Json};
    /// # use serde::{Deserialize, Serialize};
    /// # struct Calc;
    /// # #[derive(Serialize, Deserialize)] struct Add { a: i64, b: i64 }
    /// # #[derive(Serialize, Deserialize)] struct Sum(i64);
    /// # impl Answer<Calc> for Add {
    /// #     async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Sum, Failed> { Ok(Sum(self.a + self.b)) }
    /// # }
    /// # protocol! {
    /// #     struct Calculator { commands { 0 => Add -> Sum } replies { 0 => Sum } failure close_connection }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use cmd_stream::{Server, ServerInfo, server::Limits};
    ///
    /// let server = Server::builder(Calculator, Json, Calc)
    ///     .server_info(ServerInfo::new("calculator/v2")?)
    ///     .limits(Limits::default().connections(100))
    ///     .on_connected(|connection| println!("{} is here", connection.peer()))
    ///     .on_connection_lost(|lost| println!("{}: {:#}", lost.connection.peer(), lost.reason))
    ///     .bind("127.0.0.1:0")
    ///     .await?;
    /// # let _ = server;
    /// # Ok(()) }
    /// ```
    pub fn builder(protocol: P, format: F, receiver: R) -> Builder<P, F, R> {
        let _ = protocol; // only its type matters
        Builder {
            protocol: PhantomData,
            format,
            receiver,
            invoker: Direct,
            limits: Limits::default(),
            info: ServerInfo::default(),
            callbacks: Callbacks::default(),
            slow: None,
        }
    }
}

impl<P, F, R, I, L: Accept> Server<P, F, R, I, L> {
    /// Returns a handle that controls the server while it serves. It can be cloned.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.control))
    }
}

impl<P, F, R, I, L> fmt::Debug for Server<P, F, R, I, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("info", &self.info)
            .field("limits", &self.control.limits)
            .finish_non_exhaustive()
    }
}

/// The settings of a [`Server`], from [`Server::builder`]. Every default is safe in production.
pub struct Builder<P, F, R, I = Direct> {
    protocol: PhantomData<fn() -> P>,
    format: F,
    receiver: R,
    invoker: I,
    limits: Limits,
    info: ServerInfo,
    callbacks: Callbacks,
    slow: Option<Duration>,
}

impl<P, F, R, I> Builder<P, F, R, I>
where
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync + 'static,
    I: Invoker<P>,
{
    /// Sets what bounds the server. The default is [`Limits::default`].
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Sets what the server greets its clients with. The default is [`ServerInfo::default`].
    #[must_use]
    pub fn server_info(self, info: ServerInfo) -> Self {
        Self { info, ..self }
    }

    /// Adds an Invoker, through which every Command passes. The default is [`Direct`].
    ///
    /// The first one added is the outermost: it is the first to see a Command, and the last to see how it ended.
    ///
    /// A function that returns the server need not name the Invokers: `Server<P, F, R, impl Invoker<P>>`.
    #[doc(alias = "middleware")]
    #[must_use]
    pub fn invoker<J: Invoker<P>>(self, invoker: J) -> Builder<P, F, R, Stack<I, J>> {
        let Self { protocol, format, receiver, invoker: outer, limits, info, callbacks, slow } = self;
        let invoker = Stack { outer, inner: invoker };
        Builder { protocol, format, receiver, invoker, limits, info, callbacks, slow }
    }

    /// Logs Commands that take longer than this, from the moment when they were read to their end. Off by default.
    ///
    /// The event is a warning with the `name` of the Command, the `peer` and how long it `took`. For each name there is at
    /// most one per second; `left_out` says how many more there were since the last one. Commands that are quick enough
    /// to be executed where they were read are measured in groups of up to 16, each as long as its group.
    ///
    /// A Command that ends with its Proxy handed over ends when the [`OwnedProxy`] is dropped.
    #[must_use]
    pub fn log_slower_than(self, time: Duration) -> Self {
        Self { slow: Some(time), ..self }
    }

    /// Sets a callback for every new connection that has a place, before anything is read from it or sent.
    ///
    /// It may put values into the [`Connection`] for its Commands. It should be quick, as it runs on the runtime. A panic
    /// in it is contained.
    #[must_use]
    pub fn on_connected(self, callback: impl Fn(&Connection) + Send + Sync + 'static) -> Self {
        Self { callbacks: Callbacks { connected: Some(Box::new(callback)), ..self.callbacks }, ..self }
    }

    /// Sets a callback for every connection that has ended, whatever the reason.
    ///
    /// It is called once for each call of [`on_connected`](Self::on_connected), for a connection whose thread is blocked also after
    /// `serve` has returned. It should be quick, as it runs on the runtime. A panic in it is contained.
    #[must_use]
    pub fn on_connection_lost(self, callback: impl Fn(&LostConnection<'_>) + Send + Sync + 'static) -> Self {
        Self { callbacks: Callbacks { lost: Some(Box::new(callback)), ..self.callbacks }, ..self }
    }

    /// Creates the server, which listens on a TCP address; see [`Server::bind`].
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the address cannot be listened on. The error names the address. Or there is
    ///   no tokio runtime, or it has no timers.
    /// - [`ErrorKind::Panic`](crate::ErrorKind::Panic) if the runtime has no sockets (`enable_io`).
    pub async fn bind(self, address: impl Into<Address>) -> Result<Server<P, F, R, I>, Error> {
        self.listen(listen_on(address.into()).await?)
    }

    /// Creates the server, which listens on a TCP address and speaks TLS.
    ///
    /// The TLS handshake runs in the connection's own task, within [`Limits::handshake`]. One that fails is counted in
    /// [`Counters::handshakes_failed`] and logged with its reason.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the address cannot be listened on. The error names the address. Or there is
    ///   no tokio runtime, or it has no timers.
    /// - [`ErrorKind::Panic`](crate::ErrorKind::Panic) if the runtime has no sockets (`enable_io`).
    #[cfg(feature = "tls")]
    pub async fn bind_tls(
        self,
        address: impl Into<Address>,
        tls: impl Into<crate::transport::tls::ServerTls>,
    ) -> Result<Server<P, F, R, I, crate::transport::tls::Listener<TcpListener>>, Error> {
        let listener = listen_on(address.into()).await?;
        self.listen(crate::transport::tls::Listener::new(listener, tls))
    }

    /// Creates the server on the given listener: a [`TcpListener`] with settings of its own, a Unix socket, or anything
    /// else that implements [`Accept`].
    ///
    /// The listener keeps its queue of connections that are not accepted yet. That of [`TcpListener::bind`] has room for
    /// 128, which is few when all clients come back at once; that of [`bind`](Self::bind) has room for 4096.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the address of the listener cannot be determined, or if this is called in a
    /// runtime without timers.
    pub fn listen<L: Accept>(self, listener: L) -> Result<Server<P, F, R, I, L>, Error> {
        runtime::has_timers_if_any()?;
        let address = listener.local_addr();
        let address =
            address.map_err(|error: io::Error| Error::io("cannot get the address of the listener", error))?;
        let parts = Arc::new(Parts::new(self.format, self.receiver, self.invoker));
        let tally = Tally::new(P::COMMANDS, self.slow);
        let limits = descriptors::lower(self.limits, &address);
        let control = Arc::new(Control::new(address, limits, tally));
        Ok(Server { listener, parts, info: self.info, callbacks: Arc::new(self.callbacks), control })
    }
}

async fn listen_on(address: Address) -> Result<TcpListener, Error> {
    runtime::has_timers()?;
    let listening = async { TcpListener::bind(&*address.resolve().await?).await };
    let listener = runtime::opening("listening", listening)
        .await?
        .map_err(|error| Error::io(format!("cannot listen on {address}"), error))?;
    // Listening again changes only the queue. A system that does not do so keeps the one it has.
    let _ = socket2::SockRef::from(&listener).listen(QUEUE);
    Ok(listener)
}

/// How many connections the system keeps until they are accepted, if its own limit is not lower, as on Linux
/// `net.core.somaxconn`, which is 4096. Without this it is 128: of 300 clients that come back at once, some find themselves
/// connected while the system has dropped them. They wait for a greeting until their time for the handshake is over.
const QUEUE: i32 = 4096;

impl<P, F, R, I> fmt::Debug for Builder<P, F, R, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("info", &self.info)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
