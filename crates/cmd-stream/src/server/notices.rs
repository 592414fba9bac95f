//! What the log says of the ends and limits that a client can cause as often as it likes: at most one event per second of each
//! kind, with how many there were. `docs/OBSERVING.md` has the table.

use std::convert::Infallible;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::ends::End;
use crate::connection::seldom::Seldom;
use crate::error::discard;
use crate::proto::frame::Seq;
use crate::transport::Peer;

/// When each kind was last told.
#[derive(Debug)]
pub(super) struct Notices(Seldom<KINDS>);

/// A kind of event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Notice {
    NoPlace,
    ConnectionRate,
    AddressRate,
    HandshakeFailed,
    HandshakeTimeout,
    Invalid,
    FrameLimit,
    ReceiveTimeout,
    OutputStall,
    PauseTimeout,
    Panicked,
    MadeRoom,
    CommandFailed,
    SeqRefused,
    // How a connection was not read for a time.
    InFlightPause,
    OutputPause,
    RatePause,
    ShedPause,
    MemoryPause,
    /// Commands without a connection were dropped.
    OrphansDropped,
}

const KINDS: usize = ALL.len();

const ALL: [Notice; 20] = [
    Notice::NoPlace,
    Notice::ConnectionRate,
    Notice::AddressRate,
    Notice::HandshakeFailed,
    Notice::HandshakeTimeout,
    Notice::Invalid,
    Notice::FrameLimit,
    Notice::ReceiveTimeout,
    Notice::OutputStall,
    Notice::PauseTimeout,
    Notice::Panicked,
    Notice::MadeRoom,
    Notice::CommandFailed,
    Notice::SeqRefused,
    Notice::InFlightPause,
    Notice::OutputPause,
    Notice::RatePause,
    Notice::ShedPause,
    Notice::MemoryPause,
    Notice::OrphansDropped,
];

impl Notice {
    /// What the log says of the end of a connection. Nothing if it is business as usual, or told elsewhere.
    pub(super) fn of(end: End) -> Option<Self> {
        Some(match end {
            End::NoPlace => Self::NoPlace,
            End::OverConnectionRate => Self::ConnectionRate,
            End::OverAddressRate => Self::AddressRate,
            End::HandshakeFailed => Self::HandshakeFailed,
            End::HandshakeTimeout => Self::HandshakeTimeout,
            End::Invalid => Self::Invalid,
            End::OverFrameLimit => Self::FrameLimit,
            End::ReceiveTimeout => Self::ReceiveTimeout,
            End::OutputStall => Self::OutputStall,
            End::PauseTimeout => Self::PauseTimeout,
            End::Panicked => Self::Panicked,
            End::MadeRoom => Self::MadeRoom,
            // Of a Command it is told when it fails, of the end of the server by `serve`.
            End::LeftWaiting | End::Left | End::Broken | End::CommandFailed | End::ShutDown | End::Cut => {
                return None;
            }
        })
    }

    fn text(self) -> &'static str {
        match self {
            Self::NoPlace => "connection refused: all places are taken (`Limits::connections`, `waiting`)",
            Self::ConnectionRate => "connection refused: too many per second (`Limits::connection_rate`)",
            Self::AddressRate => "connection refused: too many of its address (`Limits::address_rate`)",
            Self::HandshakeFailed => "connection refused: its handshake failed",
            Self::HandshakeTimeout => "connection refused: its handshake took too long (`Limits::handshake`)",
            Self::Invalid => "connection closed: it sent what is no Command",
            Self::FrameLimit => "connection closed: a Command was too large (`Limits::frame`)",
            Self::ReceiveTimeout => {
                "connection closed: no Command came in time (`Limits::frame_time`, `first_frame`)"
            }
            Self::OutputStall => "connection closed: it took no output (`Limits::output_stall`)",
            Self::PauseTimeout => "connection closed: nothing moved while it was not read (`Limits::paused`)",
            Self::Panicked => "connection closed: something panicked that is no Command",
            Self::MadeRoom => "connection closed: it was idle, and others waited (`Limits::make_room`)",
            Self::CommandFailed => "command failed, and ended its connection",
            Self::SeqRefused => "command refused, and ended its connection",
            Self::InFlightPause => {
                "connection not read: it has too much in flight (`Limits::in_flight`, `in_flight_bytes`)"
            }
            Self::OutputPause => "connection not read: its output is full (`Limits::output`)",
            Self::RatePause => "connection not read: too many Commands per second (`Limits::command_rate`)",
            Self::ShedPause => "connection not read: the server is overloaded (`Limits::shed_after`)",
            Self::MemoryPause => {
                "connection not read: it has its share of memory (`Limits::memory`, `commands`)"
            }
            Self::OrphansDropped => {
                "commands dropped: their connections had ended, and much was taken (`Limits::memory`, `commands`)"
            }
        }
    }

    /// A limit that only lets clients wait does its work.
    fn is_pause(self) -> bool {
        use Notice::{InFlightPause, MemoryPause, OutputPause, RatePause, ShedPause};
        matches!(self, InFlightPause | OutputPause | RatePause | ShedPause | MemoryPause)
    }
}

impl Notices {
    pub(super) fn new() -> Self {
        Self(Seldom::new())
    }

    /// A connection has ended so.
    pub(super) fn ended(&self, server: &Peer, end: End, peer: &Peer, reason: impl Display) {
        let Some(kind) = Notice::of(end) else { return };
        let Some(left_out) = self.0.happens(kind as usize) else { return };
        let (count, what) = (left_out + 1, kind.text());
        // What an error says may be the user's code.
        contained(|| {
            if kind == Notice::Panicked {
                tracing::error!(%server, %peer, %reason, count, "{what}");
            } else {
                tracing::warn!(%server, %peer, %reason, count, "{what}");
            }
        });
    }

    /// A connection is not read for a time.
    #[cold]
    pub(super) fn paused(&self, server: &Peer, kind: Notice, peer: &Peer) {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return; // it may happen often, and then costs nothing
        }
        if let Some(left_out) = self.0.happens(kind as usize) {
            let (count, what) = (left_out + 1, kind.text());
            contained(|| tracing::debug!(%server, %peer, count, "{what}"));
        }
    }

    /// So many Commands were dropped whose connection had ended.
    #[cold]
    pub(super) fn dropped(&self, server: &Peer, number: u64) {
        let kind = Notice::OrphansDropped;
        if let Some(left_out) = self.0.happen(kind as usize, number) {
            tell_more(server, kind, left_out + number);
        }
    }

    /// A Command has failed, and costs its connection. Returns false if that was not logged.
    #[cold]
    pub(super) fn failed(&self, name: &str, seq: Seq, peer: &Peer, reason: impl Display) -> bool {
        let Some(left_out) = self.0.happens(Notice::CommandFailed as usize) else { return false };
        let count = left_out + 1;
        contained(
            || tracing::warn!(name, %seq, %peer, %reason, count, "command failed, and ended its connection"),
        );
        true
    }

    /// A Command was refused because of its seq, and costs its connection.
    #[cold]
    pub(super) fn seq_refused(&self, name: &str, seq: Seq, peer: &Peer, reason: impl Display) {
        let Some(left_out) = self.0.happens(Notice::SeqRefused as usize) else { return };
        let count = left_out + 1;
        contained(
            || tracing::warn!(name, %seq, %peer, %reason, count, "command refused, and ended its connection"),
        );
    }

    /// Tells those that were left out when a flood has ended.
    pub(super) async fn tell_overdue(&self, server: &Peer) -> Infallible {
        loop {
            let (kind, count) = self.0.overdue().await;
            tell_more(server, ALL[kind], count);
        }
    }

    /// Tells those that were left out so far.
    pub(super) fn tell_rest(&self, server: &Peer) {
        for (kind, count) in self.0.rest() {
            tell_more(server, ALL[kind], count);
        }
    }
}

fn tell_more(server: &Peer, kind: Notice, count: u64) {
    let what = kind.text();
    contained(|| {
        if kind.is_pause() {
            tracing::debug!(%server, count, "{what}");
        } else if kind == Notice::Panicked {
            tracing::error!(%server, count, "{what}");
        } else {
            tracing::warn!(%server, count, "{what}");
        }
    });
}

/// A subscriber is the user's code, and so is what it formats. Neither decides what becomes of a connection.
fn contained(log: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(log)) {
        discard(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn each_kind_is_where_its_number_says() {
        for (index, kind) in ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
        }
    }
}
