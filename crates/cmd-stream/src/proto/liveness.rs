//! Whether a peer lives: when to ping, and when the peer is dead. Any byte from it is a sign of life. Knows no clock and no socket.

use std::ops::Add;
use std::time::Duration;

/// When a connection was last used, and since when a ping has not been answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Liveness<T> {
    heard: T,
    sent: T,
    pinged: Option<T>,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Act {
    /// A ping is to be sent.
    Ping,
    /// The peer is dead.
    GiveUp,
}

impl<T: Copy + Ord + Add<Duration, Output = T>> Liveness<T> {
    /// A connection that has just been made.
    pub(crate) fn new(now: T) -> Self {
        Self { heard: now, sent: now, pinged: None }
    }

    /// Something has arrived.
    pub(crate) fn heard(&mut self, now: T) {
        (self.heard, self.pinged) = (now, None);
    }

    /// When something arrived last, as far as that is known.
    pub(crate) fn last_heard(&self) -> T {
        self.heard
    }

    /// Something has been sent.
    pub(crate) fn sent(&mut self, now: T) {
        self.sent = now;
    }

    /// A ping is on its way, or will be when the peer takes more.
    pub(crate) fn pinged(&mut self, now: T) {
        self.sent = now;
        self.pinged.get_or_insert(now);
    }

    /// The peer takes what stands before the ping, or the ping itself: it can answer from now on.
    pub(crate) fn ping_moves(&mut self, now: T) {
        self.pinged = self.pinged.map(|_| now);
    }

    /// What is to be done next, and after how much time since when. A ping is due when nothing was heard for `idle`, or
    /// nothing was sent: a server may count only what it receives.
    ///
    /// A connection that is not read hears nothing. Then only the pings go on, for the server's sake.
    pub(crate) fn next(&self, idle: Duration, timeout: Duration, is_read: bool) -> (Act, T, Duration) {
        match self.pinged {
            _ if !is_read => (Act::Ping, self.sent, idle),
            Some(pinged) => (Act::GiveUp, pinged, timeout),
            None => (Act::Ping, self.heard.min(self.sent), idle),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(10);
    const TIMEOUT: Duration = Duration::from_secs(4);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// What is due, and when.
    fn next(liveness: &Liveness<Duration>) -> (Act, Duration) {
        let (act, since, time) = liveness.next(IDLE, TIMEOUT, true);
        (act, since + time)
    }

    #[test]
    fn a_ping_is_due_when_nothing_was_heard_or_nothing_sent() {
        let mut liveness = Liveness::new(seconds(0));
        assert_eq!(next(&liveness), (Act::Ping, seconds(10)));
        liveness.heard(seconds(5));
        assert_eq!(next(&liveness), (Act::Ping, seconds(10)), "nothing was sent");
        liveness.sent(seconds(7));
        assert_eq!(next(&liveness), (Act::Ping, seconds(15)), "nothing was heard since 5");
    }

    #[test]
    fn any_byte_after_a_ping_is_a_sign_of_life() {
        let mut liveness = Liveness::new(seconds(0));
        liveness.pinged(seconds(10));
        assert_eq!(next(&liveness), (Act::GiveUp, seconds(14)));
        liveness.sent(seconds(12));
        liveness.pinged(seconds(13));
        assert_eq!(next(&liveness), (Act::GiveUp, seconds(14)), "the first ping counts");
        liveness.heard(seconds(13));
        assert_eq!(next(&liveness), (Act::Ping, seconds(23)));
    }

    #[test]
    fn a_ping_behind_much_output_counts_from_when_it_is_written() {
        let mut liveness = Liveness::new(seconds(0));
        liveness.pinged(seconds(10));
        liveness.ping_moves(seconds(13));
        assert_eq!(next(&liveness), (Act::GiveUp, seconds(17)));
        liveness.heard(seconds(14));
        liveness.ping_moves(seconds(15));
        assert_eq!(next(&liveness), (Act::Ping, seconds(20)), "it was answered, or is not needed any more");
    }

    #[test]
    fn a_connection_that_is_not_read_is_pinged_and_not_given_up() {
        let mut liveness = Liveness::new(seconds(0));
        liveness.pinged(seconds(10));
        let paused = liveness.next(IDLE, TIMEOUT, false);
        assert_eq!(paused, (Act::Ping, seconds(10), IDLE));
    }
}
