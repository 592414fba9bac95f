//! The numbers of the calls with each Command: a call is counted when it starts, and once when it has ended.

use std::time::Duration;

use tokio::time::Instant;

use super::{Awaits, Core, Course};
use crate::error::{Error, ErrorKind, Origin};
use crate::hooks::Hooks;
use crate::protocol::Protocol;
use crate::stats::Outcome;

/// What is known of a call that is counted.
pub(super) struct Count {
    /// Where it is counted. [`NOT_COUNTED`] before the call has started, and after it has ended.
    place: u32,
    /// When it started, if it is measured.
    began: Option<Instant>,
}

impl Count {
    pub(super) const fn new() -> Self {
        Self { place: NOT_COUNTED, began: None }
    }
}

impl<K: Send + 'static> Course<K> {
    /// The call starts.
    #[inline(always)] // every call passes here
    pub(super) fn counts<P: Protocol, F, H: Hooks<P>>(&mut self, core: &Core<P, F, H>, index: usize) {
        let (place, number) = core.tally.starts(index);
        self.count.place = place;
        if core.tally.is_measured(number) {
            self.measures();
        }
    }

    #[cold]
    fn measures(&mut self) {
        self.count.began = Some(Instant::now());
    }

    /// The call has ended, if it has not before.
    #[inline(always)] // every call passes here
    pub(super) fn counts_end<P: Protocol, F, H: Hooks<P>>(
        &mut self,
        core: &Core<P, F, H>,
        outcome: Outcome,
        ended_at: impl FnOnce(&Core<P, F, H>) -> Instant,
    ) {
        if self.count.place == NOT_COUNTED {
            return;
        }
        let place = std::mem::replace(&mut self.count.place, NOT_COUNTED);
        core.tally.ends(place, outcome);
        if let Some(began) = self.count.began {
            self.measured_end(core, place, ended_at(core).saturating_duration_since(began));
        }
    }

    /// A call that is measured has ended.
    #[cold]
    fn measured_end<P: Protocol, F, H: Hooks<P>>(
        &mut self,
        core: &Core<P, F, H>,
        place: u32,
        took: Duration,
    ) {
        self.count.began = None;
        core.tally.ended_after(place, took);
        let (index, member) = (core.tally.index_of(place), self.member as usize);
        core.tally.log_if_slow(index, took, 1, SLOW, || core.group.client(member).peer());
    }

    /// There is an answer: the last one, or a failure, which ends a stream as well.
    #[inline(always)] // every call passes here
    pub(super) fn counts_answer<P: Protocol, F, H: Hooks<P>>(
        &mut self,
        core: &Core<P, F, H>,
        awaits: Awaits,
        answer: Option<&P::Reply>,
    ) {
        let outcome = match answer {
            Some(reply) if P::is_failure(reply) => Outcome::Failed,
            Some(reply) if awaits == Awaits::Replies && !P::is_last(reply) => return,
            _ => Outcome::Replied,
        };
        let member = self.member;
        self.counts_end(core, outcome, |core| match awaits {
            // Whoever has read it has looked at the clock.
            Awaits::Reply => core.table(member).read_at(),
            Awaits::Replies | Awaits::Written => Instant::now(),
        });
    }

    #[cold]
    pub(super) fn counts_error<P: Protocol, F, H: Hooks<P>>(&mut self, core: &Core<P, F, H>, error: &Error) {
        let outcome = match error.kind() {
            ErrorKind::Timeout if error.origin() == Origin::Local => Outcome::TimedOut,
            ErrorKind::Refused => Outcome::Refused,
            _ => Outcome::Lost,
        };
        self.counts_end(core, outcome, |_| Instant::now());
    }
}

const NOT_COUNTED: u32 = u32::MAX;

/// What the log says of a call that took longer than it should.
const SLOW: &str = "slow call";
