//! Which types of Commands may be polled where they were decoded: those that have proved to be quick. Knows no tasks
//! and no Commands; it is told how long they took.
//!
//! A type of Commands starts with a debt, and its Commands get tasks of their own. There each poll is timed. Each Command
//! that ends at its first poll, if that was short, pays off one unit. A type without debt is polled in place. Single polls
//! are not timed there, as looking at the clock costs 3 % of a quick Command, but groups of them are.
//!
//! Whatever is long adds debt in proportion to its time. So a thread that loses its processor for some milliseconds
//! sends a few hundred Commands back to tasks of their own, while a type that computes for long now and then does not
//! return.

use std::time::Duration;

use crate::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Whether a group of so many polls in place was long. One or two polls may take 100 µs, because decoding them, and
/// whatever else a busy machine does, is timed as well.
pub(crate) fn is_long(polls: u32, time: Duration) -> bool {
    time > (SHORT * polls).clamp(2 * SHORT, GROUP_SHORT)
}

/// What a server knows of a type of Commands. The number is approximate where connections race.
#[derive(Debug)]
pub(crate) struct Pace {
    /// How many quick Commands must be seen before the type is polled in place.
    debt: AtomicU32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { debt: AtomicU32::new(DEBT_FIRST) }
    }
}

impl Pace {
    /// Whether Commands of this type are polled in place.
    pub(crate) fn is_quick(&self) -> bool {
        self.debt.load(Relaxed) == 0
    }

    /// Books that a Command has polled something with an executor of its own. It may block its thread there, which in place
    /// is that of its connection: so this type is never polled in place again.
    #[cold]
    pub(crate) fn may_block(&self) {
        self.debt.store(NEVER, Relaxed);
    }

    /// Sets the debt, unless it is never paid off.
    fn owe(&self, debt: impl FnOnce(u32) -> u32) {
        let before = self.debt.load(Relaxed);
        if before != NEVER {
            // Not a read-modify-write: that costs more, and a unit that is lost in a race does not matter. Nor does a race
            // with `may_block`, which is called for each Reply.
            self.debt.store(debt(before), Relaxed);
        }
    }

    /// Books a poll in a task of its own.
    pub(crate) fn polled_alone(&self, time: Duration, ended_at_first: bool) {
        if time > SHORT {
            self.was_long(time);
        } else if ended_at_first {
            let debt = self.debt.load(Relaxed);
            if debt > 0 {
                self.owe(|debt| debt.saturating_sub(1));
            }
        }
    }

    /// Books that a poll, or the group that it was in, was long.
    pub(crate) fn was_long(&self, time: Duration) {
        let more = u32::try_from(time.as_micros() / DEBT_UNIT.as_micros()).unwrap_or(DEBT_MOST);
        self.owe(|debt| debt.saturating_add(more).min(DEBT_MOST));
    }

    /// Books polls in place, and how many of them stayed pending.
    pub(crate) fn polled_in_place(&self, polls: u32, pending: u32) {
        // In place it was polled for nothing, and then again by its task.
        if pending * PENDING_SHARE > polls {
            self.owe(|_| DEBT_FIRST);
        }
    }
}

/// A poll up to this long is short: "tens of microseconds".
const SHORT: Duration = Duration::from_micros(50);
/// A group of [`GROUP`] polls up to this long is short.
const GROUP_SHORT: Duration = Duration::from_micros(500);
/// How many polls in place share a look at the clock.
pub(crate) const GROUP: u32 = 16;
/// The debt of a new type.
const DEBT_FIRST: u32 = 64;
/// The largest debt, so that a type that has become quick can return.
const DEBT_MOST: u32 = 65_536;
/// The debt of a type that is never polled in place.
const NEVER: u32 = u32::MAX;
/// Something long costs one quick Command for each of these. So if one Command in a hundred takes 5 ms or more, the type
/// is not polled in place, while a thread that loses its processor for a moment costs little.
const DEBT_UNIT: Duration = Duration::from_micros(50);
/// If more than one Command in this many stays pending after a poll in place, the type gains nothing there.
const PENDING_SHARE: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_micros(1);

    fn pay_off(pace: &Pace) -> u32 {
        let mut needed = 0;
        while !pace.is_quick() {
            pace.polled_alone(QUICK, true);
            needed += 1;
        }
        needed
    }

    /// How many of `commands` are polled in place if every `interval`th takes `long`.
    fn in_place(commands: u32, interval: u32, long: Duration) -> u32 {
        let pace = Pace::default();
        let mut in_place = 0;
        for n in 1..=commands {
            let time = if n % interval == 0 { long } else { QUICK };
            match (pace.is_quick(), time > GROUP_SHORT) {
                (false, _) => pace.polled_alone(time, true),
                (true, true) => pace.was_long(time),
                (true, false) => pace.polled_in_place(1, 0),
            }
            in_place += u32::from(pace.is_quick());
        }
        in_place
    }

    #[test]
    fn the_fewer_polls_a_group_has_the_sooner_it_is_long() {
        assert!(is_long(1, 2 * SHORT + QUICK) && !is_long(1, 2 * SHORT));
        assert!(is_long(4, 4 * SHORT + QUICK) && !is_long(4, 4 * SHORT));
        assert!(is_long(GROUP, GROUP_SHORT + QUICK) && !is_long(GROUP, GROUP_SHORT));
    }

    #[test]
    fn a_type_is_polled_in_place_after_it_was_quick_often_enough() {
        let pace = Pace::default();
        assert!(!pace.is_quick());
        assert_eq!(pay_off(&pace), DEBT_FIRST);
    }

    #[test]
    fn a_type_that_stays_pending_is_not() {
        let pace = Pace::default();
        for _ in 0..10 * DEBT_FIRST {
            pace.polled_alone(QUICK, false);
        }
        assert!(!pace.is_quick());
    }

    #[test]
    fn anything_long_ends_it_at_once_and_costs_what_it_took() {
        let pace = Pace::default();
        pay_off(&pace);
        pace.was_long(Duration::from_millis(200));
        assert!(!pace.is_quick());
        assert_eq!(pay_off(&pace), 4000);
        pace.polled_alone(SHORT + QUICK, true);
        assert_eq!(pay_off(&pace), 1);
        pace.was_long(Duration::MAX);
        assert_eq!(pay_off(&pace), DEBT_MOST);
    }

    #[test]
    fn a_type_that_now_and_then_computes_for_long_is_hardly_ever_polled_in_place() {
        let in_place = in_place(1_000_000, 1000, Duration::from_millis(50));
        assert!(in_place < 10_000, "{in_place} of a million");
    }

    #[test]
    fn a_thread_that_loses_its_processor_now_and_then_costs_little() {
        let in_place = in_place(1_000_000, 3000, Duration::from_millis(4));
        assert!(in_place > 800_000, "{in_place} of a million");
    }

    #[test]
    fn a_type_that_may_block_is_never_polled_in_place_again() {
        let pace = Pace::default();
        pay_off(&pace);
        pace.may_block();
        pace.was_long(Duration::from_secs(1));
        pace.polled_in_place(1, 1);
        for _ in 0..2 * DEBT_MOST {
            pace.polled_alone(QUICK, true);
        }
        assert!(!pace.is_quick());
    }

    #[test]
    fn a_type_of_which_many_stay_pending_in_place_goes_back() {
        let pace = Pace::default();
        pay_off(&pace);
        pace.polled_in_place(100, 20);
        assert!(pace.is_quick());
        pace.polled_in_place(100, 21);
        assert!(!pace.is_quick());
    }
}
