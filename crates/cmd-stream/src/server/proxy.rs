//! What a Command holds while it runs: its way to send Replies, and what is known of it.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::sync::Notify;

use super::extensions::Extensions;
use super::failed::Failed;
use crate::connection::outbox::Scratch;
use crate::connection::peer::Peer;
use crate::proto::frame::Seq;

/// Through which a Command sends its Replies of type `R`.
pub struct Proxy<'a, R> {
    link: &'a dyn ReplyLink<R>,
    extensions: &'a Extensions,
}

/// What is known of a Command when it has arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) seq: Seq,
    pub(crate) received_at: Instant,
    pub(crate) size: usize,
}

/// The connection of a Command, whatever its Protocol is.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: u64,
    pub(crate) peer: Peer,
    pub(crate) gone: AtomicBool,
    pub(crate) on_gone: Notify,
}

/// The session as a running Command sees it.
pub(crate) trait Link: Send + Sync {
    fn arrival(&self) -> &Arrival;
    fn connection(&self) -> &Connection;
    /// Appends to the output, once there is room.
    fn poll_append(&self, reply: &mut EncodedReply, cx: &mut Context<'_>) -> Poll<Result<(), Failed>>;
    /// Whether a Command that has just sent something must let others run before it goes on.
    fn must_yield(&self) -> bool;
}

/// The same, for Replies of type `R`.
pub(crate) trait ReplyLink<R>: Link {
    fn encode(&self, reply: R) -> Result<EncodedReply, Failed>;
}

/// A Reply on its way to the output.
pub(crate) struct EncodedReply {
    pub(crate) bytes: Scratch,
    pub(crate) is_last: bool,
    /// Its turn among those that wait for room.
    pub(crate) turn: Option<u64>,
}

impl<'a, R> Proxy<'a, R> {
    pub(crate) fn new(link: &'a dyn ReplyLink<R>, extensions: &'a Extensions) -> Self {
        Self { link, extensions }
    }

    /// Sends a Reply. Replies of one Command arrive in the order in which they were sent.
    ///
    /// It is done when the Reply is in the connection's output, which is written together with the Replies of other
    /// Commands; it waits while that output is over its limit ([`Limits::output`](super::Limits::output)).
    ///
    /// # Errors
    ///
    /// - The Reply cannot be encoded, or is over [`Limits::frame`](super::Limits::frame). Nothing is sent, and the
    ///   Command may send another one.
    /// - The last Reply has been sent already.
    /// - The connection is gone.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, it may or may not have sent the Reply, but never a part of it.
    pub async fn send(&self, reply: impl IntoReply<R>) -> Result<(), Failed> {
        let mut encoded = self.link.encode(reply.into())?;
        poll_fn(|cx| self.link.poll_append(&mut encoded, cx)).await?;
        drop(encoded);
        if self.link.must_yield() {
            yield_once().await;
        }
        Ok(())
    }

    /// The Command's number on its connection.
    pub fn seq(&self) -> Seq {
        self.link.arrival().seq
    }

    /// Who sent the Command.
    pub fn peer(&self) -> &'a Peer {
        &self.link.connection().peer
    }

    /// When the bytes that completed the Command were read.
    pub fn received_at(&self) -> Instant {
        self.link.arrival().received_at
    }

    /// How many bytes the Command took on the wire, seq and tag included.
    pub fn size(&self) -> usize {
        self.link.arrival().size
    }

    /// What the [`Invoker`](crate::Invoker) found out about the Command.
    pub fn extensions(&self) -> &'a Extensions {
        self.extensions
    }

    /// Resolves when the connection is gone, so that a long Command can stop.
    ///
    /// # Cancel safety
    ///
    /// It may be dropped and called again.
    pub async fn closed(&self) {
        let connection = self.link.connection();
        let mut notified = pin!(connection.on_gone.notified());
        // Registered before the look, or an end between the two would be missed.
        notified.as_mut().enable();
        if !connection.gone.load(Ordering::Acquire) {
            notified.await;
        }
    }
}

/// What a Command that is answered with `R` may send: an `R`, or anything that is `Into<R>`, such as a variant of an
/// enum of Replies. There is nothing to implement.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what this Command is answered with: `{R}`",
    label = "this Command sends `{R}`",
    note = "send a `{R}`, as `Command::Reply` says; if that is an enum over several Replies, \
            write `impl From<{Self}> for {R}` to send a `{Self}` as it is"
)]
pub trait IntoReply<R>: Into<R> {}

#[diagnostic::do_not_recommend]
impl<T: Into<R>, R> IntoReply<R> for T {}

impl<R> Clone for Proxy<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Proxy<'_, R> {}

impl<R> fmt::Debug for Proxy<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("arrival", self.link.arrival()).field("peer", self.peer()).finish()
    }
}

/// Lets the other tasks of this worker run first.
async fn yield_once() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
