//! What the two ends of a connection share: its buffers, its output under back-pressure, its timers. Knows no seqs and
//! no Formats.
//!
//! One task owns a connection. It reads once, hands all frames on, lets others add to the output, and writes once.
//! Whoever has output for it appends to the [`Outbox`], which is under a lock together with the rest of what is shared
//! (`server/line.rs`, `client/table.rs`).
//!
//! # Wake-ups
//!
//! **The connection's task** sleeps when there is nothing to read, nothing to write, or when a limit is reached. What
//! comes from the socket wakes it as usual. For what comes from elsewhere it leaves its waker under the lock, as
//! `State::task`:
//!
//! - It sets the waker in the same critical section in which it found nothing to do. So nothing can be added between the
//!   look and the sleep without the waker being there.
//! - Whoever adds output, ends the connection, or takes a limit away, *takes* the waker out under the lock, and wakes when
//!   the lock is released. So a sleeping task is woken once, however many have something for it. A waker is the
//!   executor's code, and it may run anything.
//! - While the task runs, the server keeps no waker there: what is added is seen before it sleeps.
//!
//! **Who yields, and why.** The task wakes itself and returns, so that others run before it goes on:
//!
//! - On the client before it writes, if several calls are in flight: the callers that it has just woken are about to send
//!   their next Commands, which then go out in the same write. It does so once for a batch (`yielded`).
//! - On the server before it writes Replies of Commands with tasks of their own: more of these are about to come. Replies
//!   of Commands that were polled in place are all there when the read has been handled, and are written at once.
//! - After [`ROUNDS`] rounds in a row, so that a busy connection leaves its thread to others.
//! - A Command that has sent a Reply and is not known to be quick yields, too (`server/running.rs`, `must_yield`). The
//!   task that it woke may stand behind it on the same thread, where no other thread can take it.
//!
//! **What is put off, and until when.** On the server, the wake-up for a Reply of a Command with a task of its own: until
//! the poll of the Command is over (`server/polling.rs`). On the client, the wake-ups of callers: until all Replies of a
//! read have been handed on under one lock. Nothing else is.
//!
//! **Those who wait for room** in the output stand in the [`Outbox`]. All of them are woken when a write has brought it
//! below its limit, or when the connection ends; each looks again for itself.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::error::Error;
use crate::transport::Io;

pub(crate) mod buffers;
pub(crate) mod inbox;
pub(crate) mod outbox;
pub(crate) mod timers;
pub(crate) mod writer;

pub(crate) use inbox::Inbox;
pub(crate) use outbox::Outbox;
pub(crate) use timers::{Deadlines, Timer, Timers};
pub(crate) use writer::Writer;

/// After this many rounds in a row the task of a connection lets others have their turn.
pub(crate) const ROUNDS: usize = 8;

/// How long saying goodbye may take: a transport may have to write something (TLS has), which the peer may not take.
pub(crate) const GOODBYE: Duration = Duration::from_secs(1);

/// Writes all of `bytes`.
pub(crate) async fn write_all<IO: Io>(io: &mut IO, bytes: &[u8]) -> Result<(), Error> {
    let failed = |error| Error::io("writing failed", error);
    io.write_all(bytes).await.map_err(failed)?;
    io.flush().await.map_err(failed)
}

/// A frame that has begun and does not go on gives the room in its buffer back after this.
pub(crate) const SHRINK_AFTER: Duration = Duration::from_secs(1);
