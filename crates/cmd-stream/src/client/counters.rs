//! What a client counts. All of it happens seldom, or costs more than counting it.

use crate::counters::counters;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

counters! {
    /// What a client has counted since it was created. All numbers only grow.
    Counters {
        /// Connections made, the first one included.
        connected,
        /// Attempts to connect that failed. A `connect` that returns an error leaves no client to count it.
        attempts_failed,
        /// Connections lost, except when this side closed them.
        lost,
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
        /// Replies that no call waited for.
        unexpected,
    }
}

pub(super) fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Relaxed);
}
