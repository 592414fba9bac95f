//! The trait that lets a test use a fake instead of a Sender.

use std::future::Future;
use std::pin::Pin;

use futures_core::Stream;

use super::Sender;
use crate::client::Client;
use crate::error::{CallError, Error, ErrorKind, Origin};
use crate::format::{Encode, Format};
use crate::hooks::Hooks;
use crate::protocol::kind::{HasNoReply, HasReply};
use crate::protocol::{ClientProtocol, Command, CommandOf};

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

impl<P, F, C, H> SendCommand<C> for Sender<P, F, H>
where
    P: ClientProtocol<F>,
    C: CommandOf<P>,
    F: Format + Encode<C>,
    H: Hooks<P>,
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
