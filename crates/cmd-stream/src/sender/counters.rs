//! What a Sender counts, besides its clients and the numbers of each Command. All of it happens seldom.

use crate::counters::counters;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

counters! {
    /// What a Sender has counted since it was created. All numbers only grow.
    Counters {
        /// Commands that were sent again: the connection was lost, and they are idempotent; or a server shed load, and another
        /// one may take them. See [`Retry`](super::Retry).
        retries,
        /// Commands that were not sent to one member, and moved to another.
        moves,
        /// Second attempts beside the first; see [`Retry::hedge`](super::Retry::hedge).
        hedges,
        /// Second attempts that were answered before the first.
        hedges_won,
        /// Calls that the hooks did not let through.
        refused_by_hooks,
        /// Calls that failed because the circuit breaker of each member that had a connection refused them.
        refused_by_breakers,
        /// How often a call has waited because no member was available.
        member_waits,
    }
}

/// Counts one.
pub(super) fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
