//! Output that is not written yet, as more is about to come.
//!
//! A Command in a task of its own that sends Reply after Reply would wake the connection's task for the first of them. On another
//! thread of the runtime that writes soon: some 60 small Replies, and again when it has written those. Each batch costs a
//! system call, the wake-ups of both ends, and the way of the lock between the processors. So while a poll sends Replies that
//! follow each other closely (`stint.rs`), the connection's task sleeps, unless there is something else to be written. It is woken
//! when the poll is over: when the Command waits for something, has ended, or lets others run, which it does every 100 µs.
//!
//! In the middle of the poll the Command may block its thread, and wait for what its client does with the Replies. If that
//! is seen, because it uses an executor of its own, they are written at once. Else the thread that watches connections sees to it
//! (`watch.rs`), after 10 to 20 ms.

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
    /// How many such polls have begun, and had when somebody looked last. They wrap.
    begun: u32,
    seen: u32,
    is_watched: bool,
}

impl PutOff {
    /// Something was added to the output that is to be written at once. What is there when a poll begins is so in any case.
    #[inline]
    pub(super) fn is_due(&mut self) {
        if self.polls > 0 {
            self.is_due = true;
        }
    }

    /// All output is about to be written, or there is none but what is put off.
    #[inline]
    pub(super) fn is_over(&mut self) {
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
        self.put_off.is_due();
        self.task.take()
    }
}

impl Line {
    /// Whether a Reply may wait for more, as the poll that sends it is one of a [`Poll`] of this connection.
    #[inline]
    pub(super) fn may_put_off(&self) -> bool {
        if !may_put_off(self.identity()) {
            return false;
        }
        if !has_put_off() {
            set_put_off();
            self.begin_put_off();
        }
        true
    }

    /// A poll sends Replies that follow each other closely.
    #[cold]
    pub(super) fn begin_put_off(&self) {
        let is_watched = {
            let mut state = self.lock();
            let is_due = !state.outbox.is_empty();
            let put_off = &mut state.put_off;
            put_off.is_due |= put_off.polls == 0 && is_due;
            put_off.polls += 1;
            put_off.begun = put_off.begun.wrapping_add(1);
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

    /// Such a poll may block its thread.
    pub(in crate::server) fn write_now(&self) {
        let task = self.lock().write_now();
        wake(task);
    }

    /// Looks whether output waits for more. Returns the waker of the task if there was no other such poll since the last look.
    pub(in crate::server) fn look_at_put_off(&self) -> (bool, Option<Waker>) {
        let mut state = self.lock();
        let is_put_off = state.put_off.polls > 0;
        state.put_off.is_watched = is_put_off;
        let begun = state.put_off.begun;
        let is_same = std::mem::replace(&mut state.put_off.seen, begun) == begun;
        let task = if is_put_off && is_same { state.write_now() } else { None };
        (is_put_off, task)
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
