//! Which member of a group takes the next call.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use super::member::{Details, Unavailable};
use crate::circuit_breaker::{CircuitBreaker, State};
use crate::client::health::{Health, Server};
use crate::proto::backoff::{SplitMix64, seed};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use crate::transport::Address;

/// Chooses the member of a [`Group`](super::Group) that takes the next call.
///
/// [`PowerOfTwoChoices`] is the default. A strategy of your own implements one method:
///
/// ```
/// use cmd_stream::group::{Members, Strategy};
///
/// /// The first member that is available. The others are spares.
/// struct First;
///
/// impl Strategy for First {
///     fn pick(&self, members: &Members<'_>) -> Option<usize> {
///         (0..members.len()).find(|&member| members.is_available(member))
///     }
/// }
/// ```
///
/// A group with one member does not ask.
pub trait Strategy: Send + Sync + 'static {
    /// Returns the number of a member that is available, or `None` if there is none.
    ///
    /// It runs in the task of the caller, and should be quick. A member that is not available is not taken, whatever it
    /// returns: then any other that is available takes the call, also if it returns `None`. A panic in it fails the call.
    fn pick(&self, members: &Members<'_>) -> Option<usize>;
}

/// What a [`Strategy`] knows of the members of a group. The numbers are read without a lock, and may be a moment old.
#[derive(Clone, Copy)]
pub struct Members<'a> {
    pub(super) healths: &'a [Arc<Health>],
    pub(super) breakers: &'a [CircuitBreaker],
    pub(super) details: Option<&'a Details>,
    /// The call has just failed there.
    pub(super) avoid: Option<usize>,
    /// The call has just failed at this server.
    pub(super) avoid_server: Option<Server>,
    /// Those that are passed over are available as well, as no other is.
    pub(super) takes_any: bool,
}

impl Members<'_> {
    /// Returns how many members there are. They are numbered from 0.
    #[expect(clippy::len_without_is_empty, reason = "a group is never empty")]
    pub fn len(&self) -> usize {
        self.healths.len()
    }

    /// Returns whether a member can take a call: it has a connection, its circuit breaker lets calls through, its server serves
    /// as far as [probes](crate::sender::Builder::probe) say, and the call has not just failed there. A member that does not
    /// exist is not available.
    ///
    /// If there is no such member, the strategy is asked once more. Then those whose servers do not serve are available, too.
    #[inline]
    pub fn is_available(&self, member: usize) -> bool {
        self.healths
            .get(member)
            .is_some_and(|health| health.takes_calls() || (self.takes_any && health.is_connected()))
            && self.avoid != Some(member)
            && self.avoid_server.is_none_or(|server| self.healths[member].server() != server)
            && self.breakers.get(member).is_none_or(|breaker| breaker.state() != State::Open)
    }

    /// Whether the breaker of a member lets calls through.
    pub(super) fn is_closed_or_trying(&self, member: usize) -> bool {
        self.avoid != Some(member)
            && self.breakers.get(member).is_none_or(|breaker| breaker.state() != State::Open)
    }

    /// Returns how many Commands the server of this member has, or will have, and has not answered for the last time.
    #[inline]
    pub fn in_flight(&self, member: usize) -> usize {
        self.healths.get(member).map_or(0, |health| health.in_flight())
    }

    /// Returns an average of how long Replies of this member took lately. One call in 64 is measured. `None` if none was yet.
    pub fn latency(&self, member: usize) -> Option<Duration> {
        self.healths.get(member)?.latency()
    }

    /// Returns the endpoint of a member; see [`Member::address`](super::Member::address). Unlike the rest, this takes a lock.
    pub fn address(&self, member: usize) -> Option<Address> {
        self.details.filter(|_| member < self.len())?.address(member)
    }

    /// Returns why a member takes no calls now. `None` if it does, and if there is no such member. That the call has just
    /// failed there is none of the reasons. Unlike the rest, this takes a lock.
    pub fn unavailable(&self, member: usize) -> Option<Unavailable> {
        let (health, breaker) = (self.healths.get(member)?, self.breakers.get(member));
        self.details?.unavailable(member, health.is_connected(), breaker.map(CircuitBreaker::state))
    }

    /// The first one that is available, from this one on and around.
    #[cold]
    fn next_available(&self, from: usize) -> Option<usize> {
        self.available_from(from).next()
    }

    /// Those that are available, from this one on and around.
    pub(super) fn available_from(&self, from: usize) -> impl Iterator<Item = usize> {
        let len = self.len();
        (from..from + len).map(move |member| member % len).filter(|&member| self.is_available(member))
    }
}

impl fmt::Debug for Members<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Takes two members by chance, and of these the one with fewer calls in flight. The default.
///
/// It spreads calls nearly as well as to look at all members (M. Mitzenmacher, "The Power of Two Choices in Randomized Load
/// Balancing", 2001). Senders in many processes do not all choose the same member, as they may with [`LeastInFlight`].
///
/// The first call that is made on a thread after a Reply goes to the member that has answered, if that has other calls in
/// flight. As a rule it is made by the task that has the Reply. The member then has no more in flight than before. Every 100 µs
/// such a call looks whether another member has a quarter fewer. So calls that follow each other closely stay on one core and
/// in one batch. With circuit breakers each call is chosen anew.
#[derive(Clone, Copy, Debug, Default)]
pub struct PowerOfTwoChoices;

impl Strategy for PowerOfTwoChoices {
    fn pick(&self, members: &Members<'_>) -> Option<usize> {
        let (one, other) = two_by_chance(members.len());
        match (members.is_available(one), members.is_available(other)) {
            (true, true) if members.in_flight(other) < members.in_flight(one) => Some(other),
            (true, _) => Some(one),
            (false, true) => Some(other),
            (false, false) => members.next_available(one),
        }
    }
}

/// What [`PowerOfTwoChoices`] picks where there are no breakers, if both of the two are there. One alone is always picked.
#[inline(always)] // every call of a Sender passes here
pub(crate) fn fewer_in_flight_of_two(healths: &[Arc<Health>]) -> Option<usize> {
    match healths {
        [_] => return Some(0),
        // These are always the two. So chance is asked only where both are as busy, which is seldom.
        [first, second] => {
            if !(first.takes_calls() && second.takes_calls()) {
                return None;
            }
            let (of_first, of_second) = (first.in_flight(), second.in_flight());
            return Some(if of_first == of_second { by_chance() } else { usize::from(of_second < of_first) });
        }
        _ => {}
    }
    let (one, other) = two_by_chance(healths.len());
    let (first, second) = (healths.get(one)?, healths.get(other)?);
    if !(first.takes_calls() && second.takes_calls()) {
        return None;
    }
    Some(if second.in_flight() < first.in_flight() { other } else { one })
}

/// What [`PowerOfTwoChoices`] picks for a call that may as well go to this member: the other of two only if it has a quarter
/// fewer in flight. The member may have been told of many answers at once, and may for a moment seem to have little to do;
/// without the quarter, calls would change to and fro.
#[inline(never)] // seldom asked
pub(crate) fn much_fewer_in_flight(healths: &[Arc<Health>], member: usize) -> Option<usize> {
    let picked = fewer_in_flight_of_two(healths)?;
    let (here, there) = (healths[member].in_flight(), healths[picked].in_flight());
    let stays = here > 0 && there + here / 4 >= here && healths[member].takes_calls();
    Some(if stays { member } else { picked })
}

/// One of two.
#[inline(never)] // seldom asked
fn by_chance() -> usize {
    (random() & 1) as usize
}

/// Two different members by chance, of at least two.
#[inline(always)]
fn two_by_chance(members: usize) -> (usize, usize) {
    let (len, random) = (members as u64, random());
    // Each half of the number, scaled, is an index.
    let one = ((random & u64::from(u32::MAX)) * len) >> 32;
    let step = ((random >> 32) * len.saturating_sub(1)) >> 32;
    let other = one + 1 + step;
    (one as usize, (if other < len { other } else { other - len }) as usize)
}

/// Takes the members in turn, as the Go library does.
#[derive(Debug, Default)]
pub struct RoundRobin(AtomicUsize);

impl Strategy for RoundRobin {
    #[inline]
    fn pick(&self, members: &Members<'_>) -> Option<usize> {
        let member = self.0.fetch_add(1, Relaxed) % members.len();
        if members.is_available(member) { Some(member) } else { members.next_available(member) }
    }
}

/// Takes the member with the fewest calls in flight. Of several, one by chance. It looks at all of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeastInFlight;

impl Strategy for LeastInFlight {
    fn pick(&self, members: &Members<'_>) -> Option<usize> {
        let len = members.len();
        let from = (((random() >> 32) * len as u64) >> 32) as usize;
        let available =
            (from..from + len).map(|member| member % len).filter(|&member| members.is_available(member));
        available.min_by_key(|&member| members.in_flight(member))
    }
}

thread_local! {
    static RANDOM: Cell<u64> = Cell::new(seed());
}

/// A number by chance. Each thread has its generator.
#[inline]
pub(super) fn random() -> u64 {
    // An error means that the thread is ending.
    let random = RANDOM.try_with(|state| {
        let mut generator = SplitMix64(state.get());
        let random = generator.next();
        state.set(generator.0);
        random
    });
    random.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healths(up: &[bool]) -> Vec<Arc<Health>> {
        let healths: Vec<_> = up.iter().map(|_| Arc::new(Health::default())).collect();
        for (health, &up) in healths.iter().zip(up) {
            health.set_takes_calls(up);
        }
        healths
    }

    fn members(healths: &[Arc<Health>]) -> Members<'_> {
        Members { healths, breakers: &[], details: None, avoid: None, avoid_server: None, takes_any: false }
    }

    fn picks(strategy: &dyn Strategy, members: &Members<'_>, times: usize) -> Vec<usize> {
        let mut picks = vec![0; members.len()];
        for _ in 0..times {
            picks[strategy.pick(members).expect("one is up")] += 1;
        }
        picks
    }

    fn all() -> [Box<dyn Strategy>; 3] {
        [Box::new(PowerOfTwoChoices), Box::new(RoundRobin::default()), Box::new(LeastInFlight)]
    }

    #[test]
    fn a_call_leaves_a_member_for_one_that_has_a_quarter_fewer() {
        let healths = healths(&[true, true]);
        for (here, there, picked) in [(8, 7, 0), (8, 6, 0), (8, 5, 1), (2, 1, 1), (1, 1, 0), (0, 1, 0)] {
            healths[0].set_in_flight(here);
            healths[1].set_in_flight(there);
            assert_eq!(much_fewer_in_flight(&healths, 0), Some(picked), "{here} and {there}");
        }
        // Of two that have nothing to do, neither is preferred.
        healths[1].set_in_flight(0);
        let picks: Vec<_> = (0..100).map(|_| much_fewer_in_flight(&healths, 0)).collect();
        assert!(picks.contains(&Some(0)) && picks.contains(&Some(1)));
        healths[0].set_in_flight(8);
        healths[0].set_takes_calls(false);
        assert_eq!(much_fewer_in_flight(&healths, 0), None, "a slower way chooses");
    }

    #[test]
    fn calls_are_spread_evenly_where_all_are_alike() {
        let healths = healths(&[true; 4]);
        for strategy in all() {
            let picks = picks(&*strategy, &members(&healths), 40_000);
            assert!(picks.iter().all(|picks| (9_000..11_000).contains(picks)), "{picks:?}");
        }
    }

    #[test]
    fn a_member_that_is_down_is_passed_over_and_without_any_there_is_no_pick() {
        for up in [[false, true, false], [true, false, true], [false, false, false]] {
            let healths = healths(&up);
            for strategy in all() {
                for _ in 0..100 {
                    match strategy.pick(&members(&healths)) {
                        Some(member) => assert!(up[member]),
                        None => assert_eq!(up, [false; 3]),
                    }
                }
            }
        }
    }

    #[test]
    fn the_member_that_just_failed_is_avoided() {
        let healths = healths(&[true, true]);
        for strategy in all() {
            let members = Members { avoid: Some(1), ..members(&healths) };
            assert_eq!(picks(&*strategy, &members, 100), [100, 0]);
        }
    }

    #[test]
    fn round_robin_begins_with_0_and_wraps_around() {
        let healths = healths(&[true; 3]);
        let strategy = RoundRobin::default();
        let picked: Vec<_> = (0..7).filter_map(|_| strategy.pick(&members(&healths))).collect();
        assert_eq!(picked, [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn a_busy_member_gets_less() {
        let healths = healths(&[true; 3]);
        healths[1].set_in_flight(1);
        assert_eq!(picks(&LeastInFlight, &members(&healths), 900)[1], 0);
        // It is taken only when it is both of the two, which never happens.
        assert_eq!(picks(&PowerOfTwoChoices, &members(&healths), 900)[1], 0);
        healths[0].set_in_flight(2);
        let picks = picks(&PowerOfTwoChoices, &members(&healths), 9_000);
        assert!(picks[0] == 0 && picks[1] > 2_000 && picks[2] > 5_000, "{picks:?}");
    }
}
