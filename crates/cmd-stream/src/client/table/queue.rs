//! The Replies of a stream that nobody has read yet.

use std::collections::VecDeque;
use std::task::Waker;

use tokio::time::Instant;

use crate::client::limits::{Limits, Overflow};
use crate::error::Error;

/// The Replies of a stream, and the caller who reads them.
pub(super) struct Queue<R> {
    pub(super) accepts: fn(&R) -> bool,
    /// With the sizes of their frames.
    pub(super) replies: VecDeque<(R, u32)>,
    pub(super) waker: Option<Waker>,
    pub(super) state: QueueState,
    /// Until when the caller waits.
    pub(super) deadline: Option<Instant>,
    /// The length of its Command.
    pub(super) len: u32,
    /// Its Command, if that was not sent and somebody else may send it.
    pub(super) handed_back: Option<Vec<u8>>,
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
    Overflowed { was_last: bool },
    /// The connection was lost.
    Failed(Error),
}

impl<R> Queue<R> {
    pub(super) fn new(accepts: fn(&R) -> bool, len: u32, deadline: Option<Instant>) -> Self {
        let (replies, state) = (VecDeque::new(), QueueState::Open);
        Self { accepts, replies, waker: None, state, deadline, len, handed_back: None }
    }

    /// Whether the server may still send something for it.
    pub(super) fn is_in_flight(&self) -> bool {
        matches!(
            self.state,
            QueueState::Open | QueueState::Pausing | QueueState::Overflowed { was_last: false }
        )
    }

    /// Whether somebody may still want what the server sends for it.
    pub(super) fn awaits_replies(&self) -> bool {
        matches!(self.state, QueueState::Open | QueueState::Pausing)
    }

    pub(super) fn is_pausing(&self) -> bool {
        matches!(self.state, QueueState::Pausing)
    }

    /// Adds a Reply, or gives it back if the stream takes no more.
    pub(super) fn push(
        &mut self,
        (reply, size): (R, u32),
        is_last: bool,
        limits: &Limits,
        full_streams: &mut usize,
    ) -> Result<(), R> {
        match self.state {
            QueueState::Ended | QueueState::Failed(_) => return Err(reply),
            QueueState::Overflowed { was_last } => {
                self.state = QueueState::Overflowed { was_last: was_last || is_last };
                return Err(reply);
            }
            QueueState::Open if self.replies.len() >= limits.stream_replies => {
                match limits.stream_overflow {
                    Overflow::Fail => {
                        self.state = QueueState::Overflowed { was_last: is_last };
                        return Err(reply);
                    }
                    // It is kept all the same: it has been read already.
                    Overflow::Pause => {
                        self.state = QueueState::Pausing;
                        *full_streams += 1;
                    }
                }
            }
            QueueState::Open | QueueState::Pausing => {}
        }
        if is_last {
            // Nothing more comes for this stream, so it need not keep the others waiting.
            if self.is_pausing() {
                *full_streams -= 1;
            }
            self.state = QueueState::Ended;
        }
        self.replies.push_back((reply, size));
        Ok(())
    }
}
