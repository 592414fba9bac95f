//! What a client counts. All of it happens seldom, or costs more than counting it.

use crate::counters::counters;
use crate::error::cause::Cause;
use crate::error::{Error, ErrorKind};
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

counters! {
    /// What a client has counted since it was created. All numbers only grow.
    Counters {
        /// Connections made, the first one included.
        connected,
        /// Attempts to connect that failed. A `connect` that returns an error leaves no client to count it.
        attempts_failed,
        /// Connections lost, except when this side closed them. It is the sum of the ways in which they were lost:
        /// `closed_by_server`, `broken`, `invalid`, `ended_by_panics`, `keepalive_lost`, `output_stalls` and
        /// `receive_timeouts`.
        lost,
        /// Connections lost because the server closed them.
        closed_by_server,
        /// Connections lost because reading or writing failed, or because they ended in the middle of a Reply.
        broken,
        /// Connections lost because the bytes of the server do not decode, a Reply was larger than
        /// [`Limits::frame`](super::Limits::frame), or it was not one of its Command.
        invalid,
        /// Connections lost because the transport panicked, or a Reply when it was decoded.
        ended_by_panics,
        /// Connections replaced by others, because of their age or because their address was gone.
        replaced,
        /// Connections lost because the server sent nothing after a ping; see [`Keepalive`](super::Keepalive). They also
        /// count in `lost`.
        keepalive_lost,
        /// Pings sent.
        pings,
        /// Calls that failed because their own deadline had passed.
        timed_out,
        /// Calls and streams that were dropped before their last Reply.
        cancelled,
        /// Replies that no call waited for any more, or never did: late ones, as a rule.
        unexpected,
        /// Calls that waited for room, because a limit was reached: [`Limits::in_flight`](super::Limits::in_flight),
        /// [`in_flight_bytes`](super::Limits::in_flight_bytes) or [`output`](super::Limits::output).
        room_waits,
        /// Commands that were not sent because they are larger than [`Limits::frame`](super::Limits::frame).
        over_frame_limit,
        /// Streams that failed because more Replies came than [`Limits::stream_replies`](super::Limits::stream_replies)
        /// lets wait.
        stream_overflows,
        /// How often the connection was not read because so many Replies waited in a stream.
        stream_pauses,
        /// Connections lost because the server did not read the output in time
        /// ([`Limits::output_stall`](super::Limits::output_stall)). They also count in `lost`.
        output_stalls,
        /// Connections lost because a Reply was not complete in time ([`Limits::frame_time`](super::Limits::frame_time)).
        /// They also count in `lost`.
        receive_timeouts,
        /// Bytes that were read from connections. With TLS, those of the Replies, not those on the wire.
        bytes_received,
        /// Bytes that were written to connections. With TLS, those of the Commands, not those on the wire.
        bytes_sent,
    }
}

/// Counts a connection that was lost for this reason, once.
pub(super) fn count_lost(counts: &Counts, reason: &Error) {
    let way = match (reason.cause(), reason.kind()) {
        (Some(Cause::Keepalive), _) => &counts.keepalive_lost,
        (Some(Cause::OutputStall), _) => &counts.output_stalls,
        (Some(Cause::FrameTime), _) => &counts.receive_timeouts,
        (_, ErrorKind::Closed) => &counts.closed_by_server,
        (_, ErrorKind::Decode | ErrorKind::Limit | ErrorKind::Protocol | ErrorKind::UnknownTag) => {
            &counts.invalid
        }
        (_, ErrorKind::Panic) => &counts.ended_by_panics,
        _ => &counts.broken,
    };
    add(way, 1);
    add(&counts.lost, 1);
}

pub(super) fn add(counter: &AtomicU64, number: u64) {
    if number > 0 {
        counter.fetch_add(number, Relaxed);
    }
}
