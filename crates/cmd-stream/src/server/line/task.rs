//! What the task of a connection asks of its [`Line`]: what to write next, whom to wake for what has been written, and
//! whether the connection ends.

use std::mem::swap;
use std::task::Context;

use super::{Cause, Ending, Error, ErrorKind, Line, Origin, Owed, wake_all};
use crate::connection::Writer;

/// What the task does next about the output.
pub(in crate::server) enum Next {
    /// The writer has it.
    Batch,
    /// Nothing. Whoever adds something wakes the task, or does so later ([`put_off`](super::put_off)). Or it has woken itself.
    Nothing,
    /// There is room for this one now.
    Owed(Box<Owed>),
    /// The client sends nothing more, and has the answers to all that it has sent.
    Left,
}

/// What the task knows of the input.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Input {
    /// Something has arrived that is not yet started, or there may be.
    Pending,
    /// The task is in the code of a Command, and somebody else writes.
    InCommand,
    Quiet,
    /// Nothing more is read.
    Ended,
}

impl Line {
    /// The task is awake, and looks at everything before it sleeps again. Returns whether nothing more can be sent, whether
    /// no further Command may be read now, and whether it may look again if it waits for memory.
    pub(in crate::server) fn wake_up(&self) -> (bool, bool, bool) {
        let (awake, _waker) = {
            let mut state = self.lock();
            state.rounds += 1;
            ((state.is_ending(), state.is_paused(), !state.held.waits()), state.task.take())
        };
        awake
    }

    /// Takes what is to be written next, when all that was taken before has been written. `yielded` says whether the task has let
    /// others run since then. An error is what the connection ends with.
    pub(in crate::server) fn next_batch(
        &self,
        input: Input,
        writer: &mut Writer,
        yielded: &mut bool,
        cx: &Context<'_>,
    ) -> Result<Next, Error> {
        let mut wakers = Vec::new();
        let mut waker = Some(cx.waker().clone());
        let mut state = self.lock();
        // Checked before anything is taken out of the state: those who wait for room are then woken by `Line::close`.
        match &state.ending {
            Some(Ending::Now(reason)) => return Err(reason.clone()),
            Some(Ending::AfterOutput(reason)) if state.outbox.is_empty() => return Err(reason.clone()),
            _ if input == Input::Ended && state.is_idle() => return Ok(Next::Left),
            // What has arrived by now is still executed: its client could not know that it was not.
            Some(Ending::WhenIdle) if input == Input::Quiet && state.is_idle() => {
                return Err(shutting_down());
            }
            Some(Ending::WhenAnswered) if input != Input::InCommand && state.is_idle() => {
                return Err(shutting_down());
            }
            _ => {}
        }
        self.settle(&mut state, 0, &mut wakers);
        if let Some(owed) = state.take_owed() {
            drop(state);
            wake_all(wakers);
            return Ok(Next::Owed(Box::new(owed)));
        }
        let puts_off = state.puts_off();
        let yields = state.has_late_output && !*yielded;
        let is_batch = !puts_off && !yields && !state.outbox.is_empty();
        let replies = state.take_replies(is_batch);
        let next = if puts_off || state.outbox.is_empty() {
            state.put_off.clear_due();
            swap(&mut state.task, &mut waker);
            *yielded = false;
            self.book_writing(&mut state, 0);
            Next::Nothing
        } else if yields {
            *yielded = true;
            Next::Nothing
        } else {
            (*yielded, state.has_late_output) = (false, false);
            state.put_off.clear_due();
            writer.load(&mut state.outbox);
            Next::Batch
        };
        drop(state);
        self.control.tally.replied(replies);
        wake_all(wakers);
        if yields && !puts_off {
            // More Replies are about to come. Their Commands run first, and all go out in one write.
            cx.waker().wake_by_ref();
        }
        Ok(next)
    }

    /// Books a write that the peer did not take completely, and what is left of it in memory. An error is what the connection ends with.
    pub(in crate::server) fn book_write(
        &self,
        left: usize,
        capacity: usize,
        cx: &Context<'_>,
    ) -> Result<(), Error> {
        let mut wakers = Vec::new();
        let mut waker = Some(cx.waker().clone());
        {
            let mut state = self.lock();
            if let Some(Ending::Now(reason)) = &state.ending {
                return Err(reason.clone());
            }
            // The socket wakes this task when it takes more. The waker is for an end of the connection, and for output:
            // a Command must be able to wake it while the rest of the batch is blocked.
            swap(&mut state.task, &mut waker);
            self.book_writing(&mut state, capacity);
            self.settle(&mut state, left, &mut wakers);
        }
        wake_all(wakers);
        Ok(())
    }
}

fn shutting_down() -> Error {
    Error::new(ErrorKind::Closed, Origin::Local, "the server is shutting down").caused_by(Cause::ShutDown)
}
