//! Calls that borrow nothing of their Sender, and the Sender as a service of `tower`.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tower::Service;

use super::Sender;
use super::core::Core;
use super::course::{Awaits, Course};
use crate::client::call::{Bound, unwrap_reply};
use crate::error::{CallError, Error, ErrorKind, Origin};
use crate::format::{Encode, Format};
use crate::hooks::{Hooks, NoHooks};
use crate::protocol::kind::Kind;
use crate::protocol::{ClientProtocol, CommandOf, Protocol};
use crate::sync::Arc;

/// A call that was made through `tower`. It is a future of the Reply or a [`CallError`], and its first poll sends the Command.
///
/// It borrows nothing, so that layers can hold it, and run it in tasks of their own. Dropping it forgets the Command, as
/// for [`Sender::send`]. One of a one-way Command completes when the Command is written.
#[must_use = "a call sends nothing until it is awaited"]
pub struct OwnedCall<P: Protocol, F, C, H: Hooks<P> = NoHooks> {
    core: Arc<Core<P, F, H>>,
    command: Option<C>,
    bound: Bound,
    course: Course<H::Call>,
}

impl<P: Protocol, F, C, H: Hooks<P>> OwnedCall<P, F, C, H> {
    fn new(sender: &Sender<P, F, H>, command: C) -> Self {
        let core = Arc::clone(&sender.core);
        Self { command: Some(command), bound: Bound::new(core.timeout), course: Course::new(), core }
    }
}

impl<P: Protocol, F, C, H: Hooks<P>> Unpin for OwnedCall<P, F, C, H> {}

impl<P, F, C, H> Future for OwnedCall<P, F, C, H>
where
    P: ClientProtocol<F>,
    C: CommandOf<P>,
    F: Format + Encode<C>,
    H: Hooks<P>,
{
    type Output = Result<C::Reply, CallError<P::Failure>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let awaits = if C::Kind::ONE_WAY { Awaits::Written } else { Awaits::Reply };
        let is_over = !this.course.is_sent() && this.bound.is_over();
        let until = (is_over, this.bound.deadline());
        let answer = ready!(this.course.poll(&this.core, &mut this.command, awaits, until, cx))?;
        Poll::Ready(match answer {
            Some(reply) => unwrap_reply::<P, C>(reply),
            None => nothing::<C::Reply>().ok_or_else(|| no_reply().into()),
        })
    }
}

impl<P: Protocol, F, C, H: Hooks<P>> Drop for OwnedCall<P, F, C, H> {
    fn drop(&mut self) {
        self.course.forget(&self.core);
    }
}

/// The Reply of a one-way Command, whose type is `()`. `None` for any other type.
fn nothing<R: 'static>() -> Option<R> {
    let mut nothing = Some(());
    (&mut nothing as &mut dyn Any).downcast_mut::<Option<R>>()?.take()
}

#[cold]
fn no_reply() -> Error {
    Error::new(ErrorKind::Protocol, Origin::Remote, "the call ended without a reply").into_sent()
}

/// A Sender is a service of each Command of its Protocol; see [`tower`](crate::tower).
impl<P, F, C, H> Service<C> for Sender<P, F, H>
where
    P: ClientProtocol<F>,
    C: CommandOf<P>,
    F: Format + Encode<C>,
    H: Hooks<P>,
{
    type Response = C::Reply;
    type Error = CallError<P::Failure>;
    type Future = OwnedCall<P, F, C, H>;

    /// Ready while the Sender takes calls. It fails with [`ErrorKind::Closed`] when the Sender is closed or drained.
    ///
    /// It waits neither for a connection nor for room: the call does that, where its timeout holds.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        poll_ready(self)
    }

    fn call(&mut self, command: C) -> Self::Future {
        OwnedCall::new(self, command)
    }
}

/// As a Sender: all clones, and all references, are the same one.
impl<P, F, C, H> Service<C> for &Sender<P, F, H>
where
    P: ClientProtocol<F>,
    C: CommandOf<P>,
    F: Format + Encode<C>,
    H: Hooks<P>,
{
    type Response = C::Reply;
    type Error = CallError<P::Failure>;
    type Future = OwnedCall<P, F, C, H>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        poll_ready(self)
    }

    fn call(&mut self, command: C) -> Self::Future {
        OwnedCall::new(self, command)
    }
}

fn poll_ready<P: Protocol, F, H: Hooks<P>>(
    sender: &Sender<P, F, H>,
) -> Poll<Result<(), CallError<P::Failure>>> {
    Poll::Ready(if sender.core.refuses_calls() { Err(sender.core.drained().into()) } else { Ok(()) })
}

impl<P: Protocol, F, C, H: Hooks<P>> fmt::Debug for OwnedCall<P, F, C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedCall").finish_non_exhaustive()
    }
}
