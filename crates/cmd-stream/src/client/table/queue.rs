//! The Replies of a stream that nobody has read yet.

use std::collections::VecDeque;
use std::task::Waker;

use tokio::time::Instant;

use crate::client::limits::{Limits, Overflow};
use crate::error::{Error, drop_contained};

/// The Replies of a stream, and the caller who reads them.
pub(super) struct Queue<R> {
    pub(super) accepts: fn(&R) -> bool,
    /// With the sizes of their frames.
    replies: VecDeque<(R, u32)>,
    /// What they count.
    bytes: usize,
    pub(super) waker: Option<Waker>,
    pub(super) state: QueueState,
    /// Until when the caller waits.
    pub(super) deadline: Option<Instant>,
    /// The length of its Command.
    pub(super) len: u32,
    /// Its Command, if that was not sent and somebody else may send it.
    pub(super) handed_back: Option<Vec<u8>>,
}

/// Replies that were taken out of the table together, for a caller who reads them one by one.
pub(crate) struct Unread<R>(VecDeque<(R, u32)>);

/// A stream lends one part in so many of what it may hold.
const SHARE: usize = 64;
/// And at most so many Replies.
const MOST_UNREAD: usize = 256;

impl<R> Unread<R> {
    pub(crate) fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Takes the next one, with the size of its frame.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(R, u32)> {
        self.0.pop_front()
    }
}

impl<R> Drop for Unread<R> {
    fn drop(&mut self) {
        self.0.drain(..).for_each(drop_contained);
    }
}

#[derive(Clone, Debug)]
pub(super) enum QueueState {
    /// More Replies may come.
    Open,
    /// It is full, and the connection is not read. It is counted in `State::full_streams`.
    Pausing,
    /// The last Reply is here.
    Ended,
    /// A Reply came when it was full. The server goes on until the last one.
    Overflowed { was_last: bool, by_bytes: bool },
    /// The connection was lost.
    Failed(Error),
}

impl<R> Queue<R> {
    pub(super) fn new(accepts: fn(&R) -> bool, len: u32, deadline: Option<Instant>) -> Self {
        let (replies, state) = (VecDeque::new(), QueueState::Open);
        Self { accepts, replies, bytes: 0, waker: None, state, deadline, len, handed_back: None }
    }

    /// Whether the server may still send something for it.
    pub(super) fn is_in_flight(&self) -> bool {
        matches!(
            self.state,
            QueueState::Open | QueueState::Pausing | QueueState::Overflowed { was_last: false, .. }
        )
    }

    /// Whether somebody may still want what the server sends for it.
    pub(super) fn awaits_replies(&self) -> bool {
        matches!(self.state, QueueState::Open | QueueState::Pausing)
    }

    pub(super) fn is_pausing(&self) -> bool {
        matches!(self.state, QueueState::Pausing)
    }

    /// Adds the first Reply of several to one that takes no more.
    pub(super) fn push_only(&mut self, reply: (R, u32)) {
        self.state = QueueState::Overflowed { was_last: false, by_bytes: false };
        self.bytes += Self::counted(reply.1);
        self.replies.push_back(reply);
    }

    /// Takes the next Reply, with the size of its frame.
    pub(super) fn pop(&mut self) -> Option<(R, u32)> {
        let (reply, size) = self.replies.pop_front()?;
        self.bytes -= Self::counted(size);
        Some((reply, size))
    }

    /// Takes the next Reply as [`pop`](Self::pop) does, and lends some of those behind it.
    pub(super) fn pop_some(&mut self, unread: &mut Unread<R>, limits: &Limits) -> Option<(R, u32)> {
        let next = self.pop()?;
        // They do not count any more, so the stream holds so much more than its limits say.
        let most = limits.stream_replies.map_or(MOST_UNREAD, |most| (most / SHARE).min(MOST_UNREAD));
        let most_bytes = limits.stream_bytes / SHARE;
        let (mut replies, mut bytes) = (0, 0);
        for (_, size) in self.replies.iter().take(most) {
            let more = bytes + Self::counted(*size);
            if more > most_bytes {
                break;
            }
            (replies, bytes) = (replies + 1, more);
        }
        unread.0.extend(self.replies.drain(..replies));
        self.bytes -= bytes;
        Some(next)
    }

    /// What a Reply counts whose frame has this size.
    fn counted(size: u32) -> usize {
        (size as usize).max(size_of::<R>())
    }

    /// Whether another Reply that counts so many bytes fits in; else whether that is because of the bytes.
    fn fits(&self, bytes: usize, limits: &Limits) -> Result<(), bool> {
        if limits.stream_replies.is_some_and(|most| self.replies.len() >= most) {
            return Err(false);
        }
        // One alone always does.
        if !self.replies.is_empty() && bytes > limits.stream_bytes.saturating_sub(self.bytes) {
            return Err(true);
        }
        Ok(())
    }

    /// Whether it has been read far enough for the connection to be read again.
    pub(super) fn has_room_again(&self, limits: &Limits) -> bool {
        self.is_pausing() && self.fits(1, limits).is_ok()
    }

    /// Adds a Reply with the size of its frame, or gives it back if the stream takes no more.
    #[inline]
    pub(super) fn push(
        &mut self,
        (reply, size): (R, u32),
        is_last: bool,
        limits: &Limits,
        full_streams: &mut usize,
    ) -> Result<(), R> {
        let bytes = Self::counted(size);
        if is_last || !matches!(self.state, QueueState::Open) || self.fits(bytes, limits).is_err() {
            return self.push_slowly((reply, size), is_last, limits, full_streams);
        }
        self.replies.push_back((reply, size));
        self.bytes += bytes;
        Ok(())
    }

    fn push_slowly(
        &mut self,
        (reply, size): (R, u32),
        is_last: bool,
        limits: &Limits,
        full_streams: &mut usize,
    ) -> Result<(), R> {
        let bytes = Self::counted(size);
        match self.state {
            QueueState::Ended | QueueState::Failed(_) => return Err(reply),
            QueueState::Overflowed { was_last, by_bytes } => {
                self.state = QueueState::Overflowed { was_last: was_last || is_last, by_bytes };
                return Err(reply);
            }
            QueueState::Open => match (self.fits(bytes, limits), limits.stream_overflow) {
                (Ok(()), _) => {}
                (Err(by_bytes), Overflow::Fail) => {
                    self.state = QueueState::Overflowed { was_last: is_last, by_bytes };
                    return Err(reply);
                }
                // It is kept all the same: it has been read already.
                (Err(_), Overflow::Pause) => {
                    self.state = QueueState::Pausing;
                    *full_streams += 1;
                }
            },
            QueueState::Pausing => {}
        }
        if is_last {
            // Nothing more comes for this stream, so it need not keep the others waiting.
            if self.is_pausing() {
                *full_streams -= 1;
            }
            self.state = QueueState::Ended;
        }
        self.replies.push_back((reply, size));
        self.bytes += bytes;
        Ok(())
    }
}
