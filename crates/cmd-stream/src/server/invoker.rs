//! The one place through which every Command passes before it runs.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::connection::Connection;
use super::extensions::Extensions;
use crate::proto::frame::Seq;
use crate::protocol::{Entry, Failed, Protocol};
use crate::transport::Peer;

/// Through which every Command of a server passes: to log, authorise, trace or measure it. Pings do not.
///
/// It runs the Command by [`Invocation::run`], which tells how the Command ended. Or it refuses the Command by returning
/// an error: any error, or a value of the Protocol's failure, which the client then gets as it is. Its panics are
/// contained like those of a Command.
///
/// ```
/// use cmd_stream::server::{Ended, Invocation};
/// use cmd_stream::{Failed, Invoker, protocol::Protocol};
///
/// /// Refuses Commands over a size, and says how long the others took and how they ended.
/// struct Audit;
///
/// impl<P: Protocol> Invoker<P> for Audit {
///     async fn invoke(&self, invocation: impl Invocation<P>) -> Result<Ended, Failed> {
///         if invocation.size() > 1000 {
///             return Err(Failed::new("too large"));
///         }
///         let (name, started) = (invocation.entry().name, invocation.received_at());
///         let ended = invocation.run().await;
///         match &ended {
///             Ok(ended) => println!("{name}: {ended:?} after {:?}", started.elapsed()),
///             Err(failed) => println!("{name}: {:?}, {failed:#}", failed.reason()),
///         }
///         ended
///     }
/// }
/// ```
///
/// One that is written for a certain Protocol can look into its Commands: `invocation.command()` is the enum that
/// [`protocol!`](crate::protocol!) made, `CalculatorCommand::Add(&Add)`.
///
/// A server may have several: `Server::builder(..).invoker(log).invoker(authorise)`. The first is the outermost.
#[doc(alias = "middleware")]
#[doc(alias = "interceptor")]
pub trait Invoker<P: Protocol>: Send + Sync + 'static {
    /// Does what is to be done around one Command.
    ///
    /// # Errors
    ///
    /// What the Command failed with, or an error of the Invoker's own: it fails the Command. An Invoker that returns
    /// `Ok` for a Command that was neither answered nor handed over does not save it: the Command fails as one without a
    /// last Reply.
    fn invoke(&self, invocation: impl Invocation<P>) -> impl Future<Output = Result<Ended, Failed>> + Send;

    /// Whether it does nothing but run the Command, whose panics are contained already.
    #[doc(hidden)]
    const IS_DIRECT: bool = false;
}

/// A Command that has arrived and has not run yet. The library makes it; it cannot be implemented elsewhere.
pub trait Invocation<P: Protocol>: Send + sealed::Sealed {
    /// The Command.
    fn command(&self) -> P::CommandRef<'_>;
    /// Its name and tag.
    fn entry(&self) -> &'static Entry;
    /// Its number on its connection.
    fn seq(&self) -> Seq;
    /// The connection that it came on, which keeps values for all its Commands.
    fn connection(&self) -> &Connection;
    /// When the bytes that completed it were read.
    fn received_at(&self) -> Instant;
    /// How many bytes it took on the wire, seq and tag included.
    fn size(&self) -> usize;
    /// Values for this Command, which finds them at [`Context::extensions`](crate::Context::extensions).
    fn extensions(&mut self) -> &mut Extensions;

    /// Runs the Command on the Receiver, through the Invokers inside this one.
    ///
    /// # Errors
    ///
    /// What the Command failed with; [`Failed::reason`] tells an error from a panic, which is caught here, and from a
    /// Command that ended without a last Reply.
    fn run(self) -> impl Future<Output = Result<Ended, Failed>> + Send;

    /// Who sent it.
    fn peer(&self) -> &Peer {
        self.connection().peer()
    }
}

/// How a Command ended that did not fail.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Ended {
    /// It has sent its last Reply.
    Replied,
    /// It has handed its Proxy over ([`Proxy::into_owned`](crate::Proxy::into_owned)). Its last Reply is not known to
    /// have been sent.
    HandedOver,
    /// It is one-way, and done.
    Unanswered,
}

/// The Invoker of a server that was given none: it runs every Command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Direct;

impl<P: Protocol> Invoker<P> for Direct {
    const IS_DIRECT: bool = true;

    fn invoke(&self, invocation: impl Invocation<P>) -> impl Future<Output = Result<Ended, Failed>> + Send {
        invocation.run()
    }
}

/// Two Invokers, the first one around the second one; made by [`Builder::invoker`](super::Builder::invoker).
#[derive(Clone, Copy, Debug)]
pub struct Stack<A, B> {
    pub(super) outer: A,
    pub(super) inner: B,
}

impl<P: Protocol, A: Invoker<P>, B: Invoker<P>> Invoker<P> for Stack<A, B> {
    fn invoke(&self, invocation: impl Invocation<P>) -> impl Future<Output = Result<Ended, Failed>> + Send {
        self.outer.invoke(Through { invocation, inner: &self.inner })
    }
}

/// An invocation that passes through another Invoker when it is run.
struct Through<'a, V, B> {
    invocation: V,
    inner: &'a B,
}

pub(super) mod sealed {
    #[expect(unnameable_types, reason = "that is how it is sealed")]
    pub trait Sealed {}
}

impl<V, B> sealed::Sealed for Through<'_, V, B> {}

impl<P: Protocol, V: Invocation<P>, B: Invoker<P>> Invocation<P> for Through<'_, V, B> {
    fn command(&self) -> P::CommandRef<'_> {
        self.invocation.command()
    }

    fn entry(&self) -> &'static Entry {
        self.invocation.entry()
    }

    fn seq(&self) -> Seq {
        self.invocation.seq()
    }

    fn connection(&self) -> &Connection {
        self.invocation.connection()
    }

    fn received_at(&self) -> Instant {
        self.invocation.received_at()
    }

    fn size(&self) -> usize {
        self.invocation.size()
    }

    fn extensions(&mut self) -> &mut Extensions {
        self.invocation.extensions()
    }

    fn run(self) -> impl Future<Output = Result<Ended, Failed>> + Send {
        contain(catch_unwind(AssertUnwindSafe(|| self.inner.invoke(self.invocation))), Ok)
    }
}

/// The same future, whose panics are failures, with `then` after it. Making the future may have panicked already, where
/// it is not an `async fn`.
pub(super) fn contain<T, Fut, Then>(
    future: std::thread::Result<Fut>,
    then: Then,
) -> impl Future<Output = Result<Ended, Failed>> + Send
where
    Fut: Future<Output = Result<T, Failed>> + Send,
    Then: Fn(T) -> Result<Ended, Failed> + Send,
{
    match future {
        Ok(future) => Contained::Runs { future, then },
        Err(payload) => Contained::Panicked { failed: Some(Failed::panic(&*payload)) },
    }
}

pin_project! {
    #[project = ContainedProjection]
    enum Contained<Fut, Then> {
        Runs {
            #[pin]
            future: Fut,
            then: Then,
        },
        Panicked { failed: Option<Failed> },
    }
}

impl<T, Fut, Then> Future for Contained<Fut, Then>
where
    Fut: Future<Output = Result<T, Failed>>,
    Then: Fn(T) -> Result<Ended, Failed>,
{
    type Output = Result<Ended, Failed>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (future, then) = match self.project() {
            ContainedProjection::Runs { future, then } => (future, then),
            ContainedProjection::Panicked { failed } => {
                return Poll::Ready(Err(failed.take().expect("it was not polled to its end before")));
            }
        };
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(result)) => Poll::Ready(result.and_then(then)),
            Err(payload) => Poll::Ready(Err(Failed::panic(&*payload))),
        }
    }
}
