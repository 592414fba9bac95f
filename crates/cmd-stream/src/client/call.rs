//! A call: a Command on its way out, and whoever waits for its Replies. Dropping it forgets the Command.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

use super::Client;
use super::shared::{Queue, QueueState, Shared, Waiter};
use crate::connection::outbox::Scratch;
use crate::error::{CallError, Error, ErrorKind, Origin};
use crate::format::{Encode, Format};
use crate::proto::frame::Seq;
use crate::protocol::kind::Kind;
use crate::protocol::{ClientProtocol, Command, CommandOf, Protocol, ReplyOf};

/// How far a call has come.
enum Stage<C> {
    Unsent(C),
    /// Encoded, waiting for room in the output.
    Encoded(Box<(Scratch, Option<u64>)>),
    Sent(Seq),
    Done,
}

impl<C> Stage<C> {
    /// Goes on to a further stage from one that holds nothing, so that nothing need be dropped.
    fn advance(&mut self, to: Self) {
        debug_assert!(matches!(self, Self::Sent(_) | Self::Done), "it holds a command");
        mem::forget(mem::replace(self, to));
    }
}

/// Encodes a Command outside of any lock. The result is the frame without its seq.
fn encode<P, F, C>(shared: &Shared<P, F>, command: &C) -> Result<Scratch, Error>
where
    P: Protocol,
    C: CommandOf<P>,
    F: Encode<C>,
{
    let mut bytes = Scratch::new();
    let encoding = AssertUnwindSafe(|| {
        shared.format.encode_tag(C::TAG, bytes.buffer());
        shared.format.encode(command, bytes.buffer())
    });
    match catch_unwind(encoding) {
        Ok(Ok(())) => Ok(bytes),
        Ok(Err(error)) => {
            Err(Error::with_source(ErrorKind::Encode, Origin::Local, "the command cannot be encoded", error))
        }
        Err(payload) => Err(Error::panic("encoding a command", &*payload)),
    }
}

/// Encodes the Command, then puts it into the output and a waiter into the table, once there is room.
fn poll_send<P, F, C>(
    shared: &Shared<P, F>,
    stage: &mut Stage<C>,
    cx: &Context<'_>,
    waiter: impl FnOnce(Waker) -> Waiter<P::Reply>,
) -> Poll<Result<Seq, Error>>
where
    P: Protocol,
    C: CommandOf<P>,
    F: Encode<C>,
{
    let (mut bytes, mut turn) = match stage {
        // By reference: moving a Command costs as much as encoding a small one.
        Stage::Unsent(command) => {
            let encoded = encode::<P, F, C>(shared, command);
            *stage = Stage::Done; // drops the Command; its destructor is the user's, so it runs without the lock
            (encoded?, None)
        }
        Stage::Encoded(encoded) => {
            let encoded = mem::take(&mut **encoded);
            *stage = Stage::Done;
            encoded
        }
        Stage::Sent(_) | Stage::Done => panic!("a call was polled after it was done"),
    };
    let mut state = shared.lock();
    if let Some(error) = state.closed.clone() {
        return Poll::Ready(Err(error));
    }
    let seq = state.pending.next_seq();
    let (len, limit) = (seq.wire_len() + bytes.len(), shared.limits.frame);
    if len > limit {
        let message = format!("command of {len} bytes is over the limit of {limit} (`Limits::frame`)");
        return Poll::Ready(Err(Error::new(ErrorKind::Limit, Origin::Local, message)));
    }
    if state.outbox.is_full() {
        state.outbox.wait_for_room(cx.waker(), &mut turn);
        stage.advance(Stage::Encoded(Box::new((bytes, turn))));
        return Poll::Pending;
    }
    state.pending.insert(waiter(cx.waker().clone()));
    if C::Kind::ONE_WAY {
        state.posted.push(seq);
    }
    state.outbox.append(|out| seq.encode(out), &mut bytes);
    let task = state.task.take();
    drop(state);
    if let Some(task) = task {
        task.wake();
    }
    stage.advance(Stage::Sent(seq));
    Poll::Ready(Ok(seq))
}

/// Takes a Reply out of the Protocol's enum.
fn unwrap_reply<P, C>(reply: P::Reply) -> Result<C::Reply, CallError<P::Failure>>
where
    P: Protocol,
    C: CommandOf<P>,
{
    let reply = match P::as_failure(reply) {
        Ok(failure) => return Err(CallError::Failed(failure)),
        Err(reply) => reply,
    };
    C::Reply::from_reply(reply).map_err(|_| {
        // The connection's task has refused all others.
        Error::new(ErrorKind::Protocol, Origin::Remote, "reply of a type that the command does not declare")
            .into_sent()
            .into()
    })
}

fn forget<P: Protocol, F>(shared: &Shared<P, F>, seq: Seq) {
    let (waiter, task) = shared.lock().remove(seq);
    if let Some(task) = task {
        task.wake();
    }
    drop(waiter); // Replies in it are the user's, so their destructors run without the lock
}

/// A call for one Reply; made by [`Client::send`]. It is a future: polled first, it sends the Command.
///
/// It borrows the Client. A task that outlives the caller takes a clone along:
///
/// ```
/// # use cmd_stream::{CallError, Client, Json, protocol};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)] struct Add { a: i64, b: i64 }
/// # #[derive(Serialize, Deserialize)] struct Sum(i64);
/// # protocol! { struct Calculator { commands { 0 => Add -> Sum } replies { 0 => Sum } failure close_connection } }
/// # async fn example(client: Client<Calculator, Json>) -> Result<(), Box<dyn std::error::Error>> {
/// let spawned = tokio::spawn({
///     let client = client.clone();
///     async move { client.send(Add { a: 2, b: 3 }).await }
/// });
/// let in_time = tokio::time::timeout(std::time::Duration::from_secs(1), client.send(Add { a: 1, b: 1 })).await??;
/// let both = tokio::try_join!(client.send(Add { a: 1, b: 1 }), client.send(Add { a: 2, b: 2 }))?;
/// # let _ = (spawned.await?, in_time, both);
/// # Ok(()) }
/// ```
#[doc(alias = "timeout")]
#[doc(alias = "deadline")]
#[must_use = "a call sends nothing until it is awaited"]
pub struct Call<'a, P: Protocol, F, C> {
    shared: &'a Shared<P, F>,
    stage: Stage<C>,
}

impl<'a, P: Protocol, F, C> Call<'a, P, F, C> {
    pub(super) fn new(client: &'a Client<P, F>, command: C) -> Self {
        Self { shared: client.shared(), stage: Stage::Unsent(command) }
    }
}

impl<P: Protocol, F, C> Unpin for Call<'_, P, F, C> {}

impl<P, F, C> Future for Call<'_, P, F, C>
where
    P: ClientProtocol<F>,
    C: CommandOf<P>,
    F: Encode<C>,
{
    type Output = Result<C::Reply, CallError<P::Failure>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Stage::Sent(seq) = this.stage else {
            let accepts = <C::Reply as ReplyOf<P>>::includes;
            return match poll_send(this.shared, &mut this.stage, cx, |waker| Waiter::One { accepts, waker }) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
                Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
            };
        };
        let reply = {
            let mut state = this.shared.lock();
            let failure = state.failure(seq);
            match state.pending.get_mut(seq) {
                Some(Waiter::One { waker, .. }) if failure.is_none() => {
                    waker.clone_from(cx.waker());
                    return Poll::Pending;
                }
                Some(Waiter::Arrived(_)) => match state.pending.remove(seq) {
                    Some(Waiter::Arrived(reply)) => Some(reply),
                    _ => None,
                },
                _ => {
                    state.pending.remove(seq);
                    None
                }
            }
            .ok_or(failure)
        };
        this.stage.advance(Stage::Done);
        Poll::Ready(match reply {
            Ok(reply) => unwrap_reply::<P, C>(reply),
            Err(failure) => Err(CallError::Other(failure.unwrap_or_else(|| {
                Error::new(ErrorKind::Closed, Origin::Local, "the call was forgotten").into_sent()
            }))),
        })
    }
}

impl<P: Protocol, F, C> Drop for Call<'_, P, F, C> {
    fn drop(&mut self) {
        if let Stage::Sent(seq) = self.stage {
            forget(self.shared, seq);
        }
    }
}

/// The sending of a one-way Command; made by [`Client::post`]. It is a future: polled first, it sends the Command.
#[must_use = "a call sends nothing until it is awaited"]
pub struct Post<'a, P: Protocol, F, C> {
    shared: &'a Shared<P, F>,
    stage: Stage<C>,
}

impl<'a, P: Protocol, F, C> Post<'a, P, F, C> {
    pub(super) fn new(client: &'a Client<P, F>, command: C) -> Self {
        Self { shared: client.shared(), stage: Stage::Unsent(command) }
    }
}

impl<P: Protocol, F, C> Unpin for Post<'_, P, F, C> {}

impl<P, F, C> Future for Post<'_, P, F, C>
where
    P: ClientProtocol<F>,
    C: CommandOf<P>,
    F: Encode<C>,
{
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Stage::Sent(seq) = this.stage else {
            return match poll_send(this.shared, &mut this.stage, cx, Waiter::Posted) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
            };
        };
        let mut state = this.shared.lock();
        let failure = state.failure(seq);
        match (state.pending.get_mut(seq), failure) {
            (Some(Waiter::Posted(waker)), None) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            (Some(_), Some(error)) => {
                state.pending.remove(seq);
                this.stage.advance(Stage::Done);
                Poll::Ready(Err(error))
            }
            // Whoever wrote it took it out.
            _ => {
                this.stage.advance(Stage::Done);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl<P: Protocol, F, C> Drop for Post<'_, P, F, C> {
    fn drop(&mut self) {
        if let Stage::Sent(seq) = self.stage {
            forget(self.shared, seq);
        }
    }
}

/// The opening of a stream of Replies; made by [`Client::stream`]. It is a future: polled first, it sends the Command.
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
        let queue = |_| {
            Waiter::Many(Box::new(Queue {
                accepts: <C::Reply as ReplyOf<P>>::includes,
                replies: VecDeque::new(),
                waker: None,
                state: QueueState::Open,
            }))
        };
        let seq = std::task::ready!(poll_send(this.client.shared(), &mut this.stage, cx, queue))?;
        this.stage.advance(Stage::Done); // from here on the stream forgets the Command
        Poll::Ready(Ok(ReplyStream { client: this.client.clone(), seq: Some(seq), command: PhantomData }))
    }
}

/// The Replies of a Command; made by awaiting [`Client::stream`]. It ends after the last Reply, or after an error.
///
/// It keeps the connection open. Dropping it forgets the Command.
///
/// [`next`](Self::next) needs no trait in scope; it is a [`Stream`], too.
#[must_use = "streams do nothing unless polled"]
pub struct ReplyStream<P: Protocol, F, C> {
    client: Client<P, F>,
    /// None after its end.
    seq: Option<Seq>,
    command: PhantomData<fn() -> C>,
}

impl<P, F, C> ReplyStream<P, F, C>
where
    P: ClientProtocol<F>,
    C: CommandOf<P>,
    F: Format,
{
    /// The next Reply; nothing after the last one.
    ///
    /// # Errors
    ///
    /// The stream ends with an error if the server answers with the Protocol's failure, if the stream overflows (see
    /// [`Limits::stream_replies`](super::Limits::stream_replies)), or with the reason why the connection ended.
    /// Replies that arrived before are given first.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, it has taken no Reply.
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
        let shared = this.client.shared();
        let (next, task) = {
            let mut state = shared.lock();
            let failure = state.failure(seq);
            let limit = shared.limits.stream_replies;
            let Some(Waiter::Many(queue)) = state.pending.get_mut(seq) else { return Poll::Ready(None) };
            match (queue.replies.pop_front(), queue.state, failure) {
                (Some(reply), QueueState::Pausing, _) if queue.replies.len() < limit => {
                    queue.state = QueueState::Open;
                    (Some(Ok(reply)), state.resume())
                }
                (Some(reply), _, _) => (Some(Ok(reply)), None),
                (None, QueueState::Ended, _) => (None, None),
                (None, QueueState::Overflowed, _) => {
                    let message =
                        format!("over {limit} replies wait in the stream (`Limits::stream_replies`)");
                    (Some(Err(Error::new(ErrorKind::Limit, Origin::Local, message).into_sent())), None)
                }
                (None, _, Some(error)) => (Some(Err(error)), None),
                (None, _, None) => {
                    queue.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        };
        if let Some(task) = task {
            task.wake();
        }
        let item = next.map(|reply| reply.map_err(CallError::Other).and_then(unwrap_reply::<P, C>));
        if !matches!(item, Some(Ok(_))) {
            this.seq = None;
            forget(shared, seq);
        }
        Poll::Ready(item)
    }
}

impl<P: Protocol, F, C> Drop for ReplyStream<P, F, C> {
    fn drop(&mut self) {
        if let Some(seq) = self.seq {
            forget(self.client.shared(), seq);
        }
    }
}

impl<P: Protocol, F, C> fmt::Debug for Call<'_, P, F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

impl<P: Protocol, F, C> fmt::Debug for Post<'_, P, F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").finish_non_exhaustive()
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
