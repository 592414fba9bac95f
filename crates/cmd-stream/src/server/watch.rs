//! Notices that the task of a connection is blocked by the code of a Command that it polls in place, and has somebody stand
//! in for it; that output is put off, and has it written (`line/put_off.rs`); and that a thread is blocked by any code of the
//! user's, and wakes another one (`threads.rs`). A thread does that, as the runtime and its timers may be blocked, too. There is one for all of a server, and it sleeps
//! while nothing comes: whoever hands Commands to the user's code asks to be watched, and is forgotten when it is seen to be back.
//! So does a thread that polls a connection, be it for a ping.

use std::thread::{self, Thread};
use std::time::Duration;

use self::threads::{Answer, Seen, Waking};
use crate::error::drop_contained;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

pub(super) mod threads;

/// The task of a connection, as long as the user's code may block it.
pub(super) trait Watched: Send + Sync {
    /// Somebody stands in for it, if it is in the user's code.
    fn stand_in(self: Arc<Self>);

    /// It sleeps, though there is output: that is put off (`line/put_off.rs`). With the next look it is woken.
    fn puts_off(self: Arc<Self>);

    /// Whether it is still in the user's code, or its output is put off; else it is watched no longer. `round` is the number of
    /// the time that it was seen there last. If it is the same time, somebody stands in.
    fn look(self: Arc<Self>, round: &mut u64) -> bool;

    /// Asks whether a thread is free to run what it waits for.
    fn ask(&self) -> Answer;
}

/// Those who are watched, of one server.
#[derive(Default)]
pub(super) struct Watch {
    state: Mutex<State>,
    waking: Waking,
}

#[derive(Default)]
struct State {
    watched: Vec<(Weak<dyn Watched>, u64)>,
    threads: Vec<threads::Thread>,
    has_thread: bool,
    /// The thread, if it sleeps until somebody comes.
    sleeps: Option<Thread>,
}

impl Watch {
    /// Watches this one until it is seen to be back.
    #[cold]
    pub(super) fn add(self: &Arc<Self>, watched: Weak<dyn Watched>) {
        self.add_to(|state| state.watched.push((watched, 0)));
    }

    fn add_to(self: &Arc<Self>, add: impl FnOnce(&mut State)) {
        let (sleeps, has_thread) = {
            let mut state = self.lock();
            add(&mut state);
            (state.sleeps.take(), std::mem::replace(&mut state.has_thread, true))
        };
        if let Some(thread) = sleeps {
            thread.unpark();
        } else if !has_thread {
            let watch = Arc::downgrade(self);
            let thread = thread::Builder::new().name("cmd-stream-watch".into());
            if thread.spawn(move || watch_until_ended(&watch)).is_err() {
                // What is blocked waits. The next one tries again, as does the next poll of a thread that was to be watched.
                let mut state = self.lock();
                state.has_thread = false;
                state.threads.drain(..).for_each(|thread| thread.leave());
            }
        }
    }

    /// Looks at all of them. Returns whether there are any.
    fn look(&self) -> bool {
        let (mut watched, mut threads) = {
            let mut state = self.lock();
            (std::mem::take(&mut state.watched), std::mem::take(&mut state.threads))
        };
        watched.retain_mut(|(watched, round)| {
            let Some(watched) = watched.upgrade() else { return false };
            let is_there = Arc::clone(&watched).look(round);
            drop_contained(watched); // it may be the last one that holds the connection
            is_there
        });
        let mut is_woken = false;
        threads.retain_mut(|thread| {
            let seen = thread.look();
            if seen == Seen::Blocked && !std::mem::replace(&mut is_woken, true) {
                self.waking.wake(&thread.runtime);
            }
            seen != Seen::Gone
        });
        let mut state = self.lock();
        give_back(&mut state.watched, watched);
        give_back(&mut state.threads, threads);
        !state.is_idle()
    }

    /// Whether the thread sleeps now: nobody is there.
    fn sleeps(&self) -> bool {
        let mut state = self.lock();
        let is_idle = state.is_idle();
        state.sleeps = is_idle.then(thread::current);
        is_idle
    }

    /// Whether the thread ends: nobody has come while it slept.
    fn ends(&self) -> bool {
        let mut state = self.lock();
        state.has_thread = state.sleeps.take().is_none() || !state.is_idle();
        !state.has_thread
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.watched.is_empty() && self.threads.is_empty()
    }
}

/// Those who were looked at are watched on, beside those who have come meanwhile.
fn give_back<T>(to: &mut Vec<T>, mut looked_at: Vec<T>) {
    if to.is_empty() {
        *to = looked_at;
    } else {
        to.append(&mut looked_at);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut state = self.lock();
        state.threads.iter().for_each(threads::Thread::leave);
        if let Some(thread) = state.sleeps.take() {
            thread.unpark();
        }
    }
}

/// What the thread does, until the server is gone, or nobody has come for a long time.
fn watch_until_ended(watch: &Weak<Watch>) {
    let mut idle = 0;
    loop {
        thread::sleep(TICK);
        let sleeps = match watch.upgrade() {
            None => return,
            Some(watch) => {
                idle = if watch.look() { 0 } else { idle + 1 };
                idle >= IDLE_TICKS && watch.sleeps()
            }
        };
        if sleeps {
            thread::park_timeout(SLEEP);
            if watch.upgrade().is_none_or(|watch| watch.ends()) {
                return;
            }
            idle = 0;
        }
    }
}

/// How often the thread looks. Whoever is blocked for this long, or up to twice as long, is stood in for, or another thread is
/// woken.
const TICK: Duration = Duration::from_millis(10);
/// So often it looks in vain before it sleeps until somebody comes, so that it is not woken for each of a few Commands.
const IDLE_TICKS: u32 = 10;
/// For so long it sleeps before it ends.
const SLEEP: Duration = Duration::from_secs(10);
