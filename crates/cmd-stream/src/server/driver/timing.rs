//! What a connection of a server waits for that has a time, and what happens when it is over.

use std::task::{Context, Poll};

use tokio::time::Instant;

use super::weighing::PART_TIME;
use super::{Driver, has_closed};
use crate::connection::{Deadlines, LOOK_AFTER, SHRINK_AFTER, Writer};
use crate::error::cause::Cause;
use crate::error::{Error, ErrorKind, Origin};
use crate::server::desk::has_stalled;
use crate::server::service::Service;
use crate::transport::{Io, Presence, presence};

impl<IO: Io, S: Service> Driver<IO, S> {
    /// Nothing can be done now: waits for the timers.
    pub(super) fn wait(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        loop {
            let Poll::Ready(timer) = self.timers.poll(&self.deadlines(), self.slice.began(), cx) else {
                return Ok(());
            };
            let (cause, message) = match timer {
                Timer::Resume => {
                    if self.weighing.waits.is_none() {
                        self.still_since = Instant::now(); // it goes on, however long the rate has taken
                    }
                    self.pause_until(None);
                    cx.waker().wake_by_ref();
                    continue;
                }
                Timer::Stall => return Err(has_stalled()),
                Timer::Frame => {
                    (Cause::FrameTime, "a command did not arrive whole in time (`Limits::frame_time`)")
                }
                Timer::Idle => {
                    if let Some(later) = self.idle_since() {
                        self.last_frame = later;
                        continue;
                    }
                    (Cause::Idle, "no command arrived in time (`Limits::idle`)")
                }
                Timer::First => {
                    (Cause::FrameTime, "the first command did not arrive in time (`Limits::first_frame`)")
                }
                Timer::Look => {
                    self.look()?;
                    continue;
                }
                Timer::HalfClosed => return Err(self.left()),
                Timer::Paused => (
                    Cause::Paused,
                    "nothing has moved while a limit kept the connection from being read (`Limits::paused`)",
                ),
                Timer::Shrink => {
                    self.shrink_input();
                    continue;
                }
                Timer::Large => {
                    if let Some(stream) = &mut self.stream {
                        stream.writer.keep_none();
                    }
                    continue;
                }
            };
            return Err(Error::new(ErrorKind::Timeout, Origin::Remote, message).caused_by(cause));
        }
    }

    /// Since when it has been idle, if Commands have run, or still run, since the last frame came.
    fn idle_since(&self) -> Option<Instant> {
        let state = self.session.line.lock();
        let since = if state.in_flight.is_empty() { state.active } else { Instant::now() };
        (since > self.last_frame).then_some(since)
    }

    fn deadlines(&self) -> Deadlines<Timer> {
        let limits = self.session.line.limits();
        let reading = !self.paused && !self.input_ended;
        let mut deadlines = Deadlines::new();
        let writer = self.stream.as_ref().map(|stream| &stream.writer);
        let stalled = writer.and_then(Writer::stalled_since);
        deadlines.set(Timer::Stall, stalled, limits.output_stall);
        deadlines.set_at(Timer::Resume, self.paused_until.filter(|_| !self.input_ended));
        let has_place = self.weighing.holds_a_place_for_a_part();
        let frame_time = if has_place { limits.frame_time.min(PART_TIME) } else { limits.frame_time };
        deadlines.set(Timer::Frame, self.frame_began.filter(|_| reading), frame_time);
        if let Some(idle) = limits.idle {
            deadlines.set(Timer::Idle, reading.then_some(self.last_frame), idle);
        }
        if let Some(first_frame) = limits.first_frame {
            let since = self.session.line.silent_since().filter(|_| reading);
            deadlines.set(Timer::First, since, first_frame);
        }
        let half_closed = self.half_closed.as_ref().map(|known| known.0);
        deadlines.set(Timer::HalfClosed, half_closed, limits.half_closed);
        let paused = self.paused && !self.input_ended;
        let still = self.still_since;
        let is_timed = self.paused_until.is_some() && self.weighing.waits.is_none();
        deadlines.set(Timer::Paused, (paused && !is_timed).then_some(still), limits.paused);
        deadlines.set(Timer::Look, self.looked.filter(|_| paused || half_closed.is_some()), LOOK_AFTER);
        let since = self.frame_began.unwrap_or(self.read_at);
        deadlines.set(Timer::Shrink, self.inbox.is_roomy().then_some(since), SHRINK_AFTER);
        deadlines.set(Timer::Large, writer.and_then(Writer::keeps_since), SHRINK_AFTER);
        deadlines
    }

    /// Looks whether the client is still there, although nothing is read.
    fn look(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        self.looked = Some(now);
        match self.stream.as_ref().and_then(|stream| presence(&stream.io)) {
            Some(Presence::HalfClosed) if self.half_closed.is_none() => {
                self.half_closed = Some(Box::new((now, has_closed())));
            }
            Some(Presence::Gone(error)) => return Err(Error::io("the connection broke", error)),
            _ => {}
        }
        Ok(())
    }
}

/// What a connection can wait for.
#[derive(Clone, Copy)]
enum Timer {
    /// The client must read some of the output.
    Stall,
    /// Reading may go on.
    Resume,
    /// The Command that has begun must be whole.
    Frame,
    /// Another Command must be whole.
    Idle,
    /// The first Command must be whole.
    First,
    /// The client has closed its direction, and its Commands must be answered.
    HalfClosed,
    /// Something must move while a limit keeps the connection from being read.
    Paused,
    /// Whether the client is still there.
    Look,
    /// The room in the read buffer is given back.
    Shrink,
    /// No large buffers are kept any more for what is written.
    Large,
}
