//! What a Proxy and a Context hold on to: a Command that runs, or one that was handed over, whatever its Protocol is.

use std::task::{Context, Poll};

use super::gate::Turn;
use super::line::{Arrival, Line, Sent};
use super::stint::Pause;
use crate::protocol::Failed;
use crate::sync::Arc;

/// A Command and its connection.
pub(super) trait Link: Send + Sync {
    fn arrival(&self) -> &Arrival;
    fn line(&self) -> &Line;
    /// Waits for room in the output; see [`Line::poll_room`].
    fn poll_ready(&self, turn: &mut Turn, cx: &mut Context<'_>) -> Poll<Result<(), Failed>>;
    /// What whoever has just sent something does before it goes on. `woke`: that has woken the connection's task.
    fn pause(&self, woke: bool) -> Pause;
    /// The Command may block its thread: it has polled this with an executor of its own.
    fn may_block(&self);
}

/// The same, for Replies of type `R`.
pub(super) trait ReplyLink<R>: Link {
    /// If there is room, encodes the Reply and appends it to the output. All at once, as this is called for each Reply.
    fn send(&self, reply: R) -> Result<Sent<R>, Failed>;
    /// Sends, whether there is room or not.
    fn send_over(&self, reply: R) -> Result<(), Failed>;
}

/// A Command that runs.
pub(super) trait RunningLink<R>: ReplyLink<R> {
    /// The same Command, kept in flight for as long as the result is held.
    fn hand_over(&self) -> Arc<dyn HandedLink<R>>;
}

/// A Command that was handed over.
pub(super) trait HandedLink<R>: ReplyLink<R> {
    /// Ends the Command, unless its last Reply has been sent.
    fn fail(&self, failed: Failed);
}
