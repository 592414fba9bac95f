//! Output that is not written yet, as more is about to come.
//!
//! A Command in a task of its own that sends Reply after Reply would wake the connection's task for the first of them. On another
//! thread of the runtime that writes soon: some 60 small Replies, and again when it has written those. Each batch costs a
//! system call, the wake-ups of both ends, and the way of the lock between the processors. So while a poll sends Replies that
//! follow each other closely (`stint.rs`), the connection's task sleeps, unless there is something else to be written. It is woken
//! when the poll is over: when the Command waits for something, has ended, or lets others run, which it does every 100 µs.
//!
//! In the middle of the poll the Command may block its thread, and wait for what its client does with the Replies. If it is
//! seen to use an executor of its own, they are written at once, and nothing is put off for the rest of the poll. Else the thread that
//! watches connections wakes the task (`watch.rs`), after 10 ms at most. That runs if the runtime has another thread for it.

use std::ptr::null;
use std::task::Waker;

use super::{Line, State, wake};
use crate::server::polling::{has_put_off, may_put_off, set_may_put_off, set_put_off};

/// What is known of it, under the lock of the [`Line`].
#[derive(Default)]
pub(super) struct PutOff {
    /// In how many polls Commands send Replies that follow each other closely.
    polls: u32,
    /// Whether there is output that is to be written all the same.
    is_due: bool,
    is_watched: bool,
}

impl PutOff {
    /// Something is in the output that is to be written at once. While there are no such polls that goes for all of it, and need not
    /// be noted: the first poll that begins does so.
    #[inline]
    pub(super) fn set_due(&mut self) {
        if self.polls > 0 {
            self.is_due = true;
        }
    }

    /// Nothing of that is left.
    #[inline]
    pub(super) fn clear_due(&mut self) {
        self.is_due = false;
    }
}

impl State {
    /// Whether what there is in the output waits for more.
    #[inline]
    pub(super) fn puts_off(&self) -> bool {
        self.put_off.polls > 0 && !self.put_off.is_due && self.ending.is_none() && !self.outbox.is_full()
    }

    /// The output waits no longer. Returns the waker of the task, if it sleeps.
    #[inline]
    pub(super) fn write_now(&mut self) -> Option<Waker> {
        self.put_off.set_due();
        self.task.take()
    }
}

impl Line {
    /// Lets a Reply wait for more, if this thread is in a [`Poll`] of this connection. Returns whether it does.
    #[inline]
    pub(super) fn try_put_off(&self) -> bool {
        if !may_put_off(self.identity()) {
            return false;
        }
        if !has_put_off() {
            set_put_off();
            self.begin_put_off();
        }
        true
    }

    /// A poll sends Replies that follow each other closely. What was in the output before is due: those who added it rely on the task
    /// that they have woken, or that is awake.
    #[cold]
    pub(super) fn begin_put_off(&self) {
        let is_watched = {
            let mut state = self.lock();
            let is_due = !state.outbox.is_empty();
            let put_off = &mut state.put_off;
            put_off.is_due |= put_off.polls == 0 && is_due;
            put_off.polls += 1;
            std::mem::replace(&mut put_off.is_watched, true)
        };
        if !is_watched && let Some(desk) = self.desk.get().and_then(|desk| desk.upgrade()) {
            desk.puts_off();
        }
    }

    /// Such a poll is over.
    pub(super) fn end_put_off(&self) {
        let task = {
            let mut state = self.lock();
            let task = state.write_now();
            state.put_off.polls -= 1;
            task
        };
        wake(task);
    }

    /// The thread may be blocked next. If it is in a poll that puts off output of this connection, that is written now, and nothing
    /// more is put off.
    pub(in crate::server) fn stop_putting_off(&self) {
        if has_put_off() && may_put_off(self.identity()) {
            set_may_put_off(null(), true);
            let task = self.lock().write_now();
            wake(task);
        }
    }

    /// Looks whether output is put off. Then it is due, as its Command may block its thread. Returns the waker of the task.
    pub(in crate::server) fn look_at_put_off(&self) -> (bool, Option<Waker>) {
        let mut state = self.lock();
        let is_put_off = state.put_off.polls > 0;
        state.put_off.is_watched = is_put_off;
        (is_put_off, if is_put_off { state.write_now() } else { None })
    }
}

/// The poll of a Command by a task of its own, for as long as it is held.
pub(in crate::server) struct Poll<'a> {
    line: &'a Line,
    before: (*const (), bool),
}

impl<'a> Poll<'a> {
    pub(in crate::server) fn enter(line: &'a Line) -> Self {
        Self { line, before: set_may_put_off(line.identity(), false) }
    }
}

impl Drop for Poll<'_> {
    fn drop(&mut self) {
        if has_put_off() {
            self.line.end_put_off();
        }
        let (line, has_put_off) = self.before;
        set_may_put_off(line, has_put_off);
    }
}
