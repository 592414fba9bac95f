//! What a [`Line`] tells the counters and the log of what has failed, of what is not started, and of what is not read.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Arrival, Line, Notice, one};
use crate::error::discard;
use crate::protocol::{Failed, FailedReason};

impl Line {
    /// Logs a Command that is answered without having been started.
    #[cold]
    pub(in crate::server) fn report_refused(&self, arrival: &Arrival, reason: &str) {
        let (Arrival { seq, entry, .. }, peer) = (arrival, self.connection.peer());
        tracing::debug!(name = entry.name, %seq, %peer, reason, "command refused");
    }

    /// Books that it is not read for a time.
    pub(in crate::server) fn report_paused(&self, kind: Notice) {
        let counts = self.counts();
        one(match kind {
            Notice::InFlightPause => &counts.in_flight_pauses,
            Notice::RatePause => &counts.rate_pauses,
            Notice::ShedPause => &counts.shed_pauses,
            Notice::MemoryPause => &counts.memory_pauses,
            _ => &counts.output_pauses,
        });
        self.control.notices.paused(&self.control.address, kind, self.connection.peer());
    }

    /// Counts and logs a failure that is answered, or ends the connection: then it is told at most once a second that it does.
    pub(in crate::server) fn report_failed(&self, arrival: &Arrival, failed: &Failed, ends: bool) {
        one(&self.counts().failed);
        if failed.reason() == FailedReason::NoLastReply {
            one(&self.counts().no_last_reply);
        }
        let is_panic = self.count_panic(failed);
        let (Arrival { seq, entry, .. }, peer) = (arrival, self.connection.peer());
        // What the error says is the user's code. What becomes of the connection must not depend on whether somebody
        // reads the log.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let (name, reason, failed) = (entry.name, failed.reason(), format_args!("{failed:#}"));
            if is_panic {
                tracing::error!(name, %seq, %peer, failed, "command panicked");
            } else if reason == FailedReason::NoLastReply {
                tracing::warn!(name, %seq, %peer, failed, "command ended without a last reply");
            } else if ends && self.control.notices.failed(name, *seq, peer, failed) {
                // It is told.
            } else if arrival.is_one_way && !ends {
                tracing::warn!(name, %seq, %peer, failed, "one-way command failed");
            } else {
                tracing::debug!(name, %seq, %peer, failed, "command failed");
            }
        }))
        .map_err(discard);
    }

    /// Counts and logs a failure that the client cannot be told, as it has the last Reply.
    pub(in crate::server) fn report_failed_too_late(&self, arrival: &Arrival, failed: &Failed) {
        one(&self.counts().failed_after_last_reply);
        self.count_panic(failed);
        let (Arrival { seq, entry, .. }, peer) = (arrival, self.connection.peer());
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let (name, failed) = (entry.name, format_args!("{failed:#}"));
            tracing::warn!(name, %seq, %peer, failed, "command failed after its last reply");
        }))
        .map_err(discard);
    }

    fn count_panic(&self, failed: &Failed) -> bool {
        let is_panic = failed.reason() == FailedReason::Panic;
        if is_panic {
            one(&self.counts().panicked);
        }
        is_panic
    }
}
