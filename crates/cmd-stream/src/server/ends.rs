//! In which ways a connection of a server ends, and that each is counted once. `docs/OBSERVING.md` has the table.
//!
//! A connection that is served ends with one `Error`, by `Lost` in `accept.rs`, which also tells the log and the callback. So
//! the counters say the same as they do. One that is not served yet is held by `Unserved` (`unserved.rs`).

use super::counters::{Counts, one};
use crate::error::cause::Cause;
use crate::error::{Error, ErrorKind, Origin};
use crate::sync::atomic::AtomicU64;

/// A way in which a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    // It is not served.
    OverConnectionRate,
    OverAddressRate,
    NoPlace,
    LeftWaiting,
    HandshakeFailed,
    HandshakeTimeout,
    // It was served.
    Left,
    Broken,
    Invalid,
    OverFrameLimit,
    ReceiveTimeout,
    OutputStall,
    PauseTimeout,
    CommandFailed,
    Panicked,
    // Either.
    MadeRoom,
    ShutDown,
    Cut,
}

impl End {
    /// The way in which a connection has ended that was served.
    pub(super) fn of(reason: &Error) -> Self {
        if let Some(cause) = reason.cause() {
            return Self::by(cause);
        }
        match (reason.kind(), reason.origin()) {
            (ErrorKind::Closed, Origin::Local) => Self::Cut,
            (ErrorKind::Closed, _) => Self::Left,
            (ErrorKind::Decode | ErrorKind::UnknownTag | ErrorKind::Protocol, _) => Self::Invalid,
            // What this side cannot send is the failure of a Command.
            (ErrorKind::Limit, Origin::Remote) => Self::OverFrameLimit,
            (ErrorKind::Execution | ErrorKind::Encode | ErrorKind::Limit, _) => Self::CommandFailed,
            (ErrorKind::Panic, _) => Self::Panicked,
            _ => Self::Broken,
        }
    }

    fn by(cause: Cause) -> Self {
        match cause {
            Cause::Cut => Self::Cut,
            Cause::FrameTime | Cause::Idle => Self::ReceiveTimeout,
            Cause::Handshake => Self::HandshakeTimeout,
            Cause::Keepalive => Self::Broken, // only clients ping
            Cause::MadeRoom => Self::MadeRoom,
            Cause::OutputStall => Self::OutputStall,
            Cause::Paused => Self::PauseTimeout,
            Cause::ShutDown => Self::ShutDown,
        }
    }

    pub(super) fn count(self, counts: &Counts) {
        one(self.counter(counts));
    }

    fn counter(self, counts: &Counts) -> &AtomicU64 {
        match self {
            Self::OverConnectionRate => &counts.over_connection_rate,
            Self::OverAddressRate => &counts.over_address_rate,
            Self::NoPlace => &counts.refused,
            Self::LeftWaiting => &counts.left_waiting,
            Self::HandshakeFailed => &counts.handshakes_failed,
            Self::HandshakeTimeout => &counts.handshake_timeouts,
            Self::Left => &counts.left,
            Self::Broken => &counts.broken,
            Self::Invalid => &counts.invalid,
            Self::OverFrameLimit => &counts.over_frame_limit,
            Self::ReceiveTimeout => &counts.receive_timeouts,
            Self::OutputStall => &counts.output_stalls,
            Self::PauseTimeout => &counts.pause_timeouts,
            Self::CommandFailed => &counts.ended_by_commands,
            Self::Panicked => &counts.ended_by_panics,
            Self::MadeRoom => &counts.made_room,
            Self::ShutDown => &counts.shut_down,
            Self::Cut => &counts.cut,
        }
    }
}
