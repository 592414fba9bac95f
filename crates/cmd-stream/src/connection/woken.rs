//! How many callers the tasks of connections wake on one thread before these have had their turn.
//!
//! A thread of tokio's runtime has room for 256 tasks in a queue of its own. When more are woken, half of them go to the queue
//! that all threads share. There they wait for long, as a busy thread takes one task out of it now and then. And they go on on
//! another thread than that of their connection, so that the memory of each call moves from one processor to another.
//! Either costs more than all that is done for a call here (`bench/NOTES.md`, "Threads"). So a task that has woken many lets
//! them run before it wakes more.

use std::cell::Cell;
use std::ptr;
use std::task::Context;

/// So many callers are woken at once. With [`FEW`] it is far below the room in a queue, where others stand, too.
const MOST_AT_ONCE: usize = 64;

/// More are woken when fewer of those are left that were woken on the thread and have not run. So a task never wakes
/// only the few that would just fit: connections that take turns in fewer and larger steps need fewer writes.
const FEW: usize = 32;

/// A task that has woken so many lets others run once more before it reads. By then the next Replies are often there. A task
/// that sleeps instead is woken on the thread that looks at the sockets, which may be another one.
const LINGERS_AFTER: usize = 16;

/// A task yields so many times in a row at most: if callers are woken on its thread all the time, it goes on in spite of them.
const MOST_YIELDS: u8 = 8;

/// What the tasks of connections have woken on this thread, since it began.
#[derive(Clone, Copy)]
struct Woken {
    number: usize,
    /// How many of these have run, as far as is known. One that was taken to another thread is counted when a task has
    /// yielded.
    ran: usize,
}

thread_local! {
    static WOKEN: Cell<Woken> = const { Cell::new(Woken { number: 0, ran: 0 }) };
}

/// A caller that was woken has its turn. It may run on another thread than that on which it was woken.
#[inline]
pub(crate) fn one_runs() {
    WOKEN.with(|woken| {
        let Woken { number, ran } = woken.get();
        woken.set(Woken { number, ran: number.min(ran + 1) });
    });
}

/// What the task of one connection knows of the callers that it wakes.
#[derive(Debug, Default)]
pub(crate) struct Waking {
    /// Where it has yielded because too many were left: the thread, and how many had been woken on it by then.
    yielded: Option<(usize, usize)>,
    /// How often it has yielded in a row.
    yields: u8,
    /// How many it has woken since it has read.
    since_read: usize,
}

impl Waking {
    /// Returns how many callers may be woken now. If that is 0, this task is woken, behind those who were woken before.
    pub(crate) fn room(&mut self, cx: &Context<'_>) -> usize {
        WOKEN.with(|woken| {
            let Woken { number, mut ran } = woken.get();
            let thread = ptr::from_ref(woken).addr();
            if let Some((there, before)) = self.yielded.take()
                && there == thread
            {
                // This task stood in the queue behind them. A thread that has ended may have had the same address, so that
                // `before` is of that one: then more may be woken than should be, once.
                ran = ran.max(before).min(number);
                woken.set(Woken { number, ran });
            }
            if number - ran < FEW || self.yields == MOST_YIELDS {
                self.yields = 0;
                return MOST_AT_ONCE;
            }
            self.yields += 1;
            self.yielded = Some((thread, number));
            cx.waker().wake_by_ref();
            0
        })
    }

    /// So many callers are woken.
    pub(crate) fn wakes(&mut self, callers: usize) {
        self.since_read += callers;
        WOKEN.with(|woken| {
            let Woken { number, ran } = woken.get();
            woken.set(Woken { number: number + callers, ran });
        });
    }

    /// Whether this task lets others run before it reads. It is then woken.
    pub(crate) fn yields_before_reading(&mut self, cx: &Context<'_>) -> bool {
        if std::mem::take(&mut self.since_read) >= LINGERS_AFTER {
            cx.waker().wake_by_ref();
            return true;
        }
        self.room(cx) == 0
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;
    use std::thread;

    use super::*;

    /// Each test has a thread of its own, so that it begins with nothing.
    fn on_a_new_thread(test: impl FnOnce(&Context<'_>) + Send) {
        thread::scope(|scope| {
            let ran = scope.spawn(|| test(&Context::from_waker(Waker::noop()))).join();
            ran.expect("no assertion fails");
        });
    }

    #[test]
    fn nobody_wakes_more_while_many_have_not_run() {
        on_a_new_thread(|cx| {
            let (mut one, mut other) = (Waking::default(), Waking::default());
            assert_eq!(one.room(cx), MOST_AT_ONCE);
            one.wakes(MOST_AT_ONCE);
            assert_eq!(other.room(cx), 0);
            (0..MOST_AT_ONCE - FEW).for_each(|_| one_runs());
            let mut third = Waking::default();
            assert_eq!(third.room(cx), 0);
            one_runs();
            assert_eq!(Waking::default().room(cx), MOST_AT_ONCE);
        });
    }

    #[test]
    fn who_yields_comes_behind_those_who_were_woken_before() {
        on_a_new_thread(|cx| {
            let (mut one, mut other) = (Waking::default(), Waking::default());
            one.wakes(MOST_AT_ONCE);
            assert_eq!(other.room(cx), 0);
            one.wakes(FEW);
            assert_eq!(other.room(cx), 0, "those who came later have not run");
            assert_eq!(other.room(cx), MOST_AT_ONCE);
        });
    }

    #[test]
    fn it_goes_on_in_spite_of_others_who_wake_all_the_time() {
        on_a_new_thread(|cx| {
            let (mut one, mut other) = (Waking::default(), Waking::default());
            for _ in 0..2 {
                for _ in 0..MOST_YIELDS {
                    one.wakes(FEW);
                    assert_eq!(other.room(cx), 0);
                }
                one.wakes(FEW);
                assert_eq!(other.room(cx), MOST_AT_ONCE);
            }
        });
    }

    #[test]
    fn what_has_run_on_another_thread_counts_there_for_nothing() {
        on_a_new_thread(|cx| {
            one_runs();
            let (mut one, mut other) = (Waking::default(), Waking::default());
            one.wakes(FEW);
            assert_eq!(other.room(cx), 0);
            // It comes back on another thread, and again to this one.
            thread::scope(|scope| {
                let there = || other.room(&Context::from_waker(Waker::noop()));
                assert_eq!(scope.spawn(there).join().expect("it does not panic"), MOST_AT_ONCE);
            });
            assert_eq!(other.room(cx), 0, "it did not yield here");
            assert_eq!(other.room(cx), MOST_AT_ONCE);
        });
    }

    #[test]
    fn it_lets_others_run_once_after_a_batch() {
        on_a_new_thread(|cx| {
            let mut waking = Waking::default();
            waking.wakes(LINGERS_AFTER - 1);
            assert!(!waking.yields_before_reading(cx), "too few");
            waking.wakes(LINGERS_AFTER);
            (0..LINGERS_AFTER).for_each(|_| one_runs());
            assert!(waking.yields_before_reading(cx) && !waking.yields_before_reading(cx));
        });
    }
}
