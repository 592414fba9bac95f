//! An Invoker that is made of a layer of `tower`.
//!
//! A Command borrows from its connection, and each type of Commands is another type of invocation. But the service that a layer
//! makes takes one type of requests, and layers such as `Buffer` move requests to other tasks. So the request is a token: what is
//! known of the Command, and a place in line. The Command itself waits here, runs here, and is dropped here. The innermost service
//! only says when it may start, and is told how it ended.

use std::error::Error as StdError;
use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use ::tower::load_shed::error::Overloaded;
use ::tower::{Layer, Service};
use tokio::sync::{Mutex, oneshot};
use tokio::time::Instant;

use super::Builder;
use super::execute::ServerProtocol;
use super::invoker::{Ended, Invocation, Invoker, Stack};
use crate::format::Format;
use crate::proto::frame::Seq;
use crate::protocol::{Entry, Failed, Protocol};
use crate::transport::Peer;

/// An [`Invoker`] made of a layer of `tower`: every Command passes through the service `S` that the layer makes around [`Run`].
///
/// The Command runs when the service has called its [`Run`] and polls the future of that. When the service answers
/// first, as a timeout does, the Command is dropped where it waits. An error of the service makes the Command fail.
///
/// The service need not be `Clone`: all Commands of the server share it. They wait in their order until it is ready.
///
/// ```
/// # #[cfg(feature = "json")] {
/// use std::time::Duration;
///
/// use cmd_stream::server::Ended;
/// use cmd_stream::tower::{Layered, Request};
/// # use cmd_stream::Invoker; use cmd_stream::protocol::Protocol;
/// use tower::ServiceBuilder;
///
/// let layer = ServiceBuilder::new()
///     .map_request(|request: Request| { println!("{}", request.entry().name); request })
///     .timeout(Duration::from_secs(5))
///     .concurrency_limit(100);
/// let invoker = Layered::new(layer);
/// # fn is_invoker<P: Protocol>(_: impl Invoker<P>) {}
/// # cmd_stream::protocol! { struct Calc { commands { 0 => Add -> Sum } replies { 0 => Sum } failure close_connection } }
/// # struct Add; struct Sum;
/// # is_invoker::<Calc>(invoker);
/// # }
/// ```
pub struct Layered<S, M = fn(BoxError) -> Failed> {
    service: Mutex<S>,
    map_error: M,
}

/// Any error, as `tower` has it.
pub type BoxError = Box<dyn StdError + Send + Sync>;

impl<S> Layered<S> {
    /// Wraps the layer around the execution of Commands.
    ///
    /// A Command that the layer refuses fails. If the error is the Protocol's failure, that is sent as it is. The error of
    /// [`LoadShed`](::tower::load_shed::LoadShed) is answered as [overloaded](Failed::overloaded), so that the client tries
    /// another server.
    pub fn new<L: Layer<Run, Service = S>>(layer: L) -> Self {
        Self { service: Mutex::new(layer.layer(Run(PhantomData))), map_error: failed }
    }
}

impl<S, M> Layered<S, M> {
    /// Sets what an error of the layers means. A failure of the Command itself is not asked about.
    pub fn map_error<N>(self, map_error: N) -> Layered<S, N>
    where
        N: Fn(BoxError) -> Failed + Send + Sync + 'static,
    {
        Layered { service: self.service, map_error }
    }
}

/// What an error of the layers means, if the application does not say.
fn failed(error: BoxError) -> Failed {
    if error.is::<Overloaded>() { Failed::overloaded(error) } else { Failed::new(error) }
}

impl<P, S, M> Invoker<P> for Layered<S, M>
where
    P: Protocol,
    S: Service<Request, Response = Ended, Error: Into<BoxError>, Future: Send> + Send + 'static,
    M: Fn(BoxError) -> Failed + Send + Sync + 'static,
{
    async fn invoke(&self, invocation: impl Invocation<P>) -> Result<Ended, Failed> {
        let (may_start, started) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        let request = Request {
            entry: invocation.entry(),
            seq: invocation.seq(),
            connection: invocation.connection().id(),
            peer: invocation.peer().clone(),
            received_at: invocation.received_at(),
            size: invocation.size(),
            may_start,
            told,
        };
        let answer = pin!(async {
            let future = {
                let mut service = self.service.lock().await;
                poll_fn(|cx| service.poll_ready(cx)).await?;
                service.call(request)
            };
            future.await
        });
        let answer = beside(answer, invocation, started, tell).await;
        answer.map_err(|error: S::Error| match error.into().downcast::<CommandFailed>() {
            Ok(failed) => failed.0,
            Err(error) => (self.map_error)(error),
        })
    }
}

/// Polls the answer of the service, and beside it the Command, once that may start.
async fn beside<P: Protocol, E>(
    mut answer: Pin<&mut impl Future<Output = Result<Ended, E>>>,
    invocation: impl Invocation<P>,
    mut started: oneshot::Receiver<()>,
    tell: oneshot::Sender<Result<Ended, Failed>>,
) -> Result<Ended, E> {
    let mut command = pin!(None);
    let (mut waiting, mut tell) = (Some(invocation), Some(tell));
    poll_fn(|cx| {
        // The Command ends at most once, and its end is what the answer waits for then.
        loop {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(answer);
            }
            if waiting.is_some() {
                match Pin::new(&mut started).poll(cx) {
                    Poll::Ready(Ok(())) => command.set(waiting.take().map(Invocation::run)),
                    // The request was dropped. The answer says why.
                    Poll::Ready(Err(_)) => waiting = None,
                    Poll::Pending => return Poll::Pending,
                }
            }
            let Some(Poll::Ready(ended)) = command.as_mut().as_pin_mut().map(|command| command.poll(cx))
            else {
                return Poll::Pending;
            };
            command.set(None);
            // If nobody listens, the service has given it up, and goes on without it.
            let _ = tell.take().map(|tell| tell.send(ended));
        }
    })
    .await
}

/// A Command as the layers see it: what is known of it, and its place in line. It runs when [`Run`] is called with it.
///
/// It is `'static`, so that layers may keep it and send it to other tasks. It cannot be cloned: a Command runs once. So
/// `Retry` and `Hedge` cannot be used on a server. The Command itself is not in it; an [`Invoker`] sees that.
pub struct Request {
    entry: &'static Entry,
    seq: Seq,
    connection: u64,
    peer: Peer,
    received_at: Instant,
    size: usize,
    may_start: oneshot::Sender<()>,
    told: oneshot::Receiver<Result<Ended, Failed>>,
}

impl Request {
    /// Returns the name and the tag of the Command.
    pub fn entry(&self) -> &'static Entry {
        self.entry
    }

    /// Returns its number on its connection.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Returns the number of its connection; see [`Connection::id`](super::Connection::id).
    pub fn connection(&self) -> u64 {
        self.connection
    }

    /// Returns who sent it.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Returns when its last bytes were read.
    pub fn received_at(&self) -> Instant {
        self.received_at
    }

    /// Returns its size on the wire in bytes, including seq and tag.
    pub fn size(&self) -> usize {
        self.size
    }
}

/// The innermost service, which a layer is put around: it runs the Command.
#[derive(Clone, Copy, Debug)]
pub struct Run(PhantomData<()>);

impl Service<Request> for Run {
    type Response = Ended;
    type Error = CommandFailed;
    type Future = Running;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CommandFailed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Running {
        let Request { may_start, told, .. } = request;
        Running { may_start: Some(may_start), told }
    }
}

/// A future of how a Command has ended, made by [`Run`]. Its first poll starts the Command.
#[must_use = "the Command does not start until it is polled"]
pub struct Running {
    may_start: Option<oneshot::Sender<()>>,
    told: oneshot::Receiver<Result<Ended, Failed>>,
}

impl Future for Running {
    type Output = Result<Ended, CommandFailed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(may_start) = self.may_start.take() {
            let _ = may_start.send(()); // it is gone with its Invoker's future
        }
        Pin::new(&mut self.told).poll(cx).map(|told| {
            let gone = |_| Err(Failed::new("the command was dropped before it ended"));
            told.unwrap_or_else(gone).map_err(CommandFailed)
        })
    }
}

/// Why a Command failed, as an error that layers can pass on. It must reach the Invoker as it is, or boxed, if
/// the client is to get the Protocol's failure that is inside.
#[derive(Debug)]
pub struct CommandFailed(Failed);

impl CommandFailed {
    /// Returns why the Command failed.
    pub fn failed(&self) -> &Failed {
        &self.0
    }
}

impl From<Failed> for CommandFailed {
    fn from(failed: Failed) -> Self {
        Self(failed)
    }
}

impl fmt::Display for CommandFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for CommandFailed {}

impl<P, F, R, I> Builder<P, F, R, I>
where
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync + 'static,
    I: Invoker<P>,
{
    /// Adds a layer of `tower`, through which every Command passes: an [`invoker`](Self::invoker) that is
    /// [`Layered`].
    #[must_use]
    pub fn layer<L>(self, layer: L) -> Builder<P, F, R, Stack<I, Layered<L::Service>>>
    where
        L: Layer<Run>,
        Layered<L::Service>: Invoker<P>,
    {
        self.invoker(Layered::new(layer))
    }
}

impl<S, M> fmt::Debug for Layered<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layered").finish_non_exhaustive()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("entry", &self.entry)
            .field("seq", &self.seq)
            .field("peer", &self.peer)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("started", &self.may_start.is_none()).finish_non_exhaustive()
    }
}
