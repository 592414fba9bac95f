//! What a [`Line`] tells the counters and the log of what is not started, and of what is not read.

use super::{Arrival, Line, Notice, one};

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
}
