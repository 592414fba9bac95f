//! What an application holds to send Commands.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use crate::client::{Client, OpenStream, Send};
use crate::error::Error;
use crate::format::{Encode, Format};
use crate::protocol::{ClientProtocol, Command, CommandOf, Protocol};

/// Sends the Commands of the Protocol `P` in the Format `F`. It can be cloned, and used from any number of tasks.
///
/// ```
/// # use cmd_stream::{protocol, Command, Execute, Failed, Json, Proxy, Reply, Server};
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
/// # let server = Server::bind("127.0.0.1:0", Calculator, Json, Calc).await?;
/// # let address = server.handle().local_addr().to_string();
/// # tokio::spawn(server.serve());
/// use cmd_stream::Sender;
///
/// let sender = Sender::connect(address, Calculator, Json).await?;
/// let Sum(five) = sender.send(Add { a: 2, b: 3 }).await?;
/// assert_eq!(five, 5);
/// # Ok(()) }
/// ```
pub struct Sender<P: Protocol, F> {
    client: Client<P, F>,
}

impl<P, F> Sender<P, F>
where
    P: ClientProtocol<F>,
    F: Format,
{
    /// Connects to a TCP address, with the default settings.
    ///
    /// # Errors
    ///
    /// Those of [`Builder::connect`](crate::client::Builder::connect).
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the connection.
    pub async fn connect(address: impl ToString, protocol: P, format: F) -> Result<Self, Error> {
        Client::connect(address, protocol, format).await.map(Self::from)
    }

    /// Sends a Command, and waits for one Reply; see [`Client::send`].
    pub fn send<C>(&self, command: C) -> Send<'_, P, F, C>
    where
        C: CommandOf<P>,
        F: Encode<C>,
    {
        self.client.send(command)
    }

    /// Sends a Command, and gives its Replies as a stream; see [`Client::stream`].
    pub fn stream<C>(&self, command: C) -> OpenStream<'_, P, F, C>
    where
        C: CommandOf<P>,
        F: Encode<C>,
    {
        self.client.stream(command)
    }

    /// The Client that it sends through.
    pub fn client(&self) -> &Client<P, F> {
        &self.client
    }

    /// Closes the connection now; see [`Client::close`].
    pub fn close(&self) {
        self.client.close();
    }
}

impl<P: Protocol, F> From<Client<P, F>> for Sender<P, F> {
    /// A Sender over one Client, which has [settings](crate::client::Builder) of its own.
    fn from(client: Client<P, F>) -> Self {
        Self { client }
    }
}

impl<P: Protocol, F> Clone for Sender<P, F> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone() }
    }
}

impl<P: Protocol, F> fmt::Debug for Sender<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("client", &self.client).finish()
    }
}

/// Something that sends Commands of type `C`: what code that is tested without a network can ask for, as
/// `&dyn SendCommand<Add>`. [`Sender`] and [`Client`] implement it for every Command of their Protocol.
pub trait SendCommand<C: Command>: std::marker::Send + Sync {
    /// Sends a Command, and waits for one Reply.
    ///
    /// # Errors
    ///
    /// Those of [`Client::send`].
    fn send_command(
        &self,
        command: C,
    ) -> Pin<Box<dyn Future<Output = Result<C::Reply, Error>> + std::marker::Send + '_>>;
}

impl<P, F, C> SendCommand<C> for Client<P, F>
where
    P: ClientProtocol<F>,
    C: CommandOf<P>,
    F: Encode<C>,
{
    fn send_command(
        &self,
        command: C,
    ) -> Pin<Box<dyn Future<Output = Result<C::Reply, Error>> + std::marker::Send + '_>> {
        Box::pin(self.send(command).into_future())
    }
}

impl<P, F, C> SendCommand<C> for Sender<P, F>
where
    P: ClientProtocol<F>,
    C: CommandOf<P>,
    F: Encode<C>,
{
    fn send_command(
        &self,
        command: C,
    ) -> Pin<Box<dyn Future<Output = Result<C::Reply, Error>> + std::marker::Send + '_>> {
        self.client.send_command(command)
    }
}
