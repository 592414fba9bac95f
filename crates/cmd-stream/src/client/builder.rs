//! The settings of a client, and how it starts.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::dial::{Accepted, Dialed, dial, establish};
use super::driver::Driver;
use super::table::Table;
use super::{Client, ClosesWhenDropped, Limits, OnUnexpected, Shared};
use crate::error::Error;
use crate::format::Format;
use crate::proto::frame::Seq;
use crate::proto::handshake::ServerInfo;
use crate::protocol::{ClientProtocol, Protocol};
use crate::sync::Arc;
use crate::transport::{Address, Connect, Io, Peer, Tcp};

/// Counts the connections of all clients in this process. The log numbers them.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// The settings of a [`Client`], made by [`Client::builder`]. Every default is safe in production.
pub struct Builder<P: Protocol, F> {
    format: F,
    limits: Limits,
    accepted: Accepted,
    on_unexpected: Option<OnUnexpected<P::Reply>>,
}

impl<P, F> Builder<P, F>
where
    P: ClientProtocol<F>,
    F: Format,
{
    pub(super) fn new(format: F) -> Self {
        Self { format, limits: Limits::default(), accepted: Accepted::default(), on_unexpected: None }
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
        Self { on_unexpected: Some(Box::new(callback)), ..self }
    }

    /// Connects to a TCP address: text such as `"localhost:9000"`, `("localhost", 9000)`, a
    /// [`SocketAddr`](std::net::SocketAddr), or what
    /// [`Handle::local_addr`](crate::server::Handle::local_addr) says.
    ///
    /// # Errors
    ///
    /// - [`Io`](crate::ErrorKind::Io): no connection can be made.
    /// - [`Timeout`](crate::ErrorKind::Timeout): connecting or the handshake took longer than [`Limits`] allow.
    /// - [`ServerInfoMismatch`](crate::ErrorKind::ServerInfoMismatch): the server greets with another ServerInfo.
    /// - [`Decode`](crate::ErrorKind::Decode), [`Limit`](crate::ErrorKind::Limit), [`UnexpectedEof`](crate::ErrorKind::UnexpectedEof),
    ///   [`Closed`](crate::ErrorKind::Closed): the peer does not greet as a server does, or it hung up.
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
        let dialed = dial(&transport, &self.limits, &self.accepted).await?;
        Ok(self.start(dialed))
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
    pub async fn over(self, io: impl Io, peer: Peer) -> Result<Client<P, F>, Error> {
        let address = peer.to_string();
        let dialed = establish((io, peer), &address, &self.limits, &self.accepted).await?;
        Ok(self.start(dialed))
    }

    /// Starts the task of a client that is connected.
    fn start<IO: Io>(self, Dialed { io, peer, inbox }: Dialed<IO>) -> Client<P, F> {
        tracing::debug!(%peer, protocol = P::NAME, format = F::NAME, "connected");
        let id = CONNECTIONS.fetch_add(1, Ordering::Relaxed) + 1;
        let span = tracing::debug_span!("client", %peer, id);
        let table = Table::new(self.limits, peer);
        let shared = Arc::new(Shared { format: self.format, on_unexpected: self.on_unexpected, table });
        let driver = Driver::new(Arc::clone(&shared), io, inbox);
        // The task holds `Shared` but not the handle: so the last client that is dropped ends it.
        tokio::spawn(tracing::Instrument::instrument(driver.run(), span));
        Client { handle: Arc::new(ClosesWhenDropped { shared }) }
    }
}

impl<P: Protocol, F> fmt::Debug for Builder<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("protocol", &P::NAME)
            .field("server_info", &self.accepted.info)
            .field("also_accept", &self.accepted.also)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
