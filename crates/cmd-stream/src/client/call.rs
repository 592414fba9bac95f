//! A call: a Command that is sent, and the wait for its Reply. Dropping the call forgets the Command.

use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::task::coop;
use tokio::time::Instant;

use super::table::{Expects, Waited};
use super::{Client, Shared};
use crate::connection::outbox::Scratch;
use crate::error::{CallError, Error, ErrorKind, Origin};
use crate::format::Encode;
use crate::proto::frame::Seq;
use crate::protocol::{ClientProtocol, CommandOf, Protocol, ReplyOf};

/// How far a call has come.
pub(super) enum Stage<C> {
    Unsent(C),
    /// Encoded. It waits for room in the output.
    Encoded(Box<(Scratch, Option<Seq>)>),
    Sent(Seq),
    Done,
}

impl<C> Stage<C> {
    /// Goes to the next stage from one that holds nothing. So there is nothing to drop, and no code for it.
    pub(super) fn advance(&mut self, to: Self) {
        debug_assert!(matches!(self, Self::Sent(_) | Self::Done), "it holds a command");
        mem::forget(mem::replace(self, to));
    }
}

/// Until when a call may take.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    Never,
    /// From the first poll on.
    Timeout(Duration),
    At(Instant),
}

impl Bound {
    pub(crate) fn new(timeout: Duration) -> Self {
        if timeout == Duration::MAX { Self::Never } else { Self::Timeout(timeout) }
    }

    /// Whether it is over. A timeout that has not begun is not, so a call that has one need not look at the clock here.
    #[inline(always)] // every call passes here, and most have none
    pub(crate) fn is_over(self) -> bool {
        match self {
            Self::Never => false,
            Self::Timeout(timeout) => timeout.is_zero(),
            Self::At(deadline) => deadline <= Instant::now(),
        }
    }

    /// The instant, from the first time that it is asked for.
    #[inline(always)] // as above
    pub(crate) fn deadline(&mut self) -> Option<Instant> {
        match *self {
            Self::Never => None,
            Self::At(deadline) => Some(deadline),
            Self::Timeout(timeout) => self.begin(timeout),
        }
    }

    fn begin(&mut self, timeout: Duration) -> Option<Instant> {
        let deadline = Instant::now().checked_add(timeout);
        *self = deadline.map_or(Self::Never, Self::At); // a time that no instant can hold is never over
        deadline
    }
}

/// Encodes a Command without holding a lock: its frame without the seq, which the table assigns later. Into what the caller has; see
/// `encode` of `server/session.rs`.
pub(crate) fn encode<P, F, C>(format: &F, command: &C, frame: &mut Scratch) -> Result<(), Error>
where
    P: Protocol,
    C: CommandOf<P>,
    F: Encode<C>,
{
    // What was encoded before a panic or an error is dropped with the buffer. The output never sees it.
    let encoding = AssertUnwindSafe(|| {
        format.encode_tag(C::TAG, frame.buffer());
        format.encode(command, frame.buffer())
    });
    match catch_unwind(encoding) {
        Ok(Ok(())) => {
            frame.fit();
            Ok(())
        }
        Ok(Err(error)) => {
            Err(Error::with_source(ErrorKind::Encode, Origin::Local, "the command cannot be encoded", error))
        }
        Err(payload) => Err(Error::panic("encoding a command", payload)),
    }
}

/// Encodes the Command at the first poll, then sends it once there is room.
///
/// # Errors
///
/// It cannot be sent, or it `is_over` because its deadline is.
pub(super) fn poll_send<P, F, C>(
    shared: &Shared<P, F>,
    stage: &mut Stage<C>,
    is_over: bool,
    deadline: Option<Instant>,
    cx: &mut Context<'_>,
    expects: Expects<P::Reply>,
) -> Poll<Result<Seq, Error>>
where
    P: Protocol,
    C: CommandOf<P>,
    F: Encode<C>,
{
    if is_over {
        ready!(may_fail(cx));
        let waited = if let Stage::Encoded(_) = stage { Waited::ForRoom } else { Waited::Not };
        forget(shared, stage);
        *stage = Stage::Done;
        return Poll::Ready(Err(shared.table.timed_out(waited)));
    }
    match stage {
        Stage::Unsent(command) => {
            // By reference: moving a Command costs as much as encoding a small one.
            let (mut bytes, mut turn) = (Scratch::new(), None);
            let encoded = encode::<P, F, C>(&shared.format, command, &mut bytes);
            // Drops the Command here, as its destructor must not run under the lock. It is the caller's, and may panic.
            let dropped = catch_unwind(AssertUnwindSafe(|| *stage = Stage::Done));
            encoded?;
            dropped.map_err(|payload| Error::panic("dropping a command", payload))?;
            let sent = shared.table.poll_send(&mut bytes, &mut turn, expects, deadline, cx);
            if let Poll::Ready(Ok(seq)) = sent {
                stage.advance(Stage::Sent(seq));
                return sent;
            }
            // Kept encoded while it waits, so that it is encoded once.
            stage.advance(Stage::Encoded(Box::new((bytes.into_waiting(), turn))));
            not_sent(sent, stage, cx)
        }
        Stage::Encoded(waiting) => {
            // It stays in its stage: if the caller's waker panics, its place in the queue is still known.
            let (bytes, turn) = &mut **waiting;
            let sent = shared.table.poll_send(bytes, turn, expects, deadline, cx);
            if let Poll::Ready(Ok(seq)) = sent {
                *stage = Stage::Sent(seq);
                return sent;
            }
            not_sent(sent, stage, cx)
        }
        Stage::Sent(_) | Stage::Done => panic!("a call was polled after it was done"),
    }
}

/// The call waits, or has failed.
#[cold]
fn not_sent<C>(
    sent: Poll<Result<Seq, Error>>,
    stage: &mut Stage<C>,
    cx: &mut Context<'_>,
) -> Poll<Result<Seq, Error>> {
    if sent.is_ready() {
        ready!(may_fail(cx)); // it stays encoded, and tries again
        *stage = Stage::Done;
    }
    sent
}

/// Ready when a call may fail that has not waited for anything. A task that makes such calls in a loop lets others run in
/// between: the client's own task, which is to make the connection that the calls lack, may be one of them.
pub(crate) fn may_fail(cx: &mut Context<'_>) -> Poll<()> {
    ready!(coop::poll_proceed(cx)).made_progress();
    Poll::Ready(())
}

/// The call is dropped: its Command is forgotten, or its place among those who wait for room.
pub(super) fn forget<P: Protocol, F, C>(shared: &Shared<P, F>, stage: &Stage<C>) {
    match stage {
        Stage::Sent(seq) => shared.table.forget(*seq),
        Stage::Encoded(encoded) => encoded.1.into_iter().for_each(|turn| shared.table.leave(turn)),
        Stage::Unsent(_) | Stage::Done => {}
    }
}

/// Whether a Reply answers the Command: it is of a type that the Command declares, or the Protocol's failure.
pub(crate) fn accepts<P, C>(reply: &P::Reply) -> bool
where
    P: Protocol,
    C: CommandOf<P>,
{
    <C::Reply as ReplyOf<P>>::includes(reply) || P::is_failure(reply)
}

/// Takes a Reply out of the Protocol's enum of Replies.
pub(crate) fn unwrap_reply<P, C>(reply: P::Reply) -> Result<C::Reply, CallError<P::Failure>>
where
    P: Protocol,
    C: CommandOf<P>,
{
    let reply = match P::as_failure(reply) {
        Ok(failure) => return Err(CallError::Failed(failure)),
        Err(reply) => reply,
    };
    C::Reply::from_reply(reply).map_err(|_| {
        // The table lets no other type through, see `accepts`.
        Error::new(ErrorKind::Protocol, Origin::Remote, "reply of a type that the command does not declare")
            .into_sent()
            .into()
    })
}

/// A call for one Reply, made by [`Client::send`]. It is a future of the Reply or a [`CallError`], and its first poll sends
/// the Command.
///
/// It borrows the Client. A spawned task needs a clone:
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
#[must_use = "a call sends nothing until it is awaited"]
pub struct Call<'a, P: Protocol, F, C> {
    shared: &'a Shared<P, F>,
    stage: Stage<C>,
    bound: Bound,
}

impl<'a, P: Protocol, F, C> Call<'a, P, F, C> {
    pub(super) fn new(client: &'a Client<P, F>, command: C) -> Self {
        Self::of(client.shared(), command)
    }

    /// A call that does not keep the client open.
    pub(crate) fn of(shared: &'a Shared<P, F>, command: C) -> Self {
        Self { shared, stage: Stage::Unsent(command), bound: Bound::new(shared.table.timeout) }
    }

    /// Whether its Command is in the output of the connection, or beyond.
    pub(crate) fn is_sent(&self) -> bool {
        matches!(self.stage, Stage::Sent(_))
    }

    /// Limits how long the call takes, from its first poll on: waiting for a connection and for room, writing, and waiting
    /// for the Reply. It replaces what was set before, and the client's [default](super::Builder::timeout).
    /// [`Duration::MAX`] means never.
    ///
    /// When the time is over, the call fails with an error of kind [`Timeout`](ErrorKind::Timeout) and origin
    /// [`Local`](Origin::Local). A Command that was not written by then is never sent, and [`Error::was_sent`] is false.
    /// One that was written may be executed all the same: the server is not told.
    ///
    /// ```
    /// # use cmd_stream::{CallError, Client, Json, protocol};
    /// # use serde::{Deserialize, Serialize};
    /// # use std::time::Duration;
    /// # #[derive(Serialize, Deserialize)] struct Add { a: i64, b: i64 }
    /// # #[derive(Serialize, Deserialize)] struct Sum(i64);
    /// # protocol! { struct Calculator { commands { 0 => Add -> Sum } replies { 0 => Sum } failure close_connection } }
    /// # async fn example(client: Client<Calculator, Json>) -> Result<(), Box<dyn std::error::Error>> {
    /// let sum = client.send(Add { a: 2, b: 3 }).timeout(Duration::from_millis(200)).await?;
    /// # let _ = sum; Ok(()) }
    /// ```
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
            let (is_over, deadline) = (this.bound.is_over(), this.bound.deadline());
            let expects = Expects::Reply(accepts::<P, C>);
            return match poll_send(this.shared, &mut this.stage, is_over, deadline, cx, expects) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
                Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
            };
        };
        let reply = ready!(this.shared.table.poll_reply(seq, this.bound.deadline(), cx));
        this.stage.advance(Stage::Done); // the call is out of the table
        let reply = reply.map(|(reply, _)| reply).map_err(CallError::Other);
        Poll::Ready(reply.and_then(unwrap_reply::<P, C>))
    }
}

impl<P: Protocol, F, C> Drop for Call<'_, P, F, C> {
    fn drop(&mut self) {
        forget(self.shared, &self.stage);
    }
}

/// A call that sends a one-way Command, made by [`Client::post`]. It is a future of `Result<(), `[`Error`]`>`, and its first
/// poll sends the Command.
#[must_use = "a call sends nothing until it is awaited"]
pub struct Post<'a, P: Protocol, F, C> {
    shared: &'a Shared<P, F>,
    stage: Stage<C>,
    bound: Bound,
}

impl<'a, P: Protocol, F, C> Post<'a, P, F, C> {
    pub(super) fn new(client: &'a Client<P, F>, command: C) -> Self {
        let shared = client.shared();
        Self { shared, stage: Stage::Unsent(command), bound: Bound::new(shared.table.timeout) }
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
            let (is_over, deadline) = (this.bound.is_over(), this.bound.deadline());
            let expects = Expects::Nothing;
            return match poll_send(this.shared, &mut this.stage, is_over, deadline, cx, expects) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
            };
        };
        let written = ready!(this.shared.table.poll_written(seq, this.bound.deadline(), cx));
        this.stage.advance(Stage::Done); // the call is out of the table
        Poll::Ready(written)
    }
}

impl<P: Protocol, F, C> Drop for Post<'_, P, F, C> {
    fn drop(&mut self) {
        forget(self.shared, &self.stage);
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
