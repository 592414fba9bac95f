//! What a server counts. Connections add once a round of theirs, not once a Command.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a server has counted since it was made. All numbers only grow, but for `open` and `waiting`.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Debug, Default)]
        pub(crate) struct Counts {
            $(pub(crate) $name: AtomicU64,)*
        }

        impl Counts {
            pub(crate) fn snapshot(&self) -> Counters {
                Counters { $($name: self.$name.load(Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Connections accepted by the listener.
    accepted,
    /// Connections that are served now.
    open,
    /// Connections that wait for a place now.
    waiting,
    /// Connections closed because there was no place for them in time.
    refused,
    /// Errors of the listener; each is followed by a pause.
    accept_errors,
    /// Connections closed because the transport's handshake failed.
    handshakes_failed,
    /// Connections closed because the transport's handshake took too long, or the client did not take the ServerInfo in
    /// time.
    handshake_timeouts,
    /// Commands that were decoded and began to run.
    commands,
    /// Replies that were accepted for output.
    replies,
    /// Pings answered.
    pings,
    /// Commands that failed: those that panicked or ended without a last Reply, too.
    failed,
    /// Commands that panicked.
    panicked,
    /// Failures after the last Reply, which nobody but the log hears of.
    failed_after_last_reply,
    /// Connections closed because of bytes that do not decode, or for a seq that may not be.
    invalid,
    /// Connections closed because a Command was over the limit of a frame.
    over_frame_limit,
    /// Connections closed because a Command did not arrive in time, or none came.
    receive_timeouts,
    /// Connections closed because the peer took no output in time.
    output_stalls,
    /// How often a connection was not read because its limit of Commands, or of their bytes, was reached.
    in_flight_pauses,
    /// How often a connection was not read because its limit of output was reached.
    output_pauses,
    /// Connections cut by a close, or when the time to drain was over.
    cut,
}

/// Adds, for a number that only grows.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    if n > 0 {
        counter.fetch_add(n, Relaxed);
    }
}

/// Counts one.
pub(crate) fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// Counts something for as long as it is held.
#[derive(Debug)]
pub(crate) struct Gauge<'a>(&'a AtomicU64);

impl<'a> Gauge<'a> {
    pub(crate) fn new(counter: &'a AtomicU64) -> Self {
        one(counter);
        Self(counter)
    }

    /// Goes on to count it when this is gone, until the counter is [adopted](Self::adopt).
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
