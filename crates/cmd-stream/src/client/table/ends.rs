//! Connections come and go: what that means for the calls. `table.rs` tells the whole of it.

use super::{
    AssertUnwindSafe, Context, Error, ErrorKind, Instant, Link, Origin, Peer, QueueState, Retiring, State,
    Table, Waiter, Waker, add, catch_unwind, count_lost, wake_all,
};
use crate::error::discard;

/// Which callers fail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Those whose Commands may have reached the server.
    Sent,
    All,
    /// All, and those whose Commands were not sent get them back.
    AllAndHandBack,
}

impl<R> Table<R> {
    /// There is a connection: what waits goes out on it, and new calls are accepted. If it is to be replaced already, nothing
    /// is sent on it.
    ///
    /// # Errors
    ///
    /// Why the client has ended.
    pub(in crate::client) fn up(&self, peer: Peer) -> Result<(), Error> {
        let _before = {
            let mut state = self.lock();
            if let Some(reason) = &state.closed {
                return Err(reason.clone());
            }
            add(&self.counts.connected, 1);
            let first = state.written_before;
            state.peers.add(first, peer.clone());
            let refused = if state.retiring == Retiring::Hurry {
                state.retiring = Retiring::Until(Some(Instant::now()));
                None // until the next connection
            } else {
                state.retiring = Retiring::Connected;
                self.health.set_server(&peer);
                self.health.set_takes_calls(true);
                state.refuses.take()
            };
            (refused, self.link.set(Link::Up(peer)))
        };
        self.link.tell();
        self.health.tell();
        Ok(())
    }

    /// Another attempt to connect begins.
    pub(in crate::client) fn connecting(&self) {
        // The first one has begun already for those who watch.
        if !matches!(self.link.link(), Link::Connecting) {
            self.set_link(Link::Connecting);
        }
    }

    /// An attempt to connect has failed.
    pub(in crate::client) fn attempt_failed(&self, reason: Error, next_attempt: Instant) {
        add(&self.counts.attempts_failed, 1);
        self.set_link(Link::Down { reason, next_attempt });
        self.health.tell_failed();
    }

    fn set_link(&self, link: Link) {
        let _before = {
            let state = self.lock();
            if state.closed.is_some() {
                return;
            }
            self.link.set(link)
        };
        self.link.tell();
    }

    /// The connection is lost, and there may be another one: the calls fail whose Commands may have reached the server.
    /// Returns how many there are.
    pub(in crate::client) fn lose(&self, reason: &Error, next_attempt: Instant) -> usize {
        let (mut wakers, failed);
        let _before = {
            let mut guard = self.lock();
            let state = &mut *guard;
            if state.closed.is_some() {
                return 0;
            }
            wakers = Vec::new();
            failed = state.lose(reason, &mut wakers);
            let link = if state.retiring.is_done() {
                add(&self.counts.replaced, 1);
                Link::Connecting
            } else {
                count_lost(&self.counts, reason);
                Link::Down { reason: reason.clone(), next_attempt }
            };
            state.retiring = Retiring::default();
            self.health.set_takes_calls(false);
            self.health.set_in_flight(state.room.calls);
            self.link.set(link)
        };
        self.link.tell();
        wake_all(wakers);
        failed
    }

    /// There has been no connection for too long: all calls fail, and new ones at once, until there is one.
    pub(in crate::client) fn give_up(&self, reason: &Error) {
        let mut wakers = Vec::new();
        let _before = {
            let mut guard = self.lock();
            let state = &mut *guard;
            if state.closed.is_some() {
                return;
            }
            state.fail(if self.hands_back { Which::AllAndHandBack } else { Which::All }, reason, &mut wakers);
            self.health.set_in_flight(state.room.calls);
            state.refuses.replace(reason.clone())
        };
        wake_all(wakers);
    }

    pub(in crate::client) fn is_closed(&self) -> bool {
        self.lock().closed.is_some()
    }

    /// Ends the client because its connection is lost and there is no other.
    pub(in crate::client) fn lose_for_good(&self, reason: Error) {
        if !self.is_closed() {
            count_lost(&self.counts, &reason);
        }
        self.fail(reason);
    }

    /// Ends the client on behalf of this side.
    pub(in crate::client) fn close(&self, message: &str) {
        self.fail(Error::new(ErrorKind::Closed, Origin::Local, message));
    }

    /// As [`close`](Self::close), if there are no callers. Returns whether there are none.
    pub(in crate::client) fn close_if_idle(&self, message: &str) -> bool {
        let mut is_idle = false;
        self.fail_if(Error::new(ErrorKind::Closed, Origin::Local, message), |state| {
            is_idle = state.pending.len() == state.abandoned;
            is_idle
        });
        is_idle
    }

    /// Ends the client: all waiting calls and all later ones fail. The first reason stays.
    pub(in crate::client) fn fail(&self, reason: Error) {
        self.fail_if(reason, |_| true);
    }

    fn fail_if(&self, reason: Error, may: impl FnOnce(&State<R>) -> bool) {
        let (mut wakers, mut failed) = (Vec::new(), 0);
        let _before = {
            let mut guard = self.lock();
            let state = &mut *guard;
            if !may(state) || state.closed.is_some() {
                return;
            }
            state.closed = Some(reason.clone());
            failed += state.fail(Which::All, &reason, &mut wakers);
            self.health.set_takes_calls(false);
            self.health.set_in_flight(state.room.calls);
            wakers.extend(state.task.take());
            (state.refuses.replace(reason.clone()), self.link.set(Link::Closed(reason.clone())))
        };
        self.link.tell();
        self.health.tell();
        wake_all(wakers);
        // Without the lock: what an error of a Format says is the user's code.
        let report = || tracing::debug!(reason = format_args!("{reason:#}"), failed, "client ended");
        let _ = catch_unwind(AssertUnwindSafe(report)).map_err(discard);
    }

    /// Why the client has ended, if it has. If not, the task is woken when it does, and when a caller has a deadline
    /// before the returned instant.
    pub(in crate::client) fn poll_alarm(&self, cx: &Context<'_>) -> Result<Option<Instant>, Error> {
        let mut waker = Some(cx.waker().clone());
        let mut state = self.lock();
        match &state.closed {
            Some(reason) => Err(reason.clone()),
            None => Ok(state.sleep(&mut waker)),
        }
    }
}

impl<R> State<R> {
    /// The connection is gone: fails those whose Commands may have reached the server. Returns how many there are.
    fn lose(&mut self, reason: &Error, wakers: &mut Vec<Waker>) -> usize {
        self.outbox.book(0); // what was being written is lost
        self.ping = false; // it was for that connection
        let failed = self.fail(Which::Sent, reason, wakers);
        self.room.wake(self.outbox.len(), wakers);
        failed
    }

    /// Fails callers, and returns how many. Their entries stay: each takes its own out, and with it the Replies that have
    /// arrived. Whom to wake is added to `wakers`.
    fn fail(&mut self, which: Which, reason: &Error, wakers: &mut Vec<Waker>) -> usize {
        let mut failed = 0;
        if which == Which::AllAndHandBack {
            failed += self.hand_back(reason, wakers);
        }
        let written_before = self.written_before;
        let (room, abandoned) = (&mut self.room, &mut self.abandoned);
        self.pending.retain(|seq, waiter| {
            let is_sent = seq < written_before;
            if !is_sent && which == Which::Sent {
                return true;
            }
            let error = || if is_sent { reason.clone().into_sent() } else { reason.clone() };
            match waiter {
                // Taken, not cloned: a clone may panic, and nobody would be woken.
                Waiter::Reply { waker, len, .. } => {
                    wakers.push(std::mem::replace(waker, Waker::noop().clone()));
                    room.release(*len as usize);
                    *waiter = Waiter::Failed(error());
                }
                Waiter::Posted { waker, .. } => {
                    wakers.push(std::mem::replace(waker, Waker::noop().clone()));
                    *waiter = Waiter::Failed(error());
                }
                Waiter::Stream(queue) => {
                    if queue.is_in_flight() {
                        room.release(queue.len as usize);
                    }
                    // One that has overflowed has failed already, and for another reason.
                    match queue.state {
                        QueueState::Open | QueueState::Pausing => queue.state = QueueState::Failed(error()),
                        QueueState::Overflowed { by_bytes, .. } => {
                            queue.state = QueueState::Overflowed { was_last: true, by_bytes };
                        }
                        QueueState::Ended | QueueState::Failed(_) => return true,
                    }
                    wakers.extend(queue.waker.take());
                }
                Waiter::Abandoned { len, is_call } => {
                    if *is_call {
                        room.release(*len as usize);
                    }
                    *abandoned -= 1;
                    return false;
                }
                Waiter::Arrived { .. } | Waiter::Failed(_) | Waiter::HandedBack(_) => return true,
            }
            failed += 1;
            true
        });
        self.posting.clear();
        self.full_streams = 0; // they were all of that connection
        if which != Which::Sent {
            // Nothing stands in the output any more, so nothing may be taken for unwritten.
            self.written_before = self.pending.next_seq();
            self.posted.clear();
            self.outbox.drop_queued();
            self.abandoned_bytes = 0;
            self.room.wake_all(wakers);
        }
        failed
    }
}
