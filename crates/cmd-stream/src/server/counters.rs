//! What a server counts. A connection adds its numbers once per read or write, not once per Command.

use crate::counters::counters;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

counters! {
    /// What a server has counted since it was created. All numbers only grow, except `open`, `waiting` and
    /// `leaving`.
    ///
    /// Each connection ends in one way. So while none comes or ends, `accepted` is the sum of `open`, `waiting`, and of all
    /// ways to end: `over_connection_rate`, `over_address_rate`, `refused`, `left_waiting`, `handshakes_failed`,
    /// `handshake_timeouts`, `left`, `broken`, `invalid`, `over_frame_limit`, `receive_timeouts`, `output_stalls`,
    /// `pause_timeouts`, `ended_by_commands`, `ended_by_panics`, `made_room`, `shut_down` and `cut`.
    Counters {
        /// Connections accepted by the listener.
        accepted,
        /// Connections that are being served now.
        open,
        /// Connections that wait for a place now.
        waiting,
        /// Connections that have ended, are counted below, and keep their place while their last output is written, up to 2 s.
        leaving,
        /// Connections closed because there was no place for them in time.
        refused,
        /// Connections closed because they were idle, and others waited for a place
        /// ([`Limits::make_room`](super::Limits::make_room)).
        made_room,
        /// Connections closed because more came than [`Limits::connection_rate`](super::Limits::connection_rate) lets in.
        over_connection_rate,
        /// Connections closed because more came from their address than
        /// [`Limits::address_rate`](super::Limits::address_rate) lets in.
        over_address_rate,
        /// Connections that were let in without a rate of their address, because the table of addresses was full.
        untracked_addresses,
        /// Errors of the listener; each is followed by a pause.
        accept_errors,
        /// Connections whose clients left while they waited for a place.
        left_waiting,
        /// Connections closed because the transport's handshake failed.
        handshakes_failed,
        /// Connections closed because the transport's handshake took too long, or the client did not take the ServerInfo in
        /// time.
        handshake_timeouts,
        /// Commands that were not started, and were answered with the Protocol's failure, because the server was
        /// overloaded ([`Limits::shed_after`](super::Limits::shed_after)). They count neither as `started` nor as `failed`.
        shed,
        /// Pings answered.
        pings,
        /// Commands that failed, including those that panicked or ended without a last Reply.
        failed,
        /// Commands that panicked.
        panicked,
        /// Commands that ended without a last Reply. They also count in `failed`.
        no_last_reply,
        /// Commands that failed after their last Reply. The client cannot be told; they are logged.
        failed_after_last_reply,
        /// Connections that their clients closed.
        left,
        /// Connections that broke: reading or writing failed, or they ended in the middle of a Command.
        broken,
        /// Connections closed because a Command failed, and the Protocol has no failure to answer with, or it could not be
        /// encoded.
        ended_by_commands,
        /// Connections closed because code of yours panicked outside of a Command: when something was decoded or encoded,
        /// or in the transport.
        ended_by_panics,
        /// Connections closed by a shutdown, when nothing was in flight on them, and those that were not served yet at that
        /// time.
        shut_down,
        /// Connections closed because their bytes do not decode, or because of a negative seq or one that is in use.
        invalid,
        /// Connections closed because a Command was larger than the limit of a frame.
        over_frame_limit,
        /// Connections closed because a Command was not complete in time, or none came.
        receive_timeouts,
        /// Connections closed because the peer did not read its output in time.
        output_stalls,
        /// Connections closed because nothing moved for too long while they were not read
        /// ([`Limits::paused`](super::Limits::paused)).
        pause_timeouts,
        /// How often a connection was not read because its limit of Commands, or of their bytes, was reached.
        in_flight_pauses,
        /// How often a connection was not read because its limit of output was reached.
        output_pauses,
        /// How often a connection was not read because its [`Limits::command_rate`](super::Limits::command_rate) was
        /// reached.
        rate_pauses,
        /// How often a connection was not read because the server was overloaded
        /// ([`Limits::shed_after`](super::Limits::shed_after)), with `failure close_connection`.
        shed_pauses,
        /// How often a connection was not read because its share of the server's memory, or of its Commands, was used up
        /// ([`Limits::memory`](super::Limits::memory), [`Limits::commands`](super::Limits::commands)).
        memory_pauses,
        /// Commands that were dropped because their connection had ended, and too much was taken.
        orphans_dropped,
        /// Commands that came in the second half of a drain, and were not started.
        refused_in_drain,
        /// Connections cut by a close, because the time to drain was over, or because `serve` was dropped.
        cut,
    }
    elsewhere {
        /// Commands that were decoded and began to run.
        started,
        /// Replies that were accepted for output.
        replies,
        /// Bytes that were read from connections. With TLS, those of the Commands, not those on the wire.
        bytes_received,
        /// Bytes that were written to connections. With TLS, those of the Replies, not those on the wire.
        bytes_sent,
    }
}

/// Counts one.
pub(crate) fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// Counts so many.
pub(crate) fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Relaxed);
}

/// Counts something for as long as it is held.
#[derive(Debug)]
pub(crate) struct Gauge<'a>(&'a AtomicU64);

impl<'a> Gauge<'a> {
    pub(crate) fn new(counter: &'a AtomicU64) -> Self {
        one(counter);
        Self(counter)
    }

    /// Leaves it counted, for somebody else to [adopt](Self::adopt).
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }

    /// Takes over what is counted already.
    pub(crate) fn adopt(counter: &'a AtomicU64) -> Self {
        Self(counter)
    }
}

impl Drop for Gauge<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
