//! The settings of a Sender, and how it starts.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Sender;
use super::core::Core;
use super::retry::{Retries, Retry};
use crate::circuit_breaker;
use crate::client::{self, Backoff, Keepalive, Limits};
use crate::connection::runtime;
use crate::error::{Error, ErrorKind, Origin};
use crate::format::{Encode, Format};
use crate::group::endpoints::{Endpoints, List, first_set};
use crate::group::{BreakerChange, Group, OnBreakerChange, Probing, Settings, Strategy};
use crate::health::Health;
use crate::hooks::{Hooks, NoHooks};
use crate::proto::frame::Seq;
use crate::proto::handshake::ServerInfo;
use crate::protocol::{ClientProtocol, CommandOf, Protocol};
use crate::stats::Tally;
use crate::sync::Arc;
use crate::transport::{Address, Connect, Tcp};

/// The settings of a [`Sender`], made by [`Sender::builder`]. Every default is safe in production, but for the endpoints,
/// which have none.
///
/// ```
/// # use cmd_stream::{Json, protocol};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)] struct Add { a: i64, b: i64 }
/// # #[derive(Serialize, Deserialize)] struct Sum(i64);
/// # protocol! { struct Calculator { commands { 0 => Add -> Sum } replies { 0 => Sum } failure close_connection } }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use cmd_stream::Sender;
///
/// let sender = Sender::builder(Calculator, Json)
///     .endpoints(["10.0.0.1:9000", "10.0.0.2:9000"])
///     .clients(4)
///     .timeout(Duration::from_secs(2))
///     .connect()
///     .await?;
/// # let _ = sender; Ok(()) }
/// ```
#[must_use = "a Sender is made by `connect`"]
pub struct Builder<P: Protocol, F, H = NoHooks, E = List> {
    client: client::Builder<P, F>,
    endpoints: E,
    clients: Option<usize>,
    minimum: usize,
    /// `None` is the default one.
    strategy: Option<Box<dyn Strategy>>,
    breaker: Option<circuit_breaker::Settings>,
    on_breaker_change: Option<OnBreakerChange>,
    probing: Option<Probing<P, F>>,
    #[cfg(feature = "tls")]
    tls: Option<crate::transport::tls::ClientTls>,
    timeout: Duration,
    retry: Retry,
    slow: Option<Duration>,
    hooks: H,
}

impl<P, F> Builder<P, F>
where
    P: ClientProtocol<F>,
    F: Format,
{
    pub(super) fn new(protocol: P, format: F) -> Self {
        Self {
            client: client::Client::builder(protocol, format),
            endpoints: List::new(<[Address; 0]>::default()),
            clients: None,
            minimum: 1,
            strategy: None,
            breaker: None,
            on_breaker_change: None,
            probing: None,
            #[cfg(feature = "tls")]
            tls: None,
            timeout: DEFAULT_TIMEOUT,
            retry: Retry::default(),
            slow: None,
            hooks: NoHooks,
        }
    }
}

impl<P, F, H, E> Builder<P, F, H, E>
where
    P: ClientProtocol<F>,
    F: Format,
    H: Hooks<P>,
    E: Endpoints,
{
    /// Sets the addresses of the servers. They do not change; see [`endpoints_from`](Self::endpoints_from) for those that
    /// do.
    pub fn endpoints(self, addresses: impl IntoIterator<Item: Into<Address>>) -> Builder<P, F, H> {
        self.endpoints_from(List::new(addresses))
    }

    /// Sets where the addresses of the servers come from: [`Dns`](crate::group::endpoints::Dns), a
    /// [stream](crate::group::endpoints::from_stream) of sets, or a source of your own.
    ///
    /// When the set changes, the connections to servers that are gone are replaced, after the servers have answered what they
    /// have. New servers take over some of the clients.
    pub fn endpoints_from<N: Endpoints>(self, source: N) -> Builder<P, F, H, N> {
        let Self { client, clients, minimum, strategy, breaker, on_breaker_change, probing, .. } = self;
        Builder {
            client,
            endpoints: source,
            clients,
            minimum,
            strategy,
            breaker,
            on_breaker_change,
            probing,
            #[cfg(feature = "tls")]
            tls: self.tls,
            timeout: self.timeout,
            retry: self.retry,
            slow: self.slow,
            hooks: self.hooks,
        }
    }

    /// Sets how many clients there are, each with one connection. By default as many as there are endpoints at first. At
    /// least 1, at most 1024.
    ///
    /// They are spread evenly over the endpoints. With fewer clients than endpoints, some endpoints get none, until others
    /// fail.
    pub fn clients(self, clients: usize) -> Self {
        Self { clients: Some(clients.clamp(1, MOST_CLIENTS)), ..self }
    }

    /// Sets how many clients must have a connection before [`connect`](Self::connect) returns. 1 by default. The others go
    /// on connecting. More than there are [`clients`](Self::clients) is an error of `connect`.
    pub fn minimum(self, clients: usize) -> Self {
        Self { minimum: clients.max(1), ..self }
    }

    /// Sets how the client is chosen that takes a call. The default is
    /// [`PowerOfTwoChoices`](crate::group::PowerOfTwoChoices).
    pub fn strategy(self, strategy: impl Strategy) -> Self {
        Self { strategy: Some(Box::new(strategy)), ..self }
    }

    /// Gives each client a circuit breaker. A client whose breaker is open is passed over. There is none by default.
    ///
    /// For one breaker over the whole Sender, give a [`CircuitBreaker`](crate::circuit_breaker::CircuitBreaker) to
    /// [`hooks`](Self::hooks).
    pub fn breaker(self, settings: circuit_breaker::Settings) -> Self {
        Self { breaker: Some(settings), ..self }
    }

    /// Sets a function that is told each change of the state of a client's [breaker](Self::breaker), and whose it is. There is
    /// none by default. Changes are also logged at `info`.
    ///
    /// It is called as [`Settings::on_change`](circuit_breaker::Settings::on_change) is, and must not block. A panic in it is
    /// caught and logged.
    ///
    /// ```
    /// # use cmd_stream::{Json, protocol};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)] struct Add { a: i64, b: i64 }
    /// # #[derive(Serialize, Deserialize)] struct Sum(i64);
    /// # protocol! { struct Calculator { commands { 0 => Add -> Sum } replies { 0 => Sum } failure close_connection } }
    /// use cmd_stream::{Sender, circuit_breaker::Settings};
    ///
    /// let builder = Sender::builder(Calculator, Json)
    ///     .endpoints(["10.0.0.1:9000", "10.0.0.2:9000"])
    ///     .breaker(Settings::default())
    ///     .on_breaker_change(|change| {
    ///         println!("the breaker of client {} ({:?}) is {}", change.member(), change.address(), change.state());
    ///     });
    /// # let _ = builder;
    /// ```
    pub fn on_breaker_change(self, callback: impl Fn(&BreakerChange) + Send + Sync + 'static) -> Self {
        Self { on_breaker_change: Some(Arc::new(callback)), ..self }
    }

    /// Asks the server of each client whether it serves, by the Command [`Health`]: as soon as it is connected, and then each
    /// time after `every`, up to a tenth more or less. `every` is at least 10 ms. By default nobody is asked.
    ///
    /// A client is passed over if its server says that it does not serve or is about to end, or if two probes in a row are not
    /// answered within `every`, or are answered with the failure of the Protocol, or lose the connection. It is back as soon as
    /// a probe says that the server serves. If no other client is available, those that are passed over take calls all the same.
    /// [`Member::unavailable`](crate::group::Member::unavailable) says why one is. Changes are also logged at `info`.
    ///
    /// All servers must know `Health`: one that does not closes the connection. Probes are not calls of the Sender: no hooks are
    /// told, no circuit breaker and no budget of retries counts them.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)] struct Add { a: i64, b: i64 }
    /// # #[derive(Serialize, Deserialize)] struct Sum(i64);
    /// use std::time::Duration;
    /// use cmd_stream::health::{Health, HealthReply};
    /// use cmd_stream::{Json, Sender, protocol};
    ///
    /// protocol! {
    ///     struct Calculator {
    ///         commands { 0 => Add -> Sum, 1 => Health }
    ///         replies { 0 => Sum, 1 => HealthReply }
    ///         failure close_connection
    ///     }
    /// }
    ///
    /// let builder = Sender::builder(Calculator, Json)
    ///     .endpoints(["10.0.0.1:9000", "10.0.0.2:9000"])
    ///     .probe(Duration::from_secs(5));
    /// # let _ = builder;
    /// ```
    pub fn probe(self, every: Duration) -> Self
    where
        F: Encode<Health>,
        Health: CommandOf<P>,
    {
        Self { probing: Some(Probing::new(every)), ..self }
    }

    /// Connects with TLS. The certificate of each server must be for the host of its address, unless
    /// [`ClientTls::server_name`](crate::transport::tls::ClientTls::server_name) is set.
    #[cfg(feature = "tls")]
    pub fn tls(self, tls: impl Into<crate::transport::tls::ClientTls>) -> Self {
        Self { tls: Some(tls.into()), ..self }
    }

    /// Sets the limits of each client. [`Limits::connection_wait`] holds for the Sender: so long a call waits for any of the
    /// clients.
    pub fn limits(self, limits: Limits) -> Self {
        Self { client: self.client.limits(limits), ..self }
    }

    /// Sets the ServerInfo that the servers are expected to greet with; see
    /// [`client::Builder::server_info`](crate::client::Builder::server_info).
    pub fn server_info(self, info: ServerInfo) -> Self {
        Self { client: self.client.server_info(info), ..self }
    }

    /// Accepts one more ServerInfo; see [`client::Builder::also_accept`](crate::client::Builder::also_accept).
    pub fn also_accept(self, info: ServerInfo) -> Self {
        Self { client: self.client.also_accept(info), ..self }
    }

    /// Sets when servers are pinged, and when one is taken for dead; see
    /// [`client::Builder::keepalive`](crate::client::Builder::keepalive).
    pub fn keepalive(self, keepalive: Keepalive) -> Self {
        Self { client: self.client.keepalive(keepalive), ..self }
    }

    /// Sets the pauses between attempts to connect; see [`client::Builder::backoff`](crate::client::Builder::backoff).
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { client: self.client.backoff(backoff), ..self }
    }

    /// Sets after which time a connection is replaced; see
    /// [`client::Builder::max_age`](crate::client::Builder::max_age).
    pub fn max_age(self, time: Duration) -> Self {
        Self { client: self.client.max_age(time), ..self }
    }

    /// Sets a callback for Replies that no call waits for; see
    /// [`client::Builder::on_unexpected_reply`](crate::client::Builder::on_unexpected_reply).
    pub fn on_unexpected_reply(self, callback: impl Fn(Seq, P::Reply) + Send + Sync + 'static) -> Self {
        Self { client: self.client.on_unexpected_reply(callback), ..self }
    }

    /// Sets the default timeout of calls. 30 s by default; [`Duration::MAX`] means none. For a stream, this is the time to
    /// its first Reply; for a one-way Command, the time until it is written.
    pub fn timeout(self, time: Duration) -> Self {
        Self { timeout: time, ..self }
    }

    /// Sets when Commands are sent again. The default is [`Retry::default`].
    pub fn retry(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }

    /// Logs calls that take longer than this, from their first poll to their end; see
    /// [`CommandStats::latency`](super::CommandStats::latency). Off by default.
    ///
    /// The event is a warning with the `name` of the Command, the `peer` of the last attempt, if it is connected, and how long
    /// the call `took`. For each name there is at most one per second; `left_out` says how many more there were since the
    /// last one.
    pub fn log_slower_than(self, time: Duration) -> Self {
        Self { slow: Some(time), ..self }
    }

    /// Sets the hooks. They replace those that were set before. For several, set a pair: `(A, B)` is a hook, and so is
    /// `(A, (B, C))`.
    pub fn hooks<N: Hooks<P>>(self, hooks: N) -> Builder<P, F, N, E> {
        let Self {
            client, endpoints, clients, minimum, strategy, breaker, on_breaker_change, probing, ..
        } = self;
        Builder {
            client,
            endpoints,
            clients,
            minimum,
            strategy,
            breaker,
            on_breaker_change,
            probing,
            #[cfg(feature = "tls")]
            tls: self.tls,
            timeout: self.timeout,
            retry: self.retry,
            slow: self.slow,
            hooks,
        }
    }

    /// Connects all clients at the same time, and returns when the [minimum](Self::minimum) has a connection. The others go on
    /// connecting: an address that does not answer holds nothing up. With fewer clients than endpoints, a client whose endpoint
    /// has not greeted after 250 ms tries others beside it, and takes the first one that greets.
    ///
    /// # Errors
    ///
    /// The attempts of so many clients have failed that the minimum cannot be reached: why one of them did, as
    /// [`client::Builder::connect`](crate::client::Builder::connect) says. Or the source of endpoints has none within
    /// [`Limits::connect`], or panics. Or the minimum is greater than the number of clients.
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the connections.
    pub async fn connect(self) -> Result<Sender<P, F, H>, Error> {
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls.clone() {
            return self
                .connect_by(move |address| {
                    crate::transport::tls::Connector::new(Tcp::new(address.clone()), tls.clone())
                })
                .await;
        }
        self.connect_by(|address| Tcp::new(address.clone())).await
    }

    /// Connects through another transport. `make` makes the one to an endpoint. [`tls`](Self::tls) has no effect.
    ///
    /// # Errors
    ///
    /// Fails as [`connect`](Self::connect) does.
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the connections.
    pub async fn connect_by<T: Connect>(
        mut self,
        make: impl Fn(&Address) -> T + Send + Sync + 'static,
    ) -> Result<Sender<P, F, H>, Error> {
        runtime::has_timers()?;
        let (time, mut failure) = (self.client.get_limits().get_connect(), None);
        let first = match Instant::now().checked_add(time) {
            Some(end) => timeout_at(end, first_set(&mut self.endpoints, &mut failure)).await.ok(),
            None => Some(first_set(&mut self.endpoints, &mut failure).await),
        };
        let Some(first) = first.transpose()? else {
            let message = format!("no endpoints are known after {time:?} (`Limits::connect`)");
            let (kind, origin) = (ErrorKind::Timeout, Origin::System);
            return Err(match failure {
                Some(failure) => Error::with_source(kind, origin, message, failure),
                None => Error::new(kind, origin, message),
            });
        };
        if first.is_empty() {
            let message = "there are no endpoints to connect to (`Builder::endpoints`)";
            return Err(Error::new(ErrorKind::Io, Origin::Local, message));
        }
        let (minimum, endpoints) = (self.minimum, first.len());
        let clients = self.clients_for(Some(&first));
        if minimum > clients {
            let message = format!(
                "a minimum of {minimum} clients cannot be reached by {clients} (`Builder::minimum`, `Builder::clients`)"
            );
            return Err(Error::new(ErrorKind::Io, Origin::Local, message));
        }
        let sender = self.start(Some(first), false, make);
        sender.group().ready(minimum, endpoints).await?;
        Ok(sender)
    }

    /// Returns a Sender at once, which connects in the background, and goes on trying until it is closed.
    ///
    /// Calls wait for a connection, at most for [`Limits::connection_wait`]. Without [`clients`](Self::clients) there are as many
    /// clients as endpoints if these are known at once, as those of a list are. Otherwise there is one. The
    /// [`minimum`](Self::minimum) has no effect.
    ///
    /// # Panics
    ///
    /// If called outside of a tokio runtime.
    pub fn connect_lazy(self) -> Sender<P, F, H> {
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls.clone() {
            return self.connect_lazy_by(move |address| {
                crate::transport::tls::Connector::new(Tcp::new(address.clone()), tls.clone())
            });
        }
        self.connect_lazy_by(|address| Tcp::new(address.clone()))
    }

    /// Returns a Sender at once, which connects through another transport; see [`connect_lazy`](Self::connect_lazy) and
    /// [`connect_by`](Self::connect_by).
    ///
    /// # Panics
    ///
    /// If called outside of a tokio runtime.
    pub fn connect_lazy_by<T: Connect>(
        mut self,
        make: impl Fn(&Address) -> T + Send + Sync + 'static,
    ) -> Sender<P, F, H> {
        // What is known is known at the first look. If the source panics, it is not asked again.
        let first = {
            let mut failure = None;
            let first = pin!(first_set(&mut self.endpoints, &mut failure));
            first.poll(&mut Context::from_waker(Waker::noop()))
        };
        match first {
            Poll::Ready(Ok(first)) => {
                let is_final = first.is_empty(); // it has said that it has none, and is not asked again
                self.start(Some(first), is_final, make)
            }
            Poll::Ready(Err(panic)) if panic.kind() == ErrorKind::Panic => {
                tracing::error!(%panic, "the endpoints of the group do not change any more");
                self.start(None, true, make)
            }
            Poll::Ready(Err(_)) | Poll::Pending => self.start(None, false, make),
        }
    }

    fn clients_for(&self, first: Option<&Vec<Address>>) -> usize {
        self.clients.unwrap_or_else(|| first.map_or(1, Vec::len).clamp(1, MOST_CLIENTS))
    }

    fn start<T: Connect>(
        self,
        first: Option<Vec<Address>>,
        is_final: bool,
        make: impl Fn(&Address) -> T + Send + Sync + 'static,
    ) -> Sender<P, F, H> {
        let clients = self.clients_for(first.as_ref());
        let Self {
            client,
            endpoints,
            strategy,
            breaker,
            on_breaker_change,
            probing,
            timeout,
            retry,
            slow,
            hooks,
            ..
        } = self;
        let settings = Settings { client, clients, strategy, breaker, on_breaker_change, probing };
        let group = Group::start(settings, first, (endpoints, is_final), make);
        let retries = (retry.attempts > 1 || retry.hedge.is_some()).then(|| Retries::new(retry));
        let tally = Tally::new(P::COMMANDS, slow);
        Sender { core: Arc::new(Core::new(group, hooks, retries, timeout, tally)) }
    }
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const MOST_CLIENTS: usize = 1024;

impl<P: Protocol, F, H, E> fmt::Debug for Builder<P, F, H, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("client", &self.client)
            .field("clients", &self.clients)
            .field("minimum", &self.minimum)
            .field("breaker", &self.breaker)
            .field("probe", &self.probing)
            .field("timeout", &self.timeout)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}
