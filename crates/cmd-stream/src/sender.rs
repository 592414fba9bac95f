//! The handle by which an application sends Commands, and the trait that lets a test use a fake instead.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use futures_core::Stream;

use crate::client::{Call, Client, OpenStream, Post};
use crate::error::{CallError, Error, ErrorKind, Origin};
use crate::format::{Encode, Format};
use crate::protocol::kind::{HasNoReply, HasReply};
use crate::protocol::{ClientProtocol, Command, CommandOf, Protocol};
use crate::transport::Address;

/// Sends the Commands of the Protocol `P` in the Format `F`. It can be cloned and used from any number of tasks.
///
/// ```
/// # use cmd_stream::{protocol, Answer, Context, Failed, Json, Server};
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
    /// Returns the errors of [`Builder::connect`](crate::client::Builder::connect).
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the connection.
    pub async fn connect(address: impl Into<Address>, protocol: P, format: F) -> Result<Self, Error> {
        Client::connect(address, protocol, format).await.map(Self::from)
    }

    /// Sends a Command and waits for its Reply; see [`Client::send`].
    pub fn send<C>(&self, command: C) -> Call<'_, P, F, C>
    where
        C: CommandOf<P, Kind: HasReply>,
        F: Encode<C>,
    {
        self.client.send(command)
    }

    /// Sends a Command and returns its Replies as a stream; see [`Client::stream`].
    pub fn stream<C>(&self, command: C) -> OpenStream<'_, P, F, C>
    where
        C: CommandOf<P, Kind: HasReply>,
        F: Encode<C>,
    {
        self.client.stream(command)
    }

    /// Sends a one-way Command; see [`Client::post`].
    pub fn post<C>(&self, command: C) -> Post<'_, P, F, C>
    where
        C: CommandOf<P, Kind: HasNoReply>,
        F: Encode<C>,
    {
        self.client.post(command)
    }

    /// Returns the Client that it sends through.
    pub fn client(&self) -> &Client<P, F> {
        &self.client
    }

    /// Closes the connection now; see [`Client::close`].
    pub fn close(&self) {
        self.client.close();
    }
}

impl<P: Protocol, F> From<Client<P, F>> for Sender<P, F> {
    /// Creates a Sender over a Client, which has its own [settings](crate::client::Builder).
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

/// Something that sends Commands of type `C`.
///
/// Code that requires this trait can be tested without a network. [`Sender`] and [`Client`] implement it for every
/// Command of their Protocol. A fake implements what the test needs:
///
/// ```
/// use cmd_stream::sender::{Replied, SendCommand};
/// use cmd_stream::{CallError, Problem};
/// # use cmd_stream::{Command, protocol::kind::Plain};
/// # struct Add { a: i64, b: i64 }
/// # struct Sum(i64);
/// # impl Command for Add { type Reply = Sum; type Kind = Plain; }
///
/// async fn twice<S>(sender: &S, n: i64) -> Result<i64, CallError<Problem>>
/// where
///     S: SendCommand<Add, Failure = Problem> + ?Sized,
/// {
///     Ok(sender.send(Add { a: n, b: n }).await?.0)
/// }
///
/// struct Fake;
///
/// impl SendCommand<Add> for Fake {
///     type Failure = Problem;
///
///     fn send(&self, command: Add) -> Replied<'_, Sum, Problem> {
///         Box::pin(async move { Ok(Sum(command.a + command.b)) })
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), CallError<Problem>> {
/// assert_eq!(twice(&Fake, 4).await?, 8);
/// # Ok(()) }
/// ```
///
/// A stream is boxed twice: the future that opens it, and the stream itself. With `futures_util::stream::iter`:
/// `Box::pin(async move { Ok(Box::pin(iter([Ok(Number(1)), Ok(Number(2))])) as Replies<_, _>) })`.
///
/// It can be a trait object: `Arc<dyn SendCommand<Add, Failure = Problem>>`. To fake a whole service, see
/// [`testing`](crate::testing).
pub trait SendCommand<C: Command>: Send + Sync {
    /// The Protocol's failure.
    type Failure: Send + 'static;

    /// Sends a Command and waits for its Reply; see [`Client::send`]. The default fails the call.
    fn send(&self, command: C) -> Replied<'_, C::Reply, Self::Failure>
    where
        C::Kind: HasReply,
    {
        drop(command);
        Box::pin(async { Err(not_faked("send").into()) })
    }

    /// Sends a Command and returns its Replies; see [`Client::stream`]. The default fails the call.
    fn stream(&self, command: C) -> Opened<'_, C::Reply, Self::Failure>
    where
        C::Kind: HasReply,
    {
        drop(command);
        Box::pin(async { Err(not_faked("stream")) })
    }

    /// Sends a one-way Command; see [`Client::post`]. The default fails the call.
    fn post(&self, command: C) -> Posted<'_>
    where
        C::Kind: HasNoReply,
    {
        drop(command);
        Box::pin(async { Err(not_faked("post")) })
    }
}

/// The future returned by [`SendCommand::send`].
pub type Replied<'a, R, F> = Pin<Box<dyn Future<Output = Result<R, CallError<F>>> + Send + 'a>>;
/// The future returned by [`SendCommand::stream`].
pub type Opened<'a, R, F> = Pin<Box<dyn Future<Output = Result<Replies<R, F>, Error>> + Send + 'a>>;
/// The Replies of one Command.
pub type Replies<R, F> = Pin<Box<dyn Stream<Item = Result<R, CallError<F>>> + Send>>;
/// The future returned by [`SendCommand::post`].
pub type Posted<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;

fn not_faked(what: &str) -> Error {
    let message = format!("this fake does not implement `{what}` for the command");
    Error::new(ErrorKind::Protocol, Origin::Local, message)
}

impl<P, F, C> SendCommand<C> for Client<P, F>
where
    P: ClientProtocol<F>,
    C: CommandOf<P>,
    F: Encode<C>,
{
    type Failure = P::Failure;

    fn send(&self, command: C) -> Replied<'_, C::Reply, P::Failure>
    where
        C::Kind: HasReply,
    {
        Box::pin(Self::send(self, command))
    }

    fn stream(&self, command: C) -> Opened<'_, C::Reply, P::Failure>
    where
        C::Kind: HasReply,
    {
        let opening = Self::stream(self, command);
        Box::pin(async { Ok(Box::pin(opening.await?) as Replies<_, _>) })
    }

    fn post(&self, command: C) -> Posted<'_>
    where
        C::Kind: HasNoReply,
    {
        Box::pin(Self::post(self, command))
    }
}

impl<P, F, C> SendCommand<C> for Sender<P, F>
where
    P: ClientProtocol<F>,
    C: CommandOf<P>,
    F: Encode<C>,
{
    type Failure = P::Failure;

    fn send(&self, command: C) -> Replied<'_, C::Reply, P::Failure>
    where
        C::Kind: HasReply,
    {
        SendCommand::send(&self.client, command)
    }

    fn stream(&self, command: C) -> Opened<'_, C::Reply, P::Failure>
    where
        C::Kind: HasReply,
    {
        SendCommand::stream(&self.client, command)
    }

    fn post(&self, command: C) -> Posted<'_>
    where
        C::Kind: HasNoReply,
    {
        SendCommand::post(&self.client, command)
    }
}

/// Implements `SendCommand` for pointers to a `SendCommand`.
macro_rules! forward {
    ($($pointer:ty),*) => { $(
        impl<C: Command, S: SendCommand<C> + ?Sized> SendCommand<C> for $pointer {
            type Failure = S::Failure;

            fn send(&self, command: C) -> Replied<'_, C::Reply, S::Failure>
            where
                C::Kind: HasReply,
            {
                (**self).send(command)
            }

            fn stream(&self, command: C) -> Opened<'_, C::Reply, S::Failure>
            where
                C::Kind: HasReply,
            {
                (**self).stream(command)
            }

            fn post(&self, command: C) -> Posted<'_>
            where
                C::Kind: HasNoReply,
            {
                (**self).post(command)
            }
        }
    )* };
}

forward!(&S, Box<S>, std::sync::Arc<S>);
