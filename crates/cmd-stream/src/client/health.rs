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
    /// It has a connection, which is not about to be replaced.
    takes_calls: AtomicBool,
    /// Commands that the server has, or will have, and has not answered for the last time.
    in_flight: AtomicUsize,
    /// The seq of the last Command in its output: how many there were.
    sent: AtomicU64,
    /// An average of how long Replies took lately, in nanoseconds; 0 if nothing is known.
    latency: AtomicU64,
    /// See [`Server`]; 0 if nothing is known.
    server: AtomicU64,
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

/// The clients that take calls.
#[derive(Debug)]
struct Takers {
    count: usize,
    /// Since when there are none.
    none_since: Instant,
}

impl Default for Told {
    fn default() -> Self {
        let takers = Mutex::new(Takers { count: 0, none_since: Instant::now() });
        Self { available: Bell::default(), attempted: Bell::default(), takers }
    }
}

impl Told {
    /// Since when no client takes calls. `None` if one does.
    pub(crate) fn none_since(&self) -> Option<Instant> {
        let takers = self.takers();
        (takers.count == 0).then_some(takers.none_since)
    }

    fn takers(&self) -> MutexGuard<'_, Takers> {
        self.takers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Takers {
    fn leave(&mut self) {
        self.count -= 1;
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

    pub(crate) fn set_takes_calls(&self, takes_calls: bool) {
        if self.takes_calls.swap(takes_calls, Relaxed) == takes_calls {
            return;
        }
        if let Some(told) = &self.told {
            let mut takers = told.takers();
            if takes_calls { takers.count += 1 } else { takers.leave() }
        }
    }

    /// Takes no calls any more, unless none of the others does either. Returns whether it takes none.
    pub(super) fn leave_unless_last(&self) -> bool {
        if !self.takes_calls() {
            return true;
        }
        if let Some(told) = &self.told {
            let mut takers = told.takers();
            if takers.count < 2 {
                return false;
            }
            takers.leave();
        }
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
}
