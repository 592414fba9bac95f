//! A call that is answered with a stream of Replies. Dropping the call or the stream forgets the Command.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::Client;
use super::call::{Stage, accepts, poll_send, unwrap_reply};
use super::table::Expects;
use crate::error::{CallError, Error};
use crate::format::{Encode, Format};
use crate::proto::frame::Seq;
use crate::protocol::{ClientProtocol, Command, CommandOf, Protocol};

/// A call that opens a stream of Replies, made by [`Client::stream`]. It is a future, and its first poll sends the Command.
#[must_use = "a call sends nothing until it is awaited"]
pub struct OpenStream<'a, P: Protocol, F, C> {
    client: &'a Client<P, F>,
    stage: Stage<C>,
}

impl<'a, P: Protocol, F, C> OpenStream<'a, P, F, C> {
    pub(super) fn new(client: &'a Client<P, F>, command: C) -> Self {
        Self { client, stage: Stage::Unsent(command) }
    }
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
        let expects = Expects::Stream(accepts::<P, C>);
        let seq = ready!(poll_send(this.client.shared(), &mut this.stage, cx, expects))?;
        this.stage.advance(Stage::Done); // from here on, dropping the stream forgets the Command
        Poll::Ready(Ok(ReplyStream { client: this.client.clone(), seq: Some(seq), command: PhantomData }))
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
    /// [`Limits::stream_replies`](super::Limits::stream_replies)), or with the reason why the connection ended.
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
        let next = ready!(table.poll_next(seq, cx));
        let item = next.map(|reply| reply.map_err(CallError::Other).and_then(unwrap_reply::<P, C>));
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
