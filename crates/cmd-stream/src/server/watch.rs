//! Notices that the task of a connection is blocked by the code of a Command that it polls in place, and has somebody stand
//! in for it. A thread does that, as the runtime and its timers may be blocked, too. There is one for all of a server, and
//! only while Commands come: whoever hands Commands to the user's code asks to be watched, and is forgotten when it is
//! seen to be back.

use std::thread::{self, Thread};
use std::time::Duration;

use crate::error::drop_contained;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The task of a connection, as long as the user's code may block it.
pub(super) trait Watched: Send + Sync {
    /// Somebody stands in for it, if it is in the user's code.
    fn stand_in(self: Arc<Self>);

    /// Whether it is still in the user's code; else it is watched no longer. `round` is the number of the time that it was seen
    /// there last. If it is the same time, somebody stands in.
    fn look(self: Arc<Self>, round: &mut u64) -> bool;
}

/// Those who are watched, of one server.
#[derive(Default)]
pub(super) struct Watch(Mutex<State>);

#[derive(Default)]
struct State {
    watched: Vec<(Weak<dyn Watched>, u64)>,
    has_thread: bool,
    /// The thread, if it sleeps until somebody comes.
    sleeps: Option<Thread>,
}

impl Watch {
    /// Watches this one until it is seen to be back.
    #[cold]
    pub(super) fn add(self: &Arc<Self>, watched: Weak<dyn Watched>) {
        let (sleeps, has_thread) = {
            let mut state = self.lock();
            state.watched.push((watched, 0));
            (state.sleeps.take(), std::mem::replace(&mut state.has_thread, true))
        };
        if let Some(thread) = sleeps {
            thread.unpark();
        } else if !has_thread {
            let watch = Arc::downgrade(self);
            let thread = thread::Builder::new().name("cmd-stream-watch".into());
            if thread.spawn(move || watch_until_ended(&watch)).is_err() {
                // What is blocked waits. The next one tries again.
                self.lock().has_thread = false;
            }
        }
    }

    /// Looks at all of them. Returns whether there are any.
    fn look(&self) -> bool {
        let mut watched = std::mem::take(&mut self.lock().watched);
        watched.retain_mut(|(watched, round)| {
            let Some(watched) = watched.upgrade() else { return false };
            let is_there = Arc::clone(&watched).look(round);
            drop_contained(watched); // it may be the last one that holds the connection
            is_there
        });
        let mut state = self.lock();
        if state.watched.is_empty() {
            state.watched = watched;
        } else {
            state.watched.append(&mut watched);
        }
        !state.watched.is_empty()
    }

    /// Whether the thread sleeps now: nobody is there.
    fn sleeps(&self) -> bool {
        let mut state = self.lock();
        let is_idle = state.watched.is_empty();
        state.sleeps = is_idle.then(thread::current);
        is_idle
    }

    /// Whether the thread ends: nobody has come while it slept.
    fn ends(&self) -> bool {
        let mut state = self.lock();
        state.has_thread = state.sleeps.take().is_none() || !state.watched.is_empty();
        !state.has_thread
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(thread) = self.lock().sleeps.take() {
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

/// How often the thread looks. Whoever is blocked for this long, or up to twice as long, is stood in for.
const TICK: Duration = Duration::from_millis(10);
/// So often it looks in vain before it sleeps until somebody comes, so that it is not woken for each of a few Commands.
const IDLE_TICKS: u32 = 10;
/// For so long it sleeps before it ends.
const SLEEP: Duration = Duration::from_secs(10);
