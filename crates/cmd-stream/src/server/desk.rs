//! Where the task of a connection leaves what it writes with, while it is in the user's code: a Command that it polls in place
//! may block its thread, and wait for what its client does with the Replies that were sent before. Then a task of its own
//! stands in, and writes what there is, until the connection's task is back.
//!
//! The stream has one owner at any time. It lies on the desk while nobody uses it, and the lock of the desk is held only to
//! take it or to put it back. If the connection's task comes back in the middle of a write, it waits for that one.
//!
//! Whoever stands in only writes. The connection is not read meanwhile, and its timers are not looked at, except that a client
//! must take some of the output in time.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};

use tokio::runtime::{Handle, RuntimeFlavor};

use super::ending::Ending;
use super::line::task::{Input, Next};
use super::polling::set_woken;
use super::service::Service;
use super::session::Session;
use super::watch::Watched;
use super::watch::threads::Answer;
use crate::connection::{Writer, wake_all};
use crate::error::cause::Cause;
use crate::error::{Error, ErrorKind, Origin};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use crate::transport::Io;

#[cfg(all(test, cmd_stream_model, feature = "mus"))]
mod models;

/// A stream, and what is being written to it.
pub(crate) struct Stream<IO> {
    pub(crate) io: IO,
    pub(crate) writer: Writer,
    /// Whether the task has yielded, for others to add to the output, since it last wrote.
    pub(super) yielded: bool,
}

/// How far the output was written.
pub(super) enum Written {
    /// Or the rest is put off.
    All,
    Blocked,
    Yielding,
    /// It ends, as the client sends nothing more, and has all answers.
    Left,
}

impl<IO: Io> Stream<IO> {
    pub(crate) fn new(io: IO) -> Box<Self> {
        Box::new(Self { io, writer: Writer::default(), yielded: false })
    }

    /// Writes the output. Tells `sent` how much was written. An error is what the connection ends with.
    pub(super) fn write<S: Service>(
        &mut self,
        session: &Session<S>,
        input: Input,
        mut sent: impl FnMut(usize),
        cx: &mut Context<'_>,
    ) -> Result<Written, Error> {
        let line = &session.line;
        loop {
            // The next batch is taken when the last one is written. What comes meanwhile is then one batch.
            if self.writer.is_idle() {
                match line.next_batch(input, &mut self.writer, &mut self.yielded, cx)? {
                    Next::Batch => {}
                    Next::Nothing if self.yielded => return Ok(Written::Yielding),
                    Next::Nothing => return Ok(Written::All),
                    Next::Owed(owed) => {
                        session.answer_owed(*owed);
                        continue;
                    }
                    Next::Left => return Ok(Written::Left),
                }
            }
            let left = self.writer.left();
            let written = self.writer.poll(&mut self.io, cx);
            let bytes = left - self.writer.left();
            line.control.tally.sent(bytes);
            sent(bytes);
            if written?.is_pending() {
                if line.control.memory.is_scarce() {
                    self.writer.shrink();
                }
                line.book_write(self.writer.left(), self.writer.capacity(), cx)?;
                return Ok(Written::Blocked);
            }
        }
    }
}

/// Why a connection ends whose client does not read.
pub(super) fn has_stalled() -> Error {
    let message = "the client takes no output (`Limits::output_stall`)";
    Error::new(ErrorKind::Timeout, Origin::Remote, message).caused_by(Cause::OutputStall)
}

/// Where the stream of a connection lies while its task is in the user's code.
pub(super) struct Desk<IO, S: Service> {
    session: Arc<Session<S>>,
    runtime: Handle,
    state: Mutex<State<IO>>,
}

struct State<IO> {
    stream: Option<Box<Stream<IO>>>,
    /// Whether the connection's task is in the user's code. Then the stream is here, or whoever stands in has it.
    is_left: bool,
    /// How often it was.
    round: u64,
    /// In which of these times somebody stands in.
    stands_in: Option<u64>,
    is_watched: bool,
    /// What the connection's task is woken with, if it is back before the stream is.
    awaits: Option<Waker>,
}

impl<IO: Io, S: Service> Desk<IO, S> {
    /// Made by the task of the connection.
    pub(super) fn new(session: &Arc<Session<S>>) -> Arc<Self> {
        let runtime = Handle::current();
        // If there is no other thread, nobody can stand in, and so nobody need watch.
        let is_watched = runtime.runtime_flavor() == RuntimeFlavor::CurrentThread;
        let state =
            State { stream: None, is_left: false, round: 0, stands_in: None, is_watched, awaits: None };
        let desk = Arc::new(Self { session: Arc::clone(session), runtime, state: Mutex::new(state) });
        session.line.set_desk(Arc::downgrade(&(Arc::clone(&desk) as Arc<dyn Watched>)));
        desk
    }

    /// The connection's task leaves the stream here.
    pub(super) fn leave(&self, stream: Box<Stream<IO>>) {
        let is_watched = {
            let mut state = self.lock();
            (state.stream, state.is_left) = (Some(stream), true);
            state.round += 1;
            std::mem::replace(&mut state.is_watched, true)
        };
        if !is_watched {
            self.session.line.watch();
        }
    }

    /// The connection's task is back. It gets its stream, unless whoever stood in is writing: then
    /// [`poll_back`](Self::poll_back) waits for it.
    pub(super) fn come_back(&self) -> Option<Box<Stream<IO>>> {
        let (stream, stood_in) = {
            let mut state = self.lock();
            state.is_left = false;
            (state.stream.take(), state.stands_in.is_some())
        };
        if stood_in {
            // It has left its waker for more output. It finds that there is nothing more to do.
            let waker = self.session.line.lock().task.take();
            wake_all(waker);
        }
        stream
    }

    /// Waits for the stream.
    #[cold]
    pub(super) fn poll_back(&self, cx: &Context<'_>) -> Poll<Box<Stream<IO>>> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        match state.stream.take() {
            Some(stream) => Poll::Ready(stream),
            None => {
                let before = state.awaits.replace(waker);
                drop(state);
                drop(before);
                Poll::Pending
            }
        }
    }

    /// Writes once, for the connection's task. Ready when there is nothing more to do for this time.
    fn poll_write(&self, round: u64, cx: &mut Context<'_>) -> Poll<()> {
        let mut stream = {
            let mut state = self.lock();
            let is_left = state.is_left && state.round == round;
            match state.stream.take_if(|_| is_left) {
                Some(stream) => stream,
                None => {
                    state.stands_in.take_if(|standing_in| *standing_in == round);
                    return Poll::Ready(());
                }
            }
        };
        self.session.line.wake_up();
        let write = || stream.write(&self.session, Input::InCommand, |_| {}, cx);
        let written = catch_unwind(AssertUnwindSafe(write))
            .unwrap_or_else(|payload| Err(Error::panic("writing", payload)));
        let has_failed = written.is_err();
        if let Err(error) = written {
            // The connection's task finds it when it is back, and the Command at once.
            self.session.line.end(Ending::Now(error));
        }
        let (ends, awaits) = {
            let mut state = self.lock();
            state.stream = Some(stream);
            if !state.is_left {
                state.stands_in = None; // after a failure nobody else is to try it in this round
            }
            (has_failed || !state.is_left, state.awaits.take())
        };
        wake_all(awaits);
        if ends { Poll::Ready(()) } else { Poll::Pending }
    }

    fn lock(&self) -> MutexGuard<'_, State<IO>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<IO: Io, S: Service> Watched for Desk<IO, S> {
    fn stand_in(self: Arc<Self>) {
        let round = {
            let mut state = self.lock();
            let round = state.round;
            if !state.is_left || state.stands_in == Some(round) {
                return;
            }
            state.stands_in = Some(round);
            round
        };
        let runtime = self.runtime.clone();
        runtime.spawn(async move { poll_fn(|cx| self.poll_write(round, cx)).await });
        set_woken();
    }

    fn ask(&self) -> Answer {
        Answer::of(&self.runtime)
    }

    fn puts_off(self: Arc<Self>) {
        let is_watched = std::mem::replace(&mut self.lock().is_watched, true);
        if !is_watched {
            self.session.line.watch();
        }
    }

    fn look(self: Arc<Self>, seen: &mut u64) -> bool {
        let (round, stalled, is_left, task) = {
            let mut state = self.lock();
            // Under this lock, as whoever puts off the next wake-up is to see what is decided here.
            let (is_put_off, task) = self.session.line.look_at_put_off();
            state.is_watched = state.is_left || is_put_off;
            if !state.is_watched {
                return false;
            }
            let stalled = state.stream.as_ref().and_then(|stream| stream.writer.stalled_since());
            (state.round, stalled, state.is_left, task)
        };
        wake_all(task);
        if !is_left {
            return true;
        }
        // Its timers are not looked at, and a client that takes nothing must not hold a thread for as long as it likes.
        if stalled.is_some_and(|since| since.elapsed() > self.session.line.limits().output_stall) {
            self.session.line.end(Ending::Now(has_stalled()));
        }
        if std::mem::replace(seen, round) == round {
            self.stand_in();
        }
        true
    }
}
