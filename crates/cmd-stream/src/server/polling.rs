//! How this thread polls a Command.
//!
//! A Command is polled by the task of its connection, where it was decoded, or by a task of its own. Four things depend
//! on which, and the code that has to know them is far below the one that polls: the user's code is in between. So the
//! thread keeps them, from [`Current::enter`] to the end of the poll:
//!
//! - **Whether a Reply is late.** The connection's task writes what was sent in place as soon as it has started the
//!   other Commands of the read. A Reply that comes at another time wakes it, and it waits for more of them first.
//! - **What a wake-up took.** A Reply of a Command with a task of its own wakes the connection's task, which may take
//!   longer than a quick Command does. The Command is not to be blamed for it, so that time is not counted.
//! - **Whether output is put off.** Of many Replies that follow each other closely, none wakes the connection's task, but the
//!   end of the poll does (`line/put_off.rs`). Nothing else is put off: the Command may block its thread next, and wait for what its
//!   client does with the Reply.
//! - **Whether the Command only yields.** A poll that is pending because the Command let others run, after a Reply, says
//!   nothing about whether the Command is quick.
//!
//! # Commands that block
//!
//! A Command may poll `send` with an executor of its own, which blocks the thread: tokio's `Handle::block_on` within
//! `block_in_place`, or `futures::executor::block_on`. It is known by its waker, which is not the one that the Command is
//! polled with ([`is_elsewhere`]). Combinators that poll with wakers of their own look the same, so what is done then must
//! do no harm to them.
//!
//! The connection's task, which a Reply has woken, may stand behind the Command in the slot of this worker that no other
//! worker takes anything from. [`leave_slot`] puts something else there. The same holds for the task of another connection, which
//! the Command has woken as it failed or dropped an [`OwnedProxy`](super::OwnedProxy), or ended the server: it may compute for long
//! after that. And for a task of the user's own that fails an owned Proxy, or sends with `send_blocking`. If such a task only drops
//! one, nothing is done: mostly the last Reply was sent before.
//!
//! A Command that is polled in place blocks the connection's task itself. Then another one writes (`desk.rs`): as soon as the
//! Command is seen to use an executor of its own, and else when it was seen to take long (`watch.rs`).

use std::cell::Cell;
use std::ptr::null;
use std::task::{RawWakerVTable, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::watch::threads::polls_tasks;

/// How this thread is polling a Command.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Polling {
    Nothing,
    /// Where it was decoded: its connection's task is awake, as it is the one that polls.
    InPlace,
    /// In a task of its own.
    Alone,
}

/// Which waker something is polled with. Only compared.
type Identity = (*const (), *const RawWakerVTable);

fn identity(waker: &Waker) -> Identity {
    (waker.data(), waker.vtable())
}

/// What this thread knows of the poll that it is in.
struct Here {
    polling: Cell<Polling>,
    /// What the Command is polled with.
    waker: Cell<Identity>,
    /// What the wake-ups of connections' tasks took.
    waking: Cell<Duration>,
    /// Whether there were any.
    has_woken: Cell<bool>,
    yields: Cell<bool>,
    /// The connection whose output may wait until the poll is over. Only compared.
    line: Cell<*const ()>,
    /// Whether it does.
    has_put_off: Cell<bool>,
    /// The number of the poll of a Command that the thread is in, and of the last one.
    poll: Cell<u64>,
    last_poll: Cell<u64>,
}

thread_local! {
    static HERE: Here = const {
        Here {
            polling: Cell::new(Polling::Nothing),
            waker: Cell::new((null(), null())),
            waking: Cell::new(Duration::ZERO),
            has_woken: Cell::new(false),
            yields: Cell::new(false),
            line: Cell::new(null()),
            has_put_off: Cell::new(false),
            poll: Cell::new(0),
            last_poll: Cell::new(0),
        }
    };
}

/// Asks what this thread knows. None when the thread is ending, and only the destructors of its values run.
fn here<T>(ask: impl FnOnce(&Here) -> T) -> Option<T> {
    HERE.try_with(ask).ok()
}

/// A poll of a Command, for as long as it is held.
///
/// It remembers what the thread was doing before: a Command may block on a runtime of its own, which polls others.
pub(super) struct Current(Option<Before>);

/// What the thread did before.
struct Before {
    polling: Polling,
    waker: Identity,
    has_woken: bool,
    poll: u64,
}

impl Current {
    pub(super) fn enter(polling: Polling, waker: &Waker) -> Self {
        let before = here(|here| {
            here.yields.set(false);
            here.waking.set(Duration::ZERO);
            here.last_poll.set(here.last_poll.get() + 1);
            Before {
                polling: here.polling.replace(polling),
                waker: here.waker.replace(identity(waker)),
                has_woken: here.has_woken.replace(false),
                poll: here.poll.replace(here.last_poll.get()),
            }
        });
        Self(before)
    }

    /// Whether the Command only let others run, if it is pending.
    pub(super) fn yields(&self) -> bool {
        here(|here| here.yields.get()).unwrap_or(false)
    }

    /// For how long it has woken tasks of connections.
    pub(super) fn waking(&self) -> Duration {
        here(|here| here.waking.get()).unwrap_or_default()
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        let Some(before) = &self.0 else { return };
        here(|here| {
            here.polling.set(before.polling);
            here.waker.set(before.waker);
            here.has_woken.set(before.has_woken);
            here.poll.set(before.poll);
        });
    }
}

/// Sets the connection whose output the Command that this thread polls may put off, and whether it has. Returns what it was before.
pub(super) fn set_may_put_off(line: *const (), has_put_off: bool) -> (*const (), bool) {
    here(|here| (here.line.replace(line), here.has_put_off.replace(has_put_off))).unwrap_or((null(), false))
}

/// Whether a Reply that is sent now is not sent where its Command was decoded.
pub(super) fn is_late() -> bool {
    !is_in_place()
}

/// Whether this thread polls a Command where it was decoded. Then it is that of the Command's connection.
pub(super) fn is_in_place() -> bool {
    here(|here| here.polling.get()) == Some(Polling::InPlace)
}

/// Whether this thread polls a Command that may put off the output of that connection.
#[inline]
pub(super) fn may_put_off(line: *const ()) -> bool {
    here(|here| here.line.get()) == Some(line)
}

/// Whether the Command that this thread polls has put off output.
#[inline]
pub(super) fn has_put_off() -> bool {
    here(|here| here.has_put_off.get()).unwrap_or(false)
}

/// The Command that this thread polls puts off output.
#[inline]
pub(super) fn set_put_off() {
    here(|here| here.has_put_off.set(true));
}

/// Says whether the Command lets others run now.
pub(super) fn set_yields(yields: bool) {
    here(|here| here.yields.set(yields));
}

/// Whether this thread polls a Command, and what is polled with this waker is polled by another executor inside it, which
/// may block the thread.
pub(super) fn is_elsewhere(waker: &Waker) -> bool {
    here(|here| here.polling.get() != Polling::Nothing && here.waker.get() != identity(waker))
        .unwrap_or(false)
}

/// Whether this thread polls a Command in a task of its own, and what is polled with this waker is polled by that task.
pub(super) fn is_own_task(waker: &Waker) -> bool {
    here(|here| here.polling.get() == Polling::Alone && here.waker.get() == identity(waker)).unwrap_or(false)
}

/// The number of the poll of a Command that this thread is in. If it is still the same later, the thread has done nothing
/// else meanwhile.
pub(super) fn poll_number() -> u64 {
    here(|here| here.poll.get()).unwrap_or(0)
}

/// Wakes the connection's task. What that takes is not counted as time of the Command that is polled.
#[inline]
pub(super) fn wake(task: Option<Waker>) {
    if let Some(task) = task {
        wake_some(task);
    }
}

fn wake_some(task: Waker) {
    match here(|here| here.polling.get()) {
        None => task.wake(),
        Some(Polling::Nothing) => {
            task.wake();
            // In a thread for blocking code nothing waits for the thread.
            if polls_tasks() {
                set_woken();
            }
        }
        // It is that of another connection, or somebody stands in for that of this one.
        Some(Polling::InPlace) => {
            task.wake();
            set_woken();
        }
        Some(Polling::Alone) => {
            set_woken();
            let started = Instant::now();
            task.wake();
            let took = started.elapsed();
            here(|here| here.waking.set(here.waking.get() + took));
        }
    }
}

/// This thread has woken a task that others wait for, or has spawned it.
pub(super) fn set_woken() {
    here(|here| here.has_woken.set(true));
}

/// Outside of a Command: what this thread has woken before has had its turn since.
pub(super) fn forget_woken() {
    here(|here| {
        if here.polling.get() == Polling::Nothing {
            here.has_woken.set(false);
        }
    });
}

/// Whether this thread polls a Command.
pub(super) fn polls_command() -> bool {
    here(|here| here.polling.get()).is_some_and(|polling| polling != Polling::Nothing)
}

/// The thread may be blocked next. A connection's task that it has woken may stand in the slot of this worker that no other
/// one takes anything from: whatever is spawned comes there, and what was there goes where others take it.
pub(super) fn leave_slot() {
    if here(|here| here.has_woken.replace(false)) == Some(true)
        && let Ok(runtime) = Handle::try_current()
    {
        runtime.spawn(async {});
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    struct Other;

    impl Wake for Other {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn a_poll_inside_another_one_leaves_that_one_as_it_was() {
        let other = Waker::from(Arc::new(Other));
        let outer = Current::enter(Polling::InPlace, Waker::noop());
        assert!(is_elsewhere(&other) && !is_elsewhere(Waker::noop()));
        {
            let _inner = Current::enter(Polling::Alone, &other);
            assert!(!is_elsewhere(&other) && is_elsewhere(Waker::noop()));
            assert!(is_late());
        }
        assert!(is_elsewhere(&other) && !is_elsewhere(Waker::noop()));
        assert!(!is_late());
        drop(outer);
        assert!(is_late() && !is_elsewhere(&other));
    }
}
