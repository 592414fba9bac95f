//! What is known of a client without its lock: numbers for those who choose among several clients. They may be a moment old.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use crate::connection::bell::Bell;
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use crate::transport::Peer;

/// Whether a client takes calls, and how busy it is.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// It [is connected](Self::is_connected), and is not passed over.
    takes_calls: AtomicBool,
    /// Commands that the server has, or will have, and has not answered for the last time.
    in_flight: AtomicUsize,
    /// The seq of the last Command in its output: how many there were.
    sent: AtomicU64,
    /// An average of how long Replies took lately, in nanoseconds; 0 if nothing is known.
    latency: AtomicU64,
    /// See [`Server`]; 0 if nothing is known.
    server: AtomicU64,
    /// It has a connection, which is not about to be replaced.
    is_connected: AtomicBool,
    /// Its server does not serve, as probes say. Like `is_connected`, it is set under the lock of `told`.
    is_passed_over: AtomicBool,
    told: Option<Arc<Told>>,
}

/// Tells servers apart, by their addresses. One without an address, as in memory, is another one for each client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server(u64);

impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        self.0 != 0 && self.0 == other.0
    }
}

/// What those who wait for one of several clients are told.
#[derive(Debug)]
pub(crate) struct Told {
    /// One takes calls again, or has ended.
    pub(crate) available: Bell,
    /// As `available`, and also when an attempt to connect has failed.
    pub(crate) attempted: Bell,
    takers: Mutex<Takers>,
}

/// The clients that are connected.
#[derive(Debug)]
struct Takers {
    count: usize,
    /// How many of them are passed over as long as there are others.
    passed_over: usize,
    /// Since when there are none.
    none_since: Instant,
}

impl Default for Told {
    fn default() -> Self {
        let takers = Mutex::new(Takers { count: 0, passed_over: 0, none_since: Instant::now() });
        Self { available: Bell::default(), attempted: Bell::default(), takers }
    }
}

impl Told {
    /// Since when no client is connected. `None` if one is.
    pub(crate) fn none_since(&self) -> Option<Instant> {
        let takers = self.takers();
        (takers.count == 0).then_some(takers.none_since)
    }

    fn takers(&self) -> MutexGuard<'_, Takers> {
        self.takers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Takers {
    fn enter(&mut self, is_passed_over: bool) {
        self.count += 1;
        self.passed_over += usize::from(is_passed_over);
    }

    fn leave(&mut self, is_passed_over: bool) {
        self.count -= 1;
        self.passed_over -= usize::from(is_passed_over);
        if self.count == 0 {
            self.none_since = Instant::now();
        }
    }
}

impl Health {
    pub(crate) fn telling(told: Arc<Told>) -> Self {
        Self { told: Some(told), ..Self::default() }
    }

    #[inline]
    pub(crate) fn takes_calls(&self) -> bool {
        self.takes_calls.load(Relaxed)
    }

    /// Whether it has a connection, which is not about to be replaced.
    pub(crate) fn is_connected(&self) -> bool {
        self.is_connected.load(Relaxed)
    }

    /// Whether it takes calls only if no other client does.
    pub(crate) fn is_passed_over(&self) -> bool {
        self.is_passed_over.load(Relaxed)
    }

    /// Whether it takes calls, and has some.
    #[inline]
    pub(crate) fn is_busy(&self) -> bool {
        self.takes_calls() && self.in_flight() > 0
    }

    #[inline]
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    pub(crate) fn server(&self) -> Server {
        Server(self.server.load(Relaxed))
    }

    pub(super) fn set_server(&self, peer: &Peer) {
        let server = peer.socket_addr().map_or(0, |address| {
            let mut hasher = DefaultHasher::new();
            address.hash(&mut hasher);
            hasher.finish() | 1
        });
        self.server.store(server, Relaxed);
    }

    pub(crate) fn latency(&self) -> Option<Duration> {
        match self.latency.load(Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// A Reply took so long. Threads that come at the same time may lose each other's samples, which does not matter.
    pub(crate) fn took(&self, time: Duration) {
        let sample = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1);
        let before = self.latency.load(Relaxed);
        let after = match before {
            0 => sample,
            // An eighth of the distance, as TCP smooths its round-trip time (RFC 6298).
            _ if sample >= before => before + (sample - before) / 8,
            _ => before - (before - sample) / 8,
        };
        self.latency.store(after.max(1), Relaxed);
    }

    /// Its connection takes calls, or does not any more. Always called under the lock of the client.
    pub(crate) fn set_takes_calls(&self, takes_calls: bool) {
        if self.is_connected() == takes_calls {
            return;
        }
        let mut takers = self.told.as_ref().map(|told| told.takers());
        let is_passed_over = self.is_passed_over();
        if let Some(takers) = &mut takers {
            if takes_calls { takers.enter(is_passed_over) } else { takers.leave(is_passed_over) }
        }
        self.is_connected.store(takes_calls, Relaxed);
        self.takes_calls.store(takes_calls && !is_passed_over, Relaxed);
    }

    /// Lets others take its calls, as long as there are any, or ends that. Returns whether this is a change.
    pub(crate) fn pass_over(&self, passes: bool) -> bool {
        let Some(told) = &self.told else { return false }; // there are no others
        {
            let mut takers = told.takers();
            if self.is_passed_over.swap(passes, Relaxed) == passes {
                return false;
            }
            let is_connected = self.is_connected();
            if is_connected && passes {
                takers.passed_over += 1;
            } else if is_connected {
                takers.passed_over -= 1;
            }
            self.takes_calls.store(is_connected && !passes, Relaxed);
        }
        told.available.ring();
        true
    }

    /// Takes no calls any more, unless it is the last one that does. Returns whether it takes none. One that is passed over may
    /// go if any other is connected.
    pub(super) fn leave_unless_last(&self) -> bool {
        if !self.is_connected() {
            return true;
        }
        let mut takers = self.told.as_ref().map(|told| told.takers());
        if let Some(takers) = &mut takers {
            let is_passed_over = self.is_passed_over();
            let others = takers.count - 1;
            let better = if is_passed_over { others } else { others - takers.passed_over };
            if better == 0 {
                return false;
            }
            takers.leave(is_passed_over);
        }
        self.is_connected.store(false, Relaxed);
        self.takes_calls.store(false, Relaxed);
        true
    }

    #[inline]
    pub(crate) fn set_in_flight(&self, calls: usize) {
        self.in_flight.store(calls, Relaxed);
    }

    #[inline]
    pub(super) fn set_sent(&self, seq: i64) {
        self.sent.store(seq.cast_unsigned(), Relaxed);
    }

    /// Tells those who wait for a client. Never under a lock, as their wakers may run any code.
    pub(super) fn tell(&self) {
        if let Some(told) = &self.told {
            told.available.ring();
            told.attempted.ring();
        }
    }

    pub(super) fn tell_failed(&self) {
        if let Some(told) = &self.told {
            told.attempted.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_follows_what_it_is_told() {
        let health = Health::default();
        assert_eq!(health.latency(), None);
        health.took(Duration::from_millis(8));
        assert_eq!(health.latency(), Some(Duration::from_millis(8)));
        health.took(Duration::from_millis(16));
        assert_eq!(health.latency(), Some(Duration::from_millis(9)));
        for _ in 0..200 {
            health.took(Duration::ZERO);
        }
        assert!(health.latency().is_some_and(|latency| latency < Duration::from_micros(1)));
        health.took(Duration::MAX);
        assert!(health.latency().is_some());
    }
    /// Two clients of a group.
    fn two() -> (Arc<Told>, [Health; 2]) {
        let told = Arc::new(Told::default());
        let healths = [Arc::clone(&told), Arc::clone(&told)].map(Health::telling);
        healths.iter().for_each(|health| health.set_takes_calls(true));
        (told, healths)
    }

    #[tokio::test]
    async fn one_that_is_passed_over_is_connected_and_takes_no_calls() {
        let (told, [one, two]) = two();
        assert!(one.pass_over(true) && !one.pass_over(true));
        assert_eq!([one.takes_calls(), one.is_connected(), two.takes_calls()], [false, true, true]);
        two.set_takes_calls(false);
        assert!(told.none_since().is_none(), "it may still be used");
        one.set_takes_calls(false);
        assert!(told.none_since().is_some());
        one.set_takes_calls(true);
        assert_eq!([one.takes_calls(), one.is_connected()], [false, true], "until it serves");
        assert!(one.pass_over(false) && one.takes_calls());
    }

    #[tokio::test]
    async fn the_last_one_that_serves_stays_and_others_may_go() {
        let (_told, [one, two]) = two();
        one.pass_over(true);
        assert!(!two.leave_unless_last() && two.takes_calls(), "the other one does not serve");
        assert!(one.leave_unless_last() && !one.is_connected());
        one.set_takes_calls(true);
        two.pass_over(true);
        assert!(two.leave_unless_last(), "neither serves");
        assert!(!one.leave_unless_last(), "it is the last one");
    }
}
