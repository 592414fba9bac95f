//! A call that is answered with a stream of Replies. Dropping the call or the stream forgets the Command.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::time::Instant;

use super::Client;
use super::call::{Bound, Stage, accepts, forget, poll_send, unwrap_reply};
use super::table::{Expects, Unread};
use crate::error::{CallError, Error};
use crate::format::{Encode, Format};
use crate::proto::frame::Seq;
use crate::protocol::{ClientProtocol, Command, CommandOf, Protocol};

/// A call that opens a stream of Replies, made by [`Client::stream`]. It is a future of a
/// `Result<`[`ReplyStream`]`, `[`Error`]`>`, and its first poll sends the Command.
#[must_use = "a call sends nothing until it is awaited"]
pub struct OpenStream<'a, P: Protocol, F, C> {
    client: &'a Client<P, F>,
    stage: Stage<C>,
    bounds: Bounds,
}

/// Until when the parts of a stream may take. The nearest counts.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    first: Bound,
    /// The first one is the client's default, and nothing was set for this stream that replaces it.
    is_default: bool,
    /// For each Reply after the first one.
    next: Option<Duration>,
    whole: Bound,
}

impl<'a, P: Protocol, F, C> OpenStream<'a, P, F, C> {
    pub(super) fn new(client: &'a Client<P, F>, command: C) -> Self {
        let bounds = Bounds::new(client.table().timeout);
        Self { client, stage: Stage::Unsent(command), bounds }
    }

    /// Limits how long the whole stream takes, from the first poll of this call to the last Reply. [`Duration::MAX`] means
    /// no limit. It replaces the client's [default](super::Builder::timeout).
    ///
    /// When the time is over, the stream gives the Replies that have arrived, and then an error of kind
    /// [`Timeout`](crate::ErrorKind::Timeout) and origin [`Local`](crate::Origin::Local). A Command that was not written by
    /// then is never sent. The server is not told.
    ///
    /// The three limits of a stream can be combined; the nearest counts.
    ///
    /// ```
    /// # use cmd_stream::{Client, Command, Json, Reply, protocol};
    /// # use serde::{Deserialize, Serialize};
    /// # use std::time::Duration;
    /// # #[derive(Serialize, Deserialize)] struct Watch;
    /// # #[derive(Serialize, Deserialize)] struct Event(String);
    /// # protocol! { struct Events { commands { 0 => Watch -> Event } replies { 0 => Event } failure close_connection } }
    /// # async fn example(client: Client<Events, Json>) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut events = client
    ///     .stream(Watch)
    ///     .first_reply_timeout(Duration::from_secs(2))
    ///     .next_reply_timeout(Duration::from_secs(60))
    ///     .await?;
    /// while let Some(event) = events.next().await {
    ///     println!("{}", event?.0);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn timeout(mut self, time: Duration) -> Self {
        self.bounds.limit(Bound::new(time));
        self
    }

    /// Limits the whole stream as [`timeout`](Self::timeout) does, by an instant.
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.bounds.limit(Bound::At(deadline));
        self
    }

    /// Limits how long the first Reply takes, from the first poll of this call on: waiting for a connection and for room,
    /// writing, and waiting for the Reply. It replaces the client's [default](super::Builder::timeout).
    pub fn first_reply_timeout(mut self, time: Duration) -> Self {
        self.bounds.limit_first(time);
        self
    }

    /// Limits how long each Reply after the first one takes, from the moment when [`ReplyStream::next`] waits for it. The
    /// client's [default](super::Builder::timeout) still limits the first one.
    pub fn next_reply_timeout(mut self, time: Duration) -> Self {
        self.bounds.limit_next(time);
        self
    }
}

impl Bounds {
    /// Those of a stream for which nothing is set.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { first: Bound::new(timeout), is_default: true, next: None, whole: Bound::Never }
    }

    /// Limits the first Reply.
    pub(crate) fn limit_first(&mut self, time: Duration) {
        (self.first, self.is_default) = (Bound::new(time), false);
    }

    /// Limits each Reply after the first one.
    pub(crate) fn limit_next(&mut self, time: Duration) {
        self.next = Some(time);
    }

    /// Whether the first Reply is too late.
    pub(crate) fn is_over(&self) -> bool {
        self.first.is_over() || self.whole.is_over()
    }

    /// Until when the next Reply must be here, of which somebody begins to wait now.
    #[inline]
    pub(crate) fn until_next(&mut self) -> Option<Instant> {
        if self.next.is_none() && matches!(self.whole, Bound::Never) {
            return None; // as most streams
        }
        self.until_next_of_some()
    }

    fn until_next_of_some(&mut self) -> Option<Instant> {
        let next = self.next.and_then(|time| Instant::now().checked_add(time));
        nearer(next, self.whole.deadline())
    }

    /// Limits the whole stream.
    pub(crate) fn limit(&mut self, whole: Bound) {
        self.whole = whole;
        if self.is_default {
            (self.first, self.is_default) = (Bound::Never, false);
        }
    }

    /// Until when the first Reply must be here.
    pub(crate) fn until_first(&mut self) -> Option<Instant> {
        nearer(self.first.deadline(), self.whole.deadline())
    }
}

fn nearer(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

impl<P: Protocol, F, C> Unpin for OpenStream<'_, P, F, C> {}

impl<P, F, C> Future for OpenStream<'_, P, F, C>
where
    P: ClientProtocol<F>,
    C: CommandOf<P>,
    F: Encode<C>,
{
    type Output = Result<ReplyStream<P, F, C>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let is_over = this.bounds.is_over();
        let (expects, until) = (Expects::Stream(accepts::<P, C>), this.bounds.until_first());
        let seq = ready!(poll_send(this.client.shared(), &mut this.stage, is_over, until, cx, expects))?;
        this.stage.advance(Stage::Done); // from here on, dropping the stream forgets the Command
        let (client, bounds) = (this.client.clone(), this.bounds);
        Poll::Ready(Ok(ReplyStream {
            client,
            seq: Some(seq),
            bounds,
            is_first: true,
            until,
            unread: Unread::new(),
            command: PhantomData,
        }))
    }
}

impl<P: Protocol, F, C> Drop for OpenStream<'_, P, F, C> {
    fn drop(&mut self) {
        forget(self.client.shared(), &self.stage);
    }
}

/// The Replies of a Command, made by awaiting [`Client::stream`]. The stream ends after the last Reply, or after an error.
///
/// It keeps the connection open. Dropping it forgets the Command.
///
/// [`next`](Self::next) needs no trait in scope. The type also implements [`Stream`].
#[must_use = "streams do nothing unless polled"]
pub struct ReplyStream<P: Protocol, F, C> {
    client: Client<P, F>,
    /// `None` after the end.
    seq: Option<Seq>,
    bounds: Bounds,
    is_first: bool,
    /// Until when the next Reply must be here. After the first one it is set when somebody waits.
    until: Option<Instant>,
    unread: Unread<P::Reply>,
    command: PhantomData<fn() -> C>,
}

impl<P, F, C> ReplyStream<P, F, C>
where
    P: ClientProtocol<F>,
    C: CommandOf<P>,
    F: Format,
{
    /// Waits for the next Reply. Returns `None` after the last one.
    ///
    /// # Errors
    ///
    /// The stream ends with an error if the server answers with the Protocol's failure, if the stream overflows (see
    /// [`Limits::stream_bytes`](super::Limits::stream_bytes)), if it times out, or with the reason why the connection
    /// was lost.
    /// Replies that arrived before the error come first.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped early, no Reply is lost.
    pub async fn next(&mut self) -> Option<Result<C::Reply, CallError<P::Failure>>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<P: Protocol, F, C> Unpin for ReplyStream<P, F, C> {}

impl<P, F, C> Stream for ReplyStream<P, F, C>
where
    P: ClientProtocol<F>,
    C: CommandOf<P>,
    F: Format,
{
    type Item = Result<C::Reply, CallError<P::Failure>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(seq) = this.seq else { return Poll::Ready(None) };
        let table = this.client.table();
        if this.until.is_none() && !this.is_first {
            this.until = this.bounds.until_next();
        }
        let next = ready!(table.poll_some(seq, this.until, &mut this.unread, cx));
        (this.is_first, this.until) = (false, None);
        let item = next.map(|reply| match reply {
            Ok((reply, _)) => unwrap_reply::<P, C>(reply),
            Err(error) => Err(error.into()),
        });
        // After an error nothing more is read, so the call is forgotten, and not left to fill up.
        if !matches!(item, Some(Ok(_))) {
            table.forget(seq);
            this.seq = None;
        }
        Poll::Ready(item)
    }
}

impl<P: Protocol, F, C> Drop for ReplyStream<P, F, C> {
    fn drop(&mut self) {
        if let Some(seq) = self.seq {
            self.client.table().forget(seq);
        }
    }
}

impl<P: Protocol, F, C> fmt::Debug for OpenStream<'_, P, F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenStream").finish_non_exhaustive()
    }
}

impl<P: Protocol, F, C: Command> fmt::Debug for ReplyStream<P, F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyStream").field("seq", &self.seq).finish_non_exhaustive()
    }
}
