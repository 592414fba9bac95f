//! Invokers: every Command passes through them before it runs.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::connection::Connection;
use super::extensions::Extensions;
use super::replied::{EndedLater, Replied};
use crate::error::{discard, take_message};
use crate::proto::frame::Seq;
use crate::protocol::{Entry, Failed, Metadata, Protocol};
use crate::transport::Peer;

/// Sees every Command of a server before it runs: to log, authorise, trace or measure it. Pings do not pass through it.
///
/// It runs the Command with [`Invocation::run`], which returns how the Command ended. Or it refuses the Command by
/// returning an error. This may be any error, or a value of the Protocol's failure, which the client then gets unchanged.
/// Panics are contained like those of a Command.
///
/// ```
/// use cmd_stream::server::{Ended, Invocation};
/// use cmd_stream::{Failed, Invoker, protocol::Protocol};
///
/// /// Refuses large Commands. Prints how long the others took, and how they ended.
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
/// An Invoker for a certain Protocol can match on its Commands: `invocation.command()` is the enum that
/// [`protocol!`](crate::protocol!) made, such as `CalculatorCommand::Add(&Add)`.
///
/// A server may have several: `Server::builder(..).invoker(log).invoker(authorise)`. The first one is the outermost.
#[doc(alias = "middleware")]
#[doc(alias = "interceptor")]
pub trait Invoker<P: Protocol>: Send + Sync + 'static {
    /// Handles one Command.
    ///
    /// # Errors
    ///
    /// What the Command failed with, or an error of the Invoker itself. Either makes the Command fail. A Command also
    /// fails, as one without a last Reply, if the Invoker returns `Ok` and the Command was neither answered nor handed
    /// over.
    fn invoke(&self, invocation: impl Invocation<P>) -> impl Future<Output = Result<Ended, Failed>> + Send;

    /// Whether [`on_reply`](Self::on_reply) and [`on_end`](Self::on_end) are called. `false` by default: then Replies cost
    /// nothing here.
    const SEES_REPLIES: bool = false;

    /// A Reply of a Command that passed through this Invoker was put into the output of its connection. It is called only if
    /// [`SEES_REPLIES`](Self::SEES_REPLIES) is true.
    ///
    /// The Reply may be the Protocol's failure, which is sent after [`invoke`](Self::invoke) has returned. It may also be sent
    /// by an [`OwnedProxy`](crate::server::OwnedProxy), after that too and from another thread. What
    /// [`invoke`](Self::invoke) has put into the [`extensions`](Invocation::extensions) is found with
    /// [`Replied::extension`], and is dropped when no more Replies can come. If that is to be used for it, insert it before
    /// [`Invocation::run`].
    ///
    /// It should be quick. A panic in it is contained and logged.
    fn on_reply(&self, reply: &Replied<'_>) {
        let _ = reply;
    }

    /// A Command has ended of which [`invoke`](Self::invoke) was told that it was [handed over](Ended::HandedOver): its last
    /// Reply was sent, it failed, or its owned Proxy is gone. It is called once for each, when the last clone of the owned
    /// Proxy is dropped, and only if [`SEES_REPLIES`](Self::SEES_REPLIES) is true.
    ///
    /// It is not called if an Invoker around this one makes the Command fail after that: that one has ended it.
    ///
    /// It should be quick. A panic in it is contained and logged.
    fn on_end(&self, ended: &EndedLater<'_>) {
        let _ = ended;
    }

    /// Whether it only runs the Command, whose panics are contained anyway.
    #[doc(hidden)]
    const IS_DIRECT: bool = false;

    /// Handles one Command with another Invoker inside this one.
    #[doc(hidden)]
    fn invoke_around<I: Invoker<P>>(
        &self,
        inner: &I,
        invocation: impl Invocation<P>,
    ) -> impl Future<Output = Result<Ended, Failed>> + Send {
        self.invoke(Through { invocation, inner })
    }
}

/// A Command that has arrived and has not run yet. Only the library implements it.
pub trait Invocation<P: Protocol>: Send + sealed::Sealed {
    /// Returns the Command.
    fn command(&self) -> P::CommandRef<'_>;
    /// Returns its name and tag.
    fn entry(&self) -> &'static Entry;
    /// Returns its number on its connection.
    fn seq(&self) -> Seq;
    /// Returns the connection that it came on, which keeps values for all its Commands.
    fn connection(&self) -> &Connection;
    /// Returns when its last bytes were read.
    fn received_at(&self) -> Instant;
    /// Returns its size on the wire in bytes, including seq and tag.
    fn size(&self) -> usize;
    /// Returns the name of the Command's type, as [`type_name`](std::any::type_name) does. For diagnostics.
    fn type_name(&self) -> &'static str;
    /// Returns the data that the Command carries beside its own, if it does; see
    /// [`Command::metadata`](crate::Command::metadata).
    fn metadata(&mut self) -> Option<&mut dyn Metadata>;
    /// Returns the values for this Command, which finds them at [`Context::extensions`](crate::Context::extensions).
    fn extensions(&mut self) -> &mut Extensions;

    /// Runs the Command on the Receiver, through the Invokers inside this one.
    ///
    /// # Errors
    ///
    /// What the Command failed with. [`Failed::reason`] distinguishes an error, a panic (which is caught here) and a
    /// Command that ended without a last Reply.
    fn run(self) -> impl Future<Output = Result<Ended, Failed>> + Send;

    /// Returns who sent it.
    fn peer(&self) -> &Peer {
        self.connection().peer()
    }
}

/// How a Command ended, if it did not fail.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Ended {
    /// It has sent its last Reply.
    Replied,
    /// It has handed its Proxy over ([`Proxy::into_owned`](crate::Proxy::into_owned)). Whether its last Reply has been
    /// sent is not known.
    HandedOver,
    /// It is one-way, and has run.
    Unanswered,
}

/// The default Invoker: it runs every Command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Direct;

impl<P: Protocol> Invoker<P> for Direct {
    const IS_DIRECT: bool = true;

    fn invoke(&self, invocation: impl Invocation<P>) -> impl Future<Output = Result<Ended, Failed>> + Send {
        invocation.run()
    }

    // There is nothing around the other one. Its panics are contained as those of any Invoker.
    fn invoke_around<I: Invoker<P>>(
        &self,
        inner: &I,
        invocation: impl Invocation<P>,
    ) -> impl Future<Output = Result<Ended, Failed>> + Send {
        inner.invoke(invocation)
    }
}

/// Two Invokers, one around the other; from [`Builder::invoker`](super::Builder::invoker).
#[derive(Clone, Copy, Debug)]
pub struct Stack<A, B> {
    pub(super) outer: A,
    pub(super) inner: B,
}

impl<P: Protocol, A: Invoker<P>, B: Invoker<P>> Invoker<P> for Stack<A, B> {
    fn invoke(&self, invocation: impl Invocation<P>) -> impl Future<Output = Result<Ended, Failed>> + Send {
        self.outer.invoke_around(&self.inner, invocation)
    }

    const SEES_REPLIES: bool = A::SEES_REPLIES || B::SEES_REPLIES;

    fn on_reply(&self, reply: &Replied<'_>) {
        // Each is contained, so that the other one is told in any case.
        if B::SEES_REPLIES {
            tell::<P, B>(&self.inner, reply);
        }
        if A::SEES_REPLIES {
            tell::<P, A>(&self.outer, reply);
        }
    }

    fn on_end(&self, ended: &EndedLater<'_>) {
        if B::SEES_REPLIES {
            tell_end::<P, B>(&self.inner, ended);
        }
        if A::SEES_REPLIES {
            tell_end::<P, A>(&self.outer, ended);
        }
    }
}

/// Tells an Invoker about a Reply. A panic in it is logged.
pub(super) fn tell<P: Protocol, I: Invoker<P>>(invoker: &I, reply: &Replied<'_>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| invoker.on_reply(reply))) {
        tracing::error!(panic = take_message(payload), "an Invoker panicked that was told about a reply");
    }
}

/// Tells an Invoker about the end of a Command that was handed over. A panic in it is logged.
pub(super) fn tell_end<P: Protocol, I: Invoker<P>>(invoker: &I, ended: &EndedLater<'_>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| invoker.on_end(ended))) {
        tracing::error!(panic = take_message(payload), "an Invoker panicked that was told about an end");
    }
}

/// An invocation that passes through an inner Invoker when it runs.
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

    fn type_name(&self) -> &'static str {
        self.invocation.type_name()
    }

    fn metadata(&mut self) -> Option<&mut dyn Metadata> {
        self.invocation.metadata()
    }

    fn extensions(&mut self) -> &mut Extensions {
        self.invocation.extensions()
    }

    fn run(self) -> impl Future<Output = Result<Ended, Failed>> + Send {
        contain(catch_unwind(AssertUnwindSafe(|| self.inner.invoke(self.invocation))), Ok)
    }
}

/// Turns the panics of a future into failures, and applies `then` to what it returns. If the future was not made by an
/// `async fn`, making it may have panicked already.
pub(super) fn contain<T, Fut, Then>(
    future: std::thread::Result<Fut>,
    then: Then,
) -> impl Future<Output = Result<Ended, Failed>> + Send
where
    Fut: Future<Output = Result<T, Failed>> + Send,
    Then: Fn(T) -> Result<Ended, Failed> + Send,
{
    // A future of our own and not an `async` block, which would hold the other future twice while it is moved in.
    match future {
        Ok(future) => Contained::Runs { future, then },
        Err(payload) => Contained::Panicked { failed: Some(Failed::panic(payload)) },
    }
}

pin_project! {
    /// A future that is made when it is first polled, and whose panics are failures, as are those of making it. It is made where
    /// it stays: a future that holds a Command is large, and [`contain`] would move it several times.
    #[project = StartingProjection]
    pub(super) enum Starting<Make, Fut> {
        Start { make: Option<Make> },
        Runs {
            #[pin]
            future: Fut,
        },
        Done,
    }
}

impl<Make: FnOnce() -> Fut, Fut> Starting<Make, Fut> {
    pub(super) fn new(make: Make) -> Self {
        Self::Start { make: Some(make) }
    }
}

impl<Make, Fut> Future for Starting<Make, Fut>
where
    Make: FnOnce() -> Fut,
    Fut: Future<Output = Result<Ended, Failed>>,
{
    type Output = Result<Ended, Failed>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let poll = AssertUnwindSafe(|| {
            if let StartingProjection::Start { make } = self.as_mut().project()
                && let Some(make) = make.take()
            {
                self.set(Self::Runs { future: make() });
            }
            let StartingProjection::Runs { future } = self.as_mut().project() else {
                panic!("a future was polled after it was done")
            };
            let result = ready!(future.poll(cx));
            // Here, as the destructors of what it holds are the user's code, too.
            self.set(Self::Done);
            Poll::Ready(result)
        });
        match catch_unwind(poll) {
            Ok(poll) => poll,
            Err(payload) => {
                // The future is still there, if it was its poll that has panicked.
                let done = AssertUnwindSafe(|| self.set(Self::Done));
                let _ = catch_unwind(done).map_err(discard);
                Poll::Ready(Err(Failed::panic(payload)))
            }
        }
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
        /// Or it is done, and there is nothing left.
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
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let poll = AssertUnwindSafe(|| match self.as_mut().project() {
            ContainedProjection::Runs { future, then } => {
                let result = ready!(future.poll(cx)).and_then(then);
                // Here, as the destructors of what it holds are the user's code, too.
                self.set(Self::Panicked { failed: None });
                Poll::Ready(result)
            }
            ContainedProjection::Panicked { failed } => {
                Poll::Ready(Err(failed.take().expect("it was not polled to its end before")))
            }
        });
        match catch_unwind(poll) {
            Ok(poll) => poll,
            Err(payload) => {
                // The future is still there, if it was its poll that has panicked.
                let done = AssertUnwindSafe(|| self.set(Self::Panicked { failed: None }));
                let _ = catch_unwind(done).map_err(discard);
                Poll::Ready(Err(Failed::panic(payload)))
            }
        }
    }
}
