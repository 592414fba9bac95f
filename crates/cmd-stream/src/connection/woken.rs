//! How many callers the tasks of connections wake on one thread before these have had their turn.
//!
//! A thread of tokio's runtime has room for 256 tasks in a queue of its own. When more are woken, half of them go to the queue
//! that all threads share. There they wait for long, as a busy thread takes one task out of it now and then. And they go on on
//! another thread than that of their connection, so that the memory of each call moves from one processor to another.
//! Either costs more than all that is done for a call here (`bench/NOTES.md`, "Threads"). So a task that has woken many lets
//! them run before it wakes more.
//!
//! Callers that were woken on one thread may run on another one, or may belong to another runtime. So what is counted here is
//! only an estimate, and who is not woken yet waits for [`PATIENCE`] at most.

use std::cell::Cell;
use std::ptr;
use std::task::Context;
use std::time::Duration;

/// So many callers are woken at once. With [`FEW`] it is far below the room in a queue, where others stand, too.
const MOST_AT_ONCE: usize = 64;

/// More are woken when fewer of those are left that were woken on the thread and have not run. So a task never wakes
/// only the few that would just fit: connections that take turns in fewer and larger steps need fewer writes.
const FEW: u64 = 32;

/// So few callers are woken in any case: it would cost more to come back for them.
const LONELY: usize = 2;

/// A task that has woken so many lets others run once more.
const LINGERS_AFTER: usize = 16;

/// So many times in a row at most a task does not read because others have woken many.
const MOST_YIELDS: u8 = 8;

/// All callers whose Replies were read so long ago are woken, however many are left. Those before them, or others on the
/// thread, take long; there is nothing to be gained.
pub(crate) const PATIENCE: Duration = Duration::from_millis(5);

/// What the tasks of connections have woken on this thread, since it began.
#[derive(Clone, Copy)]
struct Woken {
    number: u64,
    /// How many of these have run, as far as is known. One that ran on another thread is counted when a task has yielded.
    ran: u64,
}

thread_local! {
    static WOKEN: Cell<Woken> = const { Cell::new(Woken { number: 0, ran: 0 }) };
}

/// A caller that was woken has its turn.
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
    /// Where it has yielded: the thread, and how many had been woken on it by then.
    yielded: Option<(usize, u64)>,
    /// How many it has woken since it was last asked whether it yields.
    woken: usize,
    /// Whether few were woken after the last read.
    is_lonely: bool,
    /// How often it has not read.
    yields: u8,
}

impl Waking {
    /// Returns how many of so many callers are to be woken now; all of them if they have waited for long. If some are left,
    /// this task is woken, behind those who were woken before.
    pub(crate) fn wakes(&mut self, callers: usize, is_late: bool, cx: &Context<'_>) -> usize {
        WOKEN.with(|woken| {
            let Woken { number, ran } = self.settle(woken);
            let now = match callers {
                _ if callers <= LONELY || is_late => callers,
                _ if number - ran < FEW => callers.min(MOST_AT_ONCE),
                _ => 0,
            };
            woken.set(Woken { number: number + now as u64, ran });
            self.woken += now;
            self.is_lonely = self.woken <= LONELY;
            if now < callers {
                self.yields_to(woken, cx);
            }
            now
        })
    }

    /// Whether this task lets others run before it reads: as it has woken many, or as others have, and would not get to wake
    /// its own. It is then woken.
    pub(crate) fn yields_before_reading(&mut self, cx: &Context<'_>) -> bool {
        WOKEN.with(|woken| {
            let Woken { number, ran } = self.settle(woken);
            let lingers = std::mem::take(&mut self.woken) >= LINGERS_AFTER;
            let waits = !self.is_lonely && number - ran >= FEW && self.yields < MOST_YIELDS;
            self.yields = if waits { self.yields + 1 } else { 0 };
            if lingers || waits {
                self.yields_to(woken, cx);
            }
            lingers || waits
        })
    }

    fn yields_to(&mut self, woken: &Cell<Woken>, cx: &Context<'_>) {
        self.yielded = Some((ptr::from_ref(woken).addr(), woken.get().number));
        cx.waker().wake_by_ref();
    }

    /// If this task has yielded, it stood in the queue behind those who had been woken by then.
    fn settle(&mut self, woken: &Cell<Woken>) -> Woken {
        let Woken { number, mut ran } = woken.get();
        if let Some((thread, before)) = self.yielded.take()
            && thread == ptr::from_ref(woken).addr()
        {
            // A thread that has ended may have had the same address, so that `before` is of that one: then more may be woken
            // than should be, once.
            ran = ran.max(before).min(number);
            woken.set(Woken { number, ran });
        }
        Woken { number, ran }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;
    use std::thread;

    use super::*;

    const ALL: usize = 1000;

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
            let wakes = |callers| Waking::default().wakes(callers, false, cx);
            assert_eq!(wakes(ALL), MOST_AT_ONCE);
            assert_eq!(wakes(ALL), 0);
            (FEW as usize..MOST_AT_ONCE).for_each(|_| one_runs());
            assert_eq!(wakes(ALL), 0);
            one_runs();
            assert_eq!(wakes(LONELY + 1), LONELY + 1);
            assert_eq!(wakes(LONELY + 1), 0);
        });
    }

    #[test]
    fn who_yields_comes_behind_those_who_were_woken_before() {
        on_a_new_thread(|cx| {
            let (mut one, mut other) = (Waking::default(), Waking::default());
            assert_eq!(one.wakes(ALL, false, cx), MOST_AT_ONCE);
            assert_eq!(other.wakes(ALL, false, cx), 0);
            assert_eq!(one.wakes(ALL, false, cx), MOST_AT_ONCE, "the first ones have run");
            assert_eq!(other.wakes(ALL, false, cx), 0, "the second ones have not");
            assert_eq!(other.wakes(ALL, false, cx), MOST_AT_ONCE);
        });
    }

    #[test]
    fn few_are_woken_in_any_case_and_all_are_when_it_is_late() {
        on_a_new_thread(|cx| {
            let mut waking = Waking::default();
            for (callers, is_late) in [(ALL, true), (LONELY, false), (ALL, true), (1, false)] {
                assert_eq!(waking.wakes(callers, is_late, cx), callers);
            }
            assert_eq!(Waking::default().wakes(LONELY + 1, false, cx), 0);
        });
    }

    #[test]
    fn what_has_run_on_another_thread_counts_there_for_nothing() {
        on_a_new_thread(|cx| {
            one_runs();
            let mut other = Waking::default();
            assert_eq!(Waking::default().wakes(ALL, false, cx), MOST_AT_ONCE);
            assert_eq!(other.wakes(ALL, false, cx), 0);
            // It comes back on another thread, and again to this one.
            thread::scope(|scope| {
                let there = || other.wakes(ALL, false, &Context::from_waker(Waker::noop()));
                assert_eq!(scope.spawn(there).join().expect("it does not panic"), MOST_AT_ONCE);
            });
            assert_eq!(other.wakes(ALL, false, cx), 0, "it did not yield here");
            assert_eq!(other.wakes(ALL, false, cx), MOST_AT_ONCE);
        });
    }

    #[test]
    fn it_lingers_once_after_it_has_woken_many() {
        on_a_new_thread(|cx| {
            let mut waking = Waking::default();
            assert_eq!(waking.wakes(LINGERS_AFTER - 1, false, cx), LINGERS_AFTER - 1);
            assert!(!waking.yields_before_reading(cx), "too few");
            (0..LINGERS_AFTER).for_each(|_| one_runs());
            assert_eq!(waking.wakes(LINGERS_AFTER, false, cx), LINGERS_AFTER);
            assert!(waking.yields_before_reading(cx) && !waking.yields_before_reading(cx));
        });
    }

    #[test]
    fn it_does_not_read_while_others_wake_many_but_for_some_times_only_and_not_if_it_is_lonely() {
        on_a_new_thread(|cx| {
            let (mut one, mut lonely) = (Waking::default(), Waking::default());
            assert_eq!(lonely.wakes(1, false, cx), 1);
            assert!(!lonely.yields_before_reading(cx));
            for _ in 0..2 {
                for _ in 0..MOST_YIELDS {
                    Waking::default().wakes(MOST_AT_ONCE, true, cx);
                    assert!(one.yields_before_reading(cx));
                }
                Waking::default().wakes(MOST_AT_ONCE, true, cx);
                assert!(!one.yields_before_reading(cx) && !lonely.yields_before_reading(cx));
            }
        });
    }

    #[test]
    fn it_is_not_lonely_if_few_are_left_of_many() {
        on_a_new_thread(|cx| {
            let mut waking = Waking::default();
            for callers in [MOST_AT_ONCE, 1] {
                assert_eq!(waking.wakes(callers, true, cx), callers);
            }
            assert!(waking.yields_before_reading(cx), "it has woken many");
            Waking::default().wakes(MOST_AT_ONCE, true, cx);
            assert!(waking.yields_before_reading(cx), "others have");
        });
    }
}
