//! Wakes those who wait for room and may block a thread (`Blocked` in `proxy.rs`), when a time is over. A thread does that, as
//! the runtime and its timers may be blocked. There is one for all of a server, and only while somebody waits: how many wait is
//! up to the clients.

use std::collections::VecDeque;
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::wake_all;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Those who are to be woken, of one server.
#[derive(Default)]
pub(super) struct Alarm(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    /// The first one comes first, as the time is the same for all.
    sleepers: VecDeque<(Instant, Weak<Sleeper>)>,
    has_thread: bool,
}

/// One who is to be woken, as long as it is held.
#[derive(Default)]
pub(super) struct Sleeper(Mutex<State>);

#[derive(Default)]
struct State {
    waker: Option<Waker>,
    /// Whether it stands in the queue: once, however often it is polled.
    is_queued: bool,
}

impl Sleeper {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the waker out. Its thread does nothing then.
    pub(super) fn leave(&self) -> Option<Waker> {
        self.lock().waker.take()
    }
}

impl Alarm {
    /// Wakes this one [`AFTER`] it was asked for first, or a little later.
    pub(super) fn wake_later(self: &Arc<Self>, sleeper: &Arc<Sleeper>, waker: Waker) {
        let (_before, is_queued) = {
            let mut state = sleeper.lock();
            (state.waker.replace(waker), std::mem::replace(&mut state.is_queued, true))
        };
        if is_queued {
            return;
        }
        let has_thread = {
            let mut queue = self.lock();
            queue.sleepers.push_back((Instant::now() + AFTER, Arc::downgrade(sleeper)));
            std::mem::replace(&mut queue.has_thread, true)
        };
        if !has_thread {
            let alarm = Arc::clone(self);
            let thread = thread::Builder::new().name("cmd-stream-wait".into()).spawn(move || alarm.watch());
            if thread.is_err() {
                // They wait as everybody does. The next one tries again.
                self.lock().has_thread = false;
            }
        }
    }

    fn watch(&self) {
        while let Some((due, sleeper)) = self.next() {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let waker = sleeper.upgrade().and_then(|sleeper| {
                let mut state = sleeper.lock();
                state.is_queued = false;
                state.waker.take()
            });
            wake_all(waker);
        }
    }

    fn next(&self) -> Option<(Instant, Weak<Sleeper>)> {
        let mut queue = self.lock();
        let next = queue.sleepers.pop_front();
        queue.has_thread = next.is_some();
        if next.is_none() {
            queue.sleepers = VecDeque::new();
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When those who wait look whether they block the very thread that would make room.
pub(super) const AFTER: Duration = Duration::from_millis(100);
