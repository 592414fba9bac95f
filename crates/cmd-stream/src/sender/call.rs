//! The calls of a Sender for one Reply, and for none.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use super::core::Core;
use super::course::{Awaits, Course};
use crate::client::call::{Bound, unwrap_reply};
use crate::error::{CallError, Error, ErrorKind, Origin};
use crate::format::{Encode, Format};
use crate::hooks::{Hooks, NoHooks};
use crate::protocol::{ClientProtocol, CommandOf, Protocol};

/// A call for one Reply, made by [`Sender::send`](crate::Sender::send). It is a future of the Reply or a [`CallError`], and its
/// first poll sends the Command.
///
/// Calls can be spawned, raced and joined, as any future. Dropping one forgets the Command.
#[must_use = "a call sends nothing until it is awaited"]
pub struct Call<'a, P: Protocol, F, C, H: Hooks<P> = NoHooks> {
    core: &'a Core<P, F, H>,
    command: Option<C>,
    bound: Bound,
    course: Course<H::Call>,
}

impl<'a, P: Protocol, F, C, H: Hooks<P>> Call<'a, P, F, C, H> {
    pub(super) fn new(core: &'a Core<P, F, H>, command: C) -> Self {
        Self { core, command: Some(command), bound: Bound::new(core.timeout), course: Course::new() }
    }

    /// Limits how long the call takes, from its first poll on: waiting for a member and for room, writing, waiting for the
    /// Reply, and all further attempts. It replaces what was set before, and the Sender's
    /// [default](super::Builder::timeout). [`Duration::MAX`] means never.
    ///
    /// When the time is over, the call fails with an error of kind [`Timeout`](ErrorKind::Timeout) and origin
    /// [`Local`](Origin::Local). A Command that was not written by then is never sent, and [`Error::was_sent`] is false.
    /// One that was written may be executed all the same: the server is not told.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.bound = Bound::new(time);
        self
    }

    /// Limits the call as [`timeout`](Self::timeout) does, by an instant.
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.bound = Bound::At(deadline);
        self
    }
}

impl<P: Protocol, F, C, H: Hooks<P>> Unpin for Call<'_, P, F, C, H> {}

impl<P, F, C, H> Future for Call<'_, P, F, C, H>
where
    P: ClientProtocol<F>,
    C: CommandOf<P>,
    F: Format + Encode<C>,
    H: Hooks<P>,
{
    type Output = Result<C::Reply, CallError<P::Failure>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let until = until(&mut this.bound, &this.course);
        let answer = ready!(this.course.poll(this.core, &mut this.command, Awaits::Reply, until, cx))?;
        Poll::Ready(match answer {
            Some(reply) => unwrap_reply::<P, C>(reply),
            None => Err(no_reply().into()),
        })
    }
}

impl<P: Protocol, F, C, H: Hooks<P>> Drop for Call<'_, P, F, C, H> {
    fn drop(&mut self) {
        self.course.forget(self.core);
    }
}

/// A call that sends a one-way Command, made by [`Sender::post`](crate::Sender::post). It is a future of
/// `Result<(), `[`Error`]`>`, and its first poll sends the Command.
#[must_use = "a call sends nothing until it is awaited"]
pub struct Post<'a, P: Protocol, F, C, H: Hooks<P> = NoHooks> {
    core: &'a Core<P, F, H>,
    command: Option<C>,
    bound: Bound,
    course: Course<H::Call>,
}

impl<'a, P: Protocol, F, C, H: Hooks<P>> Post<'a, P, F, C, H> {
    pub(super) fn new(core: &'a Core<P, F, H>, command: C) -> Self {
        Self { core, command: Some(command), bound: Bound::new(core.timeout), course: Course::new() }
    }

    /// Limits how long it may take until the Command is written; see [`Call::timeout`].
    pub fn timeout(mut self, time: Duration) -> Self {
        self.bound = Bound::new(time);
        self
    }

    /// Limits the call as [`timeout`](Self::timeout) does, by an instant.
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.bound = Bound::At(deadline);
        self
    }
}

impl<P: Protocol, F, C, H: Hooks<P>> Unpin for Post<'_, P, F, C, H> {}

impl<P, F, C, H> Future for Post<'_, P, F, C, H>
where
    P: ClientProtocol<F>,
    C: CommandOf<P>,
    F: Format + Encode<C>,
    H: Hooks<P>,
{
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let until = until(&mut this.bound, &this.course);
        ready!(this.course.poll(this.core, &mut this.command, Awaits::Written, until, cx))?;
        Poll::Ready(Ok(()))
    }
}

impl<P: Protocol, F, C, H: Hooks<P>> Drop for Post<'_, P, F, C, H> {
    fn drop(&mut self) {
        self.course.forget(self.core);
    }
}

/// Whether the deadline of a call that is not sent is over, and the deadline.
#[inline(always)]
fn until<K: Send + 'static>(bound: &mut Bound, course: &Course<K>) -> (bool, Option<Instant>) {
    let is_over = !course.is_sent() && bound.is_over();
    (is_over, bound.deadline())
}

#[cold]
fn no_reply() -> Error {
    // A call for one Reply ends with one, or with an error.
    Error::new(ErrorKind::Protocol, Origin::Remote, "the call ended without a reply").into_sent()
}

impl<P: Protocol, F, C, H: Hooks<P>> fmt::Debug for Call<'_, P, F, C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

impl<P: Protocol, F, C, H: Hooks<P>> fmt::Debug for Post<'_, P, F, C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").finish_non_exhaustive()
    }
}
