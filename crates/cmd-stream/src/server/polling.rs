//! How this thread polls a Command, and what is put off until that poll is over.
//!
//! A Command is polled by the task of its connection, where it was decoded, or by a task of its own. Three things depend
//! on which, and the code that has to know them is far below the one that polls: the user's code is in between. So the
//! thread keeps them, from [`Current::enter`] to the end of the poll:
//!
//! - **Whether a Reply is late.** The connection's task writes what was sent in place as soon as it has started the
//!   other Commands of the read. A Reply that comes at another time wakes it, and it waits for more of them first.
//! - **A wake-up that is put off.** A Reply of a Command with a task of its own wakes the connection's task, which may
//!   take longer than a quick Command does. The Command is not to be blamed for it, so it is woken when the poll has been
//!   timed. One wake-up is put off at most; another one is done at once.
//! - **Whether the Command only yields.** A poll that is pending because the Command let others run, after a Reply, says
//!   nothing about whether the Command is quick.
//!
//! [`Undisturbed`] suspends all of it where the thread is about to block: nobody may wait for a wake-up that this very
//! thread has put off.

use std::cell::Cell;
use std::task::Waker;

/// How this thread is polling a Command.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Polling {
    Nothing,
    /// Where it was decoded: its connection's task is awake, as it is the one that polls.
    InPlace,
    /// In a task of its own.
    Alone,
}

/// What this thread knows of the poll that it is in.
struct Here {
    polling: Cell<Polling>,
    /// The task of a connection, to be woken when the poll is over.
    to_wake: Cell<Option<Waker>>,
    yields: Cell<bool>,
}

thread_local! {
    static HERE: Here = const {
        Here { polling: Cell::new(Polling::Nothing), to_wake: Cell::new(None), yields: Cell::new(false) }
    };
}

/// Asks what this thread knows. None when the thread is ending, and only the destructors of its values run.
fn here<T>(ask: impl FnOnce(&Here) -> T) -> Option<T> {
    HERE.try_with(ask).ok()
}

/// A poll of a Command, for as long as it is held. Dropping it does what was put off.
///
/// It remembers what the thread was doing before: a Command may block on a runtime of its own, which polls others.
pub(super) struct Current(Polling);

impl Current {
    pub(super) fn enter(polling: Polling) -> Self {
        let before = here(|here| {
            here.yields.set(false);
            here.polling.replace(polling)
        });
        Self(before.unwrap_or(Polling::Nothing))
    }

    /// Whether the Command only let others run, if it is pending.
    pub(super) fn yields(&self) -> bool {
        here(|here| here.yields.get()).unwrap_or(false)
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        let task = here(|here| {
            here.polling.set(self.0);
            here.to_wake.take()
        });
        // After the cell was emptied: whoever is woken may poll something right here.
        wake_now(task.flatten());
    }
}

/// Whether a Reply that is sent now is not sent where its Command was decoded.
pub(super) fn is_late() -> bool {
    here(|here| here.polling.get()) != Some(Polling::InPlace)
}

/// Says whether the Command lets others run now.
pub(super) fn set_yields(yields: bool) {
    here(|here| here.yields.set(yields));
}

/// Wakes the connection's task, when the poll of the Command is over if that is better.
pub(super) fn wake(task: Option<Waker>) {
    let Some(task) = task else { return };
    let alone = here(|here| here.polling.get()) == Some(Polling::Alone);
    // There may be one already: of another connection, if an owned Proxy of a Command there was used.
    wake_now(if alone { here(|here| here.to_wake.replace(Some(task))).flatten() } else { Some(task) });
}

/// Does now what was put off: the poll of the Command may not end before that.
pub(super) fn wake_put_off() {
    wake_now(here(|here| here.to_wake.take()).flatten());
}

/// Wakes a task now.
pub(super) fn wake_now(task: Option<Waker>) {
    if let Some(task) = task {
        task.wake();
    }
}

/// Nothing is put off while it is held: the thread is about to sleep until somebody else has done something.
pub(super) struct Undisturbed(Polling);

impl Undisturbed {
    pub(super) fn enter() -> Self {
        let was = here(|here| (here.polling.replace(Polling::Nothing), here.to_wake.take()));
        let (polling, task) = was.unwrap_or((Polling::Nothing, None));
        wake_now(task);
        Self(polling)
    }

    /// Whether the thread was polling a Command where it was decoded: then it is that of the Command's connection, and
    /// whoever waits on it for that connection waits for ever.
    pub(super) fn was_in_place(&self) -> bool {
        self.0 == Polling::InPlace
    }
}

impl Drop for Undisturbed {
    fn drop(&mut self) {
        here(|here| here.polling.set(self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_inside_another_one_leaves_that_one_as_it_was() {
        let outer = Current::enter(Polling::InPlace);
        drop(Current::enter(Polling::Alone));
        assert!(!is_late());
        drop(Undisturbed::enter());
        assert!(!is_late());
        drop(outer);
        assert!(is_late());
    }
}
