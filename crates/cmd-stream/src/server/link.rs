//! What a Proxy and a Context hold on to: a Command that runs, or one that was handed over, whatever its Protocol is.

use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::connection::Connection;
use super::control::Control;
use crate::connection::outbox::Scratch;
use crate::proto::frame::Seq;
use crate::protocol::Failed;

/// What is known of a Command when it has arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) seq: Seq,
    pub(crate) received_at: Instant,
    pub(crate) size: usize,
}

/// A Reply on its way to the output.
pub(crate) struct EncodedReply {
    pub(crate) bytes: Scratch,
    pub(crate) is_last: bool,
    /// Its turn among those that wait for room.
    pub(crate) turn: Option<u64>,
}

/// A Command and its connection.
pub(crate) trait Link: Send + Sync {
    fn arrival(&self) -> &Arrival;
    fn connection(&self) -> &Connection;
    fn control(&self) -> &Control;
    /// Waits for room in the output. `turn` is as in [`EncodedReply`].
    fn poll_ready(&self, turn: &mut Option<u64>, cx: &mut Context<'_>) -> Poll<Result<(), Failed>>;
    /// Appends to the output, once there is room.
    fn poll_append(&self, reply: &mut EncodedReply, cx: &mut Context<'_>) -> Poll<Result<(), Failed>>;
    /// Whether whoever has just sent something must let others run before it goes on.
    fn must_yield(&self) -> bool;
}

/// The same, for Replies of type `R`.
pub(crate) trait ReplyLink<R>: Link {
    /// Encodes the Reply, and appends it to the output if there is room. Both at once, as this is called for each Reply.
    fn send(&self, reply: R) -> Result<Sent, Failed>;
}

/// What became of a Reply.
pub(crate) enum Sent {
    /// It is in the output. Or it is a `()`, of which nothing is sent.
    Done,
    /// It waits for room. Boxed, as almost none does, and each would move the room for it.
    Full(Box<EncodedReply>),
}

/// A Command that runs.
pub(crate) trait RunningLink<R>: ReplyLink<R> {
    /// The same Command, kept in flight for as long as the result is held.
    fn hand_over(&self) -> Arc<dyn HandedLink<R>>;
}

/// A Command that was handed over.
pub(crate) trait HandedLink<R>: ReplyLink<R> {
    /// Sends, whether there is room or not.
    fn send_over(&self, reply: R) -> Result<(), Failed>;
    /// Ends the Command, unless its last Reply has been sent.
    fn fail(&self, failed: Failed);
}
