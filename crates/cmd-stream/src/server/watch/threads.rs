//! Notices that the user's code blocks a thread of the runtime, and wakes another one.
//!
//! The runtime looks at its sockets and its timers in one of its threads: the last one that had nothing else to do. What that one
//! finds it also runs, and it wakes another thread only if it has found more than one thing. If that code then blocks the
//! thread, nobody looks any more, though all others sleep. Any of them takes that over as soon as it is woken.
//!
//! So a thread leaves a mark for as long as it polls a task in which code of the user's runs. Whoever looks at the marks from
//! time to time sees which threads have been in the same poll since.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::runtime::Handle;

use super::Watch;
use crate::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use crate::sync::{Arc, Weak};

/// The mark of one thread. Written by that thread, except for `is_watched`.
#[derive(Default)]
struct Mark {
    /// The number of the poll that the thread is in; 0 if it is in none.
    poll: AtomicUsize,
    last: AtomicUsize,
    /// Whether a watch looks at it.
    is_watched: AtomicBool,
}

thread_local! {
    static MARK: Arc<Mark> = Arc::default();
}

/// A poll of a task, for as long as it is held. In the middle of it there may be another one: of a runtime of the user's own.
#[must_use = "the poll ends when it is dropped"]
pub(in crate::server) struct Marked {
    before: usize,
}

impl Marked {
    /// This thread polls a task of that server now. None when the thread is ending.
    #[inline]
    pub(in crate::server) fn enter(watch: &Arc<Watch>) -> Option<Self> {
        let enter = |mark: &Arc<Mark>| {
            let before = mark.poll.load(Relaxed);
            let number = mark.last.load(Relaxed).wrapping_add(1).max(1);
            mark.last.store(number, Relaxed);
            mark.poll.store(number, Relaxed);
            if !mark.is_watched.load(Relaxed) {
                watch.add_thread(mark);
            }
            Self { before }
        };
        MARK.try_with(enter).ok()
    }
}

/// Whether this thread has polled a task that is marked: then it is one of a runtime, and hardly one for blocking code. (It is one if
/// it stood in for a thread in `block_in_place` before.)
pub(in crate::server) fn polls_tasks() -> bool {
    // Nothing marks a task in a model. And loom's atomics last for one run of it, and a thread for several.
    if cfg!(cmd_stream_model) {
        return false;
    }
    MARK.try_with(|mark| mark.last.load(Relaxed) != 0).unwrap_or(false)
}

impl Drop for Marked {
    #[inline]
    fn drop(&mut self) {
        let _ = MARK.try_with(|mark| mark.poll.store(self.before, Relaxed));
    }
}

pin_project! {
    /// A task in which code of the user's runs.
    pub(in crate::server) struct Marks<F> {
        #[pin]
        future: F,
        // None if there is no other thread that could be woken.
        watch: Option<Arc<Watch>>,
    }
}

impl<F> Marks<F> {
    /// Made on the runtime that polls it.
    pub(in crate::server) fn new(watch: &Arc<Watch>, future: F) -> Self {
        Self { future, watch: has_others().then(|| Arc::clone(watch)) }
    }
}

impl<F: Future> Future for Marks<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _marked = match this.watch {
            Some(watch) => Marked::enter(watch),
            None => {
                let _ = MARK.try_with(|mark| mark.last.store(1, Relaxed)); // only that it polls tasks
                None
            }
        };
        this.future.poll(cx)
    }
}

/// Whether the runtime has several threads that poll tasks.
fn has_others() -> bool {
    Handle::try_current().is_ok_and(|runtime| runtime.metrics().num_workers() > 1)
}

impl Watch {
    #[cold]
    fn add_thread(self: &Arc<Self>, mark: &Arc<Mark>) {
        let Ok(runtime) = Handle::try_current() else { return };
        if mark.is_watched.swap(true, AcqRel) {
            return;
        }
        let mark = Arc::downgrade(mark);
        self.add_to(|state| state.threads.push(Thread { mark, runtime, seen: 0, leaves: false }));
    }
}

/// A thread that is watched.
pub(super) struct Thread {
    mark: Weak<Mark>,
    /// That of the thread.
    pub(super) runtime: Handle,
    /// In which poll it was seen last.
    seen: usize,
    /// Whether it was seen in none, and is to add itself again with the next one.
    leaves: bool,
}

/// What a thread was seen to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// It is in the same poll as when it was seen last.
    Blocked,
    Running,
    /// It is watched no longer.
    Gone,
}

impl Thread {
    /// Looks what it does.
    pub(super) fn look(&mut self) -> Seen {
        let Some(mark) = self.mark.upgrade() else { return Seen::Gone };
        let poll = mark.poll.load(Acquire);
        if std::mem::take(&mut self.leaves) {
            // Since the last look the thread has seen that it is not watched, and has added itself; or it is in no poll. Or it
            // began one at the very moment of that look, and took itself for watched.
            if poll == 0 || mark.is_watched.swap(true, AcqRel) {
                return Seen::Gone;
            }
        } else if poll == 0 {
            // Not forgotten before the next look. By then the thread sees this, and its next poll is seen here.
            mark.is_watched.store(false, Release);
            self.leaves = true;
        }
        let is_same = std::mem::replace(&mut self.seen, poll) == poll && poll != 0;
        if is_same { Seen::Blocked } else { Seen::Running }
    }

    /// The watch is gone. Another one may look at the thread.
    pub(super) fn leave(&self) {
        if let Some(mark) = self.mark.upgrade() {
            mark.is_watched.store(false, Release);
        }
    }
}

/// Wakes a thread of a runtime, and remembers whether one has come.
#[derive(Default)]
pub(super) struct Waking(Arc<AtomicBool>);

impl Waking {
    /// Wakes a thread that sleeps, if there is one. Not again before the last one has come: if all are blocked, the runtime
    /// keeps one task for this, and no more.
    pub(super) fn wake(&self, runtime: &Handle) {
        if !self.0.swap(true, AcqRel) {
            let awaited = Awaited(Arc::clone(&self.0));
            runtime.spawn(async move { drop(awaited) });
        }
    }
}

/// Dropped by the thread that comes, or with the runtime.
struct Awaited(Arc<AtomicBool>);

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.store(false, Release);
    }
}

/// Whether a thread of a runtime has been free since it was asked.
pub(in crate::server) struct Answer(Arc<AtomicBool>);

impl Answer {
    /// Asks. A thread that sleeps is woken.
    pub(in crate::server) fn of(runtime: &Handle) -> Self {
        let awaits = Arc::new(AtomicBool::new(true));
        let awaited = Awaited(Arc::clone(&awaits));
        runtime.spawn(async move { drop(awaited) });
        // This may be a thread of the runtime. No other one takes what was spawned there last.
        runtime.spawn(async {});
        Self(awaits)
    }

    /// Whether one has come.
    pub(in crate::server) fn has_come(&self) -> bool {
        !self.0.load(Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched() -> (Arc<Mark>, Thread) {
        let mark = Arc::new(Mark::default());
        mark.is_watched.store(true, Relaxed);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let weak = Arc::downgrade(&mark);
        (mark, Thread { mark: weak, runtime: runtime.handle().clone(), seen: 0, leaves: false })
    }

    #[test]
    fn a_thread_is_blocked_that_is_seen_twice_in_the_same_poll() {
        let (mark, mut thread) = watched();
        for poll in [1, 2] {
            mark.poll.store(poll, Relaxed);
            assert_eq!(thread.look(), Seen::Running);
            assert_eq!(thread.look(), Seen::Blocked);
            assert_eq!(thread.look(), Seen::Blocked);
        }
        drop(mark);
        assert_eq!(thread.look(), Seen::Gone);
    }

    #[test]
    fn a_thread_that_is_in_no_poll_is_forgotten_with_the_second_look() {
        let (mark, mut thread) = watched();
        assert_eq!(thread.look(), Seen::Running);
        assert!(!mark.is_watched.load(Relaxed), "its next poll adds it again");
        assert_eq!(thread.look(), Seen::Gone);
        assert!(!mark.is_watched.load(Relaxed));
    }

    #[test]
    fn a_thread_that_has_added_itself_again_is_watched_once() {
        let (mark, mut thread) = watched();
        thread.look();
        mark.poll.store(1, Relaxed);
        mark.is_watched.store(true, Relaxed);
        assert_eq!(thread.look(), Seen::Gone);
        assert!(mark.is_watched.load(Relaxed));
    }

    #[test]
    fn a_thread_that_took_itself_for_watched_is() {
        let (mark, mut thread) = watched();
        thread.look();
        mark.poll.store(1, Relaxed);
        assert_eq!(thread.look(), Seen::Running);
        assert!(mark.is_watched.load(Relaxed));
        assert_eq!(thread.look(), Seen::Blocked);
    }

    #[test]
    fn a_poll_in_the_middle_of_another_one_leaves_that_one_as_it_was() {
        let watch = Arc::new(Watch::default());
        let number = || MARK.with(|mark| mark.poll.load(Relaxed));
        let outer = Marked::enter(&watch);
        let before = number();
        drop(Marked::enter(&watch));
        assert!(number() == before && before != 0);
        drop(outer);
        assert_eq!(number(), 0);
    }

    #[test]
    fn no_more_than_one_task_waits_for_a_thread() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let waking = Waking::default();
        (0..3).for_each(|_| waking.wake(runtime.handle()));
        assert_eq!(runtime.metrics().num_alive_tasks(), 1);
        runtime.block_on(tokio::task::yield_now());
        assert_eq!(runtime.metrics().num_alive_tasks(), 0);
        waking.wake(runtime.handle());
        assert_eq!(runtime.metrics().num_alive_tasks(), 1);
        drop(runtime);
        assert!(!waking.0.load(Relaxed));
    }
}
