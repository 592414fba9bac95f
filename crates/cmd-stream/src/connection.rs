//! What the two ends of a connection share: its buffers, its output under back-pressure, its timers. Knows no seqs and
//! no Formats.
//!
//! One task owns a connection. It reads once, hands all frames on, lets others add to the output, and writes once.
//! Whoever has output for it appends to the [`Outbox`], which is under a lock together with the rest of what is shared
//! (`server/line.rs`, `client/table.rs`).
//!
//! # Wake-ups
//!
//! **The connection's task** sleeps when there is nothing to read and nothing to write, and while a limit keeps it from
//! reading. Its socket and its timers wake it as usual. For everything else it leaves its waker under the lock, in
//! `State::task`. Nobody else sets it. Whoever has something for the task takes the waker out and wakes it: a caller that
//! adds a Command, a Command that adds a Reply (or the end of its poll), whoever ends the connection or removes what kept it
//! from being read.
//! Because the waker is taken out, a thousand Commands that are added while the task sleeps wake it once.
//!
//! **Others** leave their wakers under the same lock. A caller waits for its Reply, for the next Reply of its stream, or
//! until its one-way Command is written. A Command of the server that waits for room in the output, to be started or to send,
//! stands at a gate (`server/gate.rs`). When a write has brought the output below its limit, about as many are woken as fit,
//! and each looks again for itself. One that comes, or gives up, lets the next ones be woken. A caller of the client that
//! waits for room stands in a queue (`client/table/room.rs`). As many are woken as there is room for, and
//! their room is booked until they come. One that leaves passes it on.
//!
//! **Deadlines.** Callers with a deadline note it in the table. The task sleeps no longer than until the earliest of them,
//! and is woken if an earlier one is noted (`State::alarm`). When it is due, the task only wakes callers. Each looks at its
//! own deadline (`client/table/deadlines.rs`).
//!
//! **No wake-up is lost**, because to look for something and to leave a waker for it happens under one lock, and whoever
//! provides it holds the same lock. A waker may run any code, and may own the task that it wakes: it is cloned before the lock
//! is taken, and woken or dropped when it has been released. `Waker::will_wake` may be asked under it: it compares two
//! pointers.
//!
//! **Who yields, and why.** The task wakes itself and returns, so that others run before it goes on:
//!
//! - On the client before it writes. The callers whose Replies it has just handed on can then add their next Commands to
//!   the same write. It does so once per batch. With at most one call in flight there is nobody to wait for, and it writes
//!   at once.
//! - On the client before it wakes more callers, if many who were woken on its thread have not run, and once more when it
//!   has woken many (`connection/woken.rs`).
//! - On the server before it writes Replies of Commands with tasks of their own, because more of these are about to come.
//!   Replies of Commands that were polled in place are all there when the read has been handled. They are written at once.
//! - After [`ROUNDS`] rounds in a row, or a [`Slice`] of time, so that a busy connection leaves its thread to others.
//!
//! A Command of the server that has a task of its own also yields when it has sent a Reply that woke the connection's task:
//! that task may stand behind it in the queue of the same thread, where no other thread can take it. And it
//! yields when it has gone on for some time. A Command whose type is known to be quick does neither. An owned Proxy always
//! does, as nothing is known of the task that uses it (`server/stint.rs`).
//!
//! **What is put off, and until when.** On the client, the wake-ups of callers: until all Replies of one read have
//! been handed on, under one lock, and some of them until those before them have run. On the server, the wake-up of the
//! connection's task for Replies that follow each other closely, until the poll of their Command is over, which is 100 µs as a rule
//! (`server/line/put_off.rs`). A Command may block its thread right after it has sent, and wait for what its client does then
//! (`server/polling.rs`). So nothing else is put off, and that only until somebody looks, every 10 ms. If it is polled in place, and
//! so blocks the connection's task, another task writes what there is, and leaves its own waker for more (`server/desk.rs`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::error::{Error, discard};
use crate::transport::Io;

pub(crate) mod bell;
pub(crate) mod buffers;
pub(crate) mod goodbye;
pub(crate) mod inbox;
pub(crate) mod outbox;
pub(crate) mod runtime;
pub(crate) mod seldom;
pub(crate) mod slice;
pub(crate) mod timers;
pub(crate) mod woken;
pub(crate) mod writer;

pub(crate) use goodbye::{GOODBYE, say_goodbye};
pub(crate) use inbox::Inbox;
pub(crate) use outbox::Outbox;
pub(crate) use slice::{SLICE, Slice, let_others_run};
pub(crate) use timers::{Deadlines, Timers};
pub(crate) use woken::{PATIENCE, Waking};
pub(crate) use writer::Writer;

/// After this many rounds in a row the task of a connection lets others have their turn.
pub(crate) const ROUNDS: usize = 8;

/// Wakes all of them. A waker is its task's, and may panic; the others are woken all the same.
pub(crate) fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    let mut wakers = wakers.into_iter();
    let mut wake = || {
        for waker in wakers.by_ref() {
            waker.wake();
        }
    };
    while let Err(payload) = catch_unwind(AssertUnwindSafe(&mut wake)) {
        discard(payload);
    }
}

/// Writes all of `bytes`.
pub(crate) async fn write_all<IO: Io>(io: &mut IO, bytes: &[u8]) -> Result<(), Error> {
    let failed = |error| Error::io("writing failed", error);
    io.write_all(bytes).await.map_err(failed)?;
    io.flush().await.map_err(failed)
}

/// How often a side that does not read a connection looks whether the other one is still there.
pub(crate) const LOOK_AFTER: Duration = Duration::from_secs(1);

/// A frame that has begun and does not go on gives the room in its buffer back after this.
pub(crate) const SHRINK_AFTER: Duration = Duration::from_secs(1);
