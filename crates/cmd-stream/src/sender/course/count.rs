//! The numbers of the calls with each Command: a call is counted when it starts, and once when it has ended.

use std::time::Duration;

use tokio::time::Instant;

use super::{Awaits, Core, Course};
use crate::error::{Error, ErrorKind, Origin};
use crate::hooks::Hooks;
use crate::protocol::Protocol;
use crate::stats::Outcome;

/// What is known of a call that is counted, in one number: each call holds it, and calls are moved.
///
/// Its low bits are the place where it is counted, plus one; 0 before the call has started, and after it has ended. The high
/// bits say when it started, in microseconds since the Sender did, of those that are measured; 0 of others.
pub(super) struct Count(u64);

impl Count {
    pub(super) const fn new() -> Self {
        Self(0)
    }

    fn began(core_began: Instant, now: Instant) -> u64 {
        // One more, as 0 stands for none.
        let micros = (now.saturating_duration_since(core_began).as_micros() as u64 + 1) & MICROS;
        micros.max(1) << PLACE_BITS
    }

    /// How long it has taken, if it is measured.
    fn took(core_began: Instant, began: u64, now: Instant) -> Duration {
        let micros = (Self::began(core_began, now) >> PLACE_BITS).wrapping_sub(began) & MICROS;
        // What was read before it began is no time.
        Duration::from_micros(if micros > MICROS / 2 { 0 } else { micros })
    }
}

/// A million places: a Protocol with 8 shards has room for 131,071 Commands.
const PLACE_BITS: u32 = 20;
/// 203 days, after which the number begins anew. No call is measured that takes more than half of that.
const MICROS: u64 = (1 << (64 - PLACE_BITS)) - 1;

impl<K: Send + 'static> Course<K> {
    /// The call starts.
    #[inline(always)] // every call passes here
    pub(super) fn counts<P: Protocol, F, H: Hooks<P>>(&mut self, core: &Core<P, F, H>, index: usize) {
        let (place, number) = core.tally.starts(index);
        self.count.0 = u64::from(place) + 1;
        if core.tally.is_measured(number) {
            self.measures(core.tally.began());
        }
    }

    #[cold]
    fn measures(&mut self, core_began: Instant) {
        self.count.0 |= Count::began(core_began, Instant::now());
    }

    /// The call has ended, if it has not before.
    #[inline(always)] // every call passes here
    pub(super) fn counts_end<P: Protocol, F, H: Hooks<P>>(
        &mut self,
        core: &Core<P, F, H>,
        outcome: Outcome,
        ended_at: impl FnOnce(&Core<P, F, H>) -> Instant,
    ) {
        let count = std::mem::take(&mut self.count.0);
        if count == 0 {
            return;
        }
        let (place, began) = ((count & ((1 << PLACE_BITS) - 1)) as u32 - 1, count >> PLACE_BITS);
        core.tally.ends(place, outcome);
        if began > 0 {
            self.measured_end(core, place, Count::took(core.tally.began(), began, ended_at(core)));
        }
    }

    /// A call that is measured has ended.
    #[cold]
    fn measured_end<P: Protocol, F, H: Hooks<P>>(&self, core: &Core<P, F, H>, place: u32, took: Duration) {
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

/// What the log says of a call that took longer than it should.
const SLOW: &str = "slow call";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_is_measured_also_when_the_number_begins_anew() {
        let core_began = Instant::now();
        for days in [0, 203, 204, 500] {
            let began = core_began + Duration::from_secs(days * 86_400 + 45_000);
            let count = Count::began(core_began, began) >> PLACE_BITS;
            for took in [0, 1, 1_000_000, 40 * 86_400 * 1_000_000].map(Duration::from_micros) {
                assert_eq!(Count::took(core_began, count, began + took), took, "{days}");
            }
            let before = began - Duration::from_micros(3);
            assert_eq!(Count::took(core_began, count, before), Duration::ZERO);
        }
    }
}
