//! What the log of a client has at most once per second of each kind, with how many there were: a server that comes and goes, or
//! calls without end, would fill it otherwise. `docs/OBSERVING.md` has the table.

use std::fmt::Display;
use std::time::Duration;

use crate::connection::seldom::Seldom;
use crate::sync::{Mutex, PoisonError};

/// When each kind was last told. It is made when there is something to tell: most clients have nothing, and many of them are
/// idle.
#[derive(Debug, Default)]
pub(super) struct Notices(Mutex<Option<Box<Seldom<KINDS>>>>);

const KINDS: usize = 6;
const LOST: usize = 0;
const FAILED: usize = 1;
const ROOM: usize = 2;
const FRAME: usize = 3;
const OVERFLOW: usize = 4;
const PAUSE: usize = 5;

impl Notices {
    /// Whether an event of this kind is to be logged now; if so, how many were left out since the last one.
    fn happens(&self, kind: usize) -> Option<u64> {
        self.ask(|kinds| kinds.happens(kind))
    }

    fn ask(&self, ask: impl FnOnce(&Seldom<KINDS>) -> Option<u64>) -> Option<u64> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ask(kinds.get_or_insert_with(|| Box::new(Seldom::new())))
    }

    /// The connection was lost.
    pub(super) fn lost(&self, reason: impl Display, failed_calls: usize, next_attempt_in: Duration) {
        if let Some(left_out) = self.happens(LOST) {
            let count = left_out + 1;
            tracing::warn!(%reason, failed_calls, ?next_attempt_in, count, "connection lost");
        } else {
            tracing::debug!(%reason, failed_calls, ?next_attempt_in, "connection lost");
        }
    }

    /// An attempt to connect has failed. A server may be away for long, so it is told less often than the rest.
    pub(super) fn attempt_failed(&self, reason: impl Display, next_attempt_in: Duration) {
        if let Some(left_out) = self.ask(|kinds| kinds.happens_within(FAILED, ATTEMPTS_EVERY)) {
            let count = left_out + 1;
            tracing::warn!(%reason, ?next_attempt_in, count, "attempt to connect failed");
        } else {
            tracing::debug!(%reason, ?next_attempt_in, "attempt to connect failed");
        }
    }

    /// A call waits for room.
    #[cold]
    pub(super) fn waits_for_room(&self) {
        if let Some(left_out) = self.happens(ROOM) {
            let count = left_out + 1;
            tracing::debug!(
                count,
                "call waits: a limit of the client is reached (`Limits::in_flight`, `in_flight_bytes`, `output`)"
            );
        }
    }

    /// A Command was not sent because of its size.
    #[cold]
    pub(super) fn over_frame_limit(&self, len: usize) {
        if let Some(left_out) = self.happens(FRAME) {
            let count = left_out + 1;
            tracing::debug!(len, count, "command not sent: it is too large (`Limits::frame`)");
        }
    }

    /// Streams have failed because their callers were too slow.
    #[cold]
    pub(super) fn overflowed(&self) {
        if let Some(left_out) = self.happens(OVERFLOW) {
            let count = left_out + 1;
            tracing::debug!(count, "stream failed: too many Replies waited in it (`Limits::stream_replies`)");
        }
    }

    /// The connection is not read because the caller of a stream is slow.
    #[cold]
    pub(super) fn paused(&self) {
        if let Some(left_out) = self.happens(PAUSE) {
            let count = left_out + 1;
            tracing::debug!(
                count,
                "connection not read: too many Replies wait in a stream (`Limits::stream_replies`)"
            );
        }
    }
}

const ATTEMPTS_EVERY: Duration = Duration::from_secs(10);
