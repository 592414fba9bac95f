//! The calls of a Sender for a stream of Replies.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::time::Instant;

use super::core::Core;
use super::course::{Awaits, Course};
use crate::client::call::unwrap_reply;
use crate::client::stream::Bounds;
use crate::client::table::Unread;
use crate::error::{CallError, Error};
use crate::format::{Encode, Format};
use crate::hooks::{Hooks, NoHooks};
use crate::protocol::{ClientProtocol, CommandOf, Protocol};
use crate::sync::Arc;

/// A call that opens a stream of Replies, made by [`Sender::stream`](crate::Sender::stream). It is a future of a
/// `Result<`[`ReplyStream`]`, `[`Error`]`>`, and its first poll sends the Command.
#[must_use = "a call sends nothing until it is awaited"]
pub struct OpenStream<'a, P: Protocol, F, C, H: Hooks<P> = NoHooks> {
    core: &'a Arc<Core<P, F, H>>,
    command: Option<C>,
    bounds: Bounds,
    course: Course<H::Call>,
}

impl<'a, P: Protocol, F, C, H: Hooks<P>> OpenStream<'a, P, F, C, H> {
    pub(super) fn new(core: &'a Arc<Core<P, F, H>>, command: C) -> Self {
        Self { core, command: Some(command), bounds: Bounds::new(core.timeout), course: Course::new() }
    }

    /// Limits how long the whole stream takes, from the first poll of this call to the last Reply. [`Duration::MAX`] means
    /// no limit. It replaces the Sender's [default](super::Builder::timeout), which limits only the first Reply.
    ///
    /// When the time is over, the stream gives the Replies that have arrived, and then an error of kind
    /// [`Timeout`](crate::ErrorKind::Timeout) and origin [`Local`](crate::Origin::Local). A Command that was not written by
    /// then is never sent. The server is not told.
    ///
    /// The three limits of a stream can be combined; the nearest counts.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.bounds.limit(crate::client::call::Bound::new(time));
        self
    }

    /// Limits the whole stream as [`timeout`](Self::timeout) does, by an instant.
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.bounds.limit(crate::client::call::Bound::At(deadline));
        self
    }

    /// Limits how long the first Reply takes, from the first poll of this call on. It replaces the Sender's
    /// [default](super::Builder::timeout).
    pub fn first_reply_timeout(mut self, time: Duration) -> Self {
        self.bounds.limit_first(time);
        self
    }

    /// Limits how long each Reply after the first one takes, from the moment when [`ReplyStream::next`] waits for it. The
    /// Sender's [default](super::Builder::timeout) still limits the first one.
    pub fn next_reply_timeout(mut self, time: Duration) -> Self {
        self.bounds.limit_next(time);
        self
    }
}

impl<P: Protocol, F, C, H: Hooks<P>> Unpin for OpenStream<'_, P, F, C, H> {}

impl<P, F, C, H> Future for OpenStream<'_, P, F, C, H>
where
    P: ClientProtocol<F>,
    C: CommandOf<P>,
    F: Format + Encode<C>,
    H: Hooks<P>,
{
    type Output = Result<ReplyStream<P, F, C, H>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let is_over = this.bounds.is_over();
        let until = this.bounds.until_first();
        let sent = this.course.poll(this.core, &mut this.command, Awaits::Replies, (is_over, until), cx);
        if let Poll::Ready(Err(error)) = sent {
            return Poll::Ready(Err(error));
        }
        if !this.course.is_sent() {
            return Poll::Pending;
        }
        // From here on, dropping the stream forgets the Command.
        Poll::Ready(Ok(ReplyStream {
            core: Arc::clone(this.core),
            command: this.command.take(),
            bounds: this.bounds,
            course: std::mem::replace(&mut this.course, Course::new()),
            is_first: true,
            until,
            unread: Unread::new(),
            has_ended: false,
        }))
    }
}

impl<P: Protocol, F, C, H: Hooks<P>> Drop for OpenStream<'_, P, F, C, H> {
    fn drop(&mut self) {
        self.course.forget(self.core);
    }
}

/// The Replies of a Command, made by awaiting [`Sender::stream`](crate::Sender::stream). The stream ends after the last Reply,
/// or after an error.
///
/// It keeps the Sender open. Dropping it forgets the Command.
///
/// Before the first Reply, the Command may still move to another member of the group, as that of any call.
///
/// [`next`](Self::next) needs no trait in scope. The type also implements [`Stream`].
#[must_use = "streams do nothing unless polled"]
pub struct ReplyStream<P: Protocol, F, C, H: Hooks<P> = NoHooks> {
    core: Arc<Core<P, F, H>>,
    /// As long as it may have to be sent again.
    command: Option<C>,
    bounds: Bounds,
    course: Course<H::Call>,
    is_first: bool,
    /// Until when the next Reply must be here. After the first one it is set when somebody waits.
    until: Option<Instant>,
    unread: Unread<P::Reply>,
    has_ended: bool,
}

impl<P, F, C, H> ReplyStream<P, F, C, H>
where
    P: ClientProtocol<F>,
    C: CommandOf<P>,
    F: Format + Encode<C>,
    H: Hooks<P>,
{
    /// Waits for the next Reply. Returns `None` after the last one.
    ///
    /// # Errors
    ///
    /// The stream ends with an error if the server answers with the Protocol's failure, if the stream overflows (see
    /// [`Limits::stream_bytes`](crate::client::Limits::stream_bytes)), if it times out, or with the reason why the
    /// connection was lost. Replies that arrived before the error come first.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped early, no Reply is lost.
    pub async fn next(&mut self) -> Option<Result<C::Reply, CallError<P::Failure>>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<P: Protocol, F, C, H: Hooks<P>> Unpin for ReplyStream<P, F, C, H> {}

impl<P, F, C, H> Stream for ReplyStream<P, F, C, H>
where
    P: ClientProtocol<F>,
    C: CommandOf<P>,
    F: Format + Encode<C>,
    H: Hooks<P>,
{
    type Item = Result<C::Reply, CallError<P::Failure>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.has_ended {
            return Poll::Ready(None);
        }
        if this.until.is_none() && !this.is_first {
            this.until = this.bounds.until_next();
        }
        let is_over = !this.course.is_sent() && this.bounds.is_over();
        let until = (is_over, this.until);
        let next = ready!(this.course.poll_next(&this.core, &mut this.command, &mut this.unread, until, cx));
        (this.is_first, this.until) = (false, None);
        this.has_ended = this.course.has_ended();
        let item = match next {
            Ok(Some(reply)) => Some(unwrap_reply::<P, C>(reply)),
            Ok(None) => None,
            Err(error) => Some(Err(error.into())),
        };
        // After an error nothing more is read, so the call is forgotten, and not left to fill up.
        if !matches!(item, Some(Ok(_))) {
            this.course.forget(&this.core);
            this.course = Course::new();
            (this.has_ended, this.command) = (true, None);
        }
        Poll::Ready(item)
    }
}

impl<P: Protocol, F, C, H: Hooks<P>> Drop for ReplyStream<P, F, C, H> {
    fn drop(&mut self) {
        self.course.forget(&self.core);
    }
}

impl<P: Protocol, F, C, H: Hooks<P>> fmt::Debug for OpenStream<'_, P, F, C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenStream").finish_non_exhaustive()
    }
}

impl<P: Protocol, F, C, H: Hooks<P>> fmt::Debug for ReplyStream<P, F, C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyStream").field("seq", &self.course.seq()).finish_non_exhaustive()
    }
}
