//! The task of one connection of a server. Its round: read once, start all Commands that have arrived, write what they
//! answered. It stops reading while a limit is reached, and ends with the reason.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::counters::{add, one};
use super::execute::{CommandVisitor, Execute, ServerProtocol};
use super::execution;
use super::invoker::Invoker;
use super::link::Arrival;
use super::places::Places;
use super::session::{Ending, Session};
use crate::connection::outbox::Scratch;
use crate::connection::{Alarm, Inbox, ROUNDS, Writer};
use crate::error::{Error, ErrorKind, Origin};
use crate::format::Format;
use crate::proto::decode::{Decoded, Fault};
use crate::proto::frame::{Frame, FrameReader, Head, Seq};
use crate::proto::in_flight::SeqRefused;
use crate::protocol::CommandOf;
use crate::transport::Io;

/// Moves the bytes of one connection.
pub(crate) struct Driver<'io, IO, P, F: Format, R, I> {
    session: Arc<Session<P, F, R, I>>,
    io: &'io mut IO,
    inbox: Inbox,
    reader: FrameReader<F::Progress>,
    writer: Writer,
    alarm: Alarm,
    /// Whether reading has stopped because a limit is reached.
    paused: bool,
    /// Whether reading has stopped for good.
    input_ended: bool,
    /// Whether those who may add to the output have had their turn since it was last written.
    yielded: bool,
    /// Since when a frame that has begun is waited for.
    frame_began: Option<Instant>,
    /// When the last frame was there whole.
    last_frame: Instant,
}

impl<'io, IO: Io, P, F, R, I> Driver<'io, IO, P, F, R, I>
where
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync + 'static,
    I: Invoker<P>,
{
    pub(crate) fn new(session: Arc<Session<P, F, R, I>>, io: &'io mut IO) -> Self {
        Self {
            io,
            inbox: Inbox::default(),
            reader: FrameReader::new(session.service.limits.frame),
            writer: Writer::default(),
            alarm: Alarm::default(),
            paused: false,
            input_ended: false,
            yielded: false,
            frame_began: None,
            last_frame: Instant::now(),
            session,
        }
    }

    /// Runs until the connection ends, and says why it did.
    pub(crate) async fn run(mut self) -> Error {
        poll_fn(|cx| match self.poll_rounds(cx) {
            Ok(()) => Poll::Pending,
            Err(reason) => Poll::Ready(reason),
        })
        .await
    }

    fn poll_rounds(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let took = self.take_in(cx);
            let resumed = match self.give_out(cx)? {
                Written::All | Written::Blocked => {
                    self.paused && !self.input_ended && !self.session.lock().is_paused()
                }
                Written::Yielding => return Ok(()),
            };
            if !took && !resumed {
                return self.wait(cx);
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Ends the connection after its output, and reads no more.
    fn end_input(&mut self, reason: Error) {
        self.input_ended = true;
        self.session.end(Ending::AfterOutput(reason));
    }

    /// Starts the Commands that have arrived, those left from before a pause first. Whether there may be more.
    fn take_in(&mut self, cx: &mut Context<'_>) -> bool {
        let is_paused = {
            let mut state = self.session.lock();
            state.task = None; // it is awake: nobody need wake it
            self.input_ended |= state.is_ending();
            state.is_paused()
        };
        if self.input_ended {
            return false;
        }
        if self.paused {
            if is_paused {
                return false;
            }
            let now = Instant::now();
            (self.paused, self.last_frame) = (false, now);
            self.start_commands(now);
            if self.paused || self.input_ended {
                return true;
            }
        }
        match self.inbox.poll_read(self.io, cx) {
            Poll::Pending => return false,
            Poll::Ready(Ok(0)) if self.inbox.is_empty() => {
                self.end_input(Error::new(
                    ErrorKind::Closed,
                    Origin::Remote,
                    "the client closed the connection",
                ));
            }
            Poll::Ready(Ok(0)) => {
                let message = "the connection ended in the middle of a frame";
                self.end_input(Error::new(ErrorKind::UnexpectedEof, Origin::Remote, message));
            }
            Poll::Ready(Ok(_)) => self.start_commands(Instant::now()),
            Poll::Ready(Err(error)) => self.end_input(Error::io("reading failed", error)),
        }
        true
    }

    /// Decodes all frames in the inbox and starts their Commands, until a limit is reached.
    fn start_commands(&mut self, now: Instant) {
        let service = Arc::clone(&self.session.service);
        let mut places = Places::of(&service);
        let mut started = 0;
        // The user's code runs in here: decoding, and the destructors of what was decoded. Commands contain their own
        // panics.
        let loop_ended =
            catch_unwind(AssertUnwindSafe(|| self.start_commands_in(&mut places, now, &mut started)));
        places.give_back(&service);
        add(&service.counts.commands, started);
        match loop_ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.end_input(error),
            Err(payload) => self.end_input(Error::panic("decoding a command", &*payload)),
        }
        self.frame_began = match (self.inbox.is_empty() || self.paused, self.frame_began) {
            (true, _) => None,
            (false, began) => began.or(Some(now)),
        };
    }

    fn start_commands_in(
        &mut self,
        places: &mut Places,
        now: Instant,
        started: &mut u64,
    ) -> Result<(), Error> {
        loop {
            if self.inbox.is_empty() {
                return Ok(());
            }
            let has_in_flight = {
                let state = self.session.lock();
                if state.is_ending() {
                    return Ok(());
                }
                if state.is_paused() {
                    let counts = &self.session.service.counts;
                    one(if state.in_flight.is_full() {
                        &counts.in_flight_pauses
                    } else {
                        &counts.output_pauses
                    });
                    self.paused = true;
                    return Ok(());
                }
                !state.in_flight.is_empty()
            };
            let (session, format) = (&self.session, &self.session.service.format);
            let frame = self.reader.read(
                self.inbox.bytes(),
                |bytes| format.decode_tag(bytes),
                |head, body, progress| {
                    let start = Start { session, places, head, has_in_flight, received_at: now };
                    P::decode_command(format, head.tag, body, progress, start)
                },
            );
            match frame {
                Decoded::Value(Frame::Body(_, Ok(())), taken) => {
                    *started += 1;
                    self.inbox.consume(taken);
                }
                Decoded::Value(Frame::Ping, taken) => {
                    self.inbox.consume(taken);
                    self.answer_ping();
                }
                Decoded::Value(Frame::Body(_, Err(refused)), _) => {
                    one(&self.session.service.counts.invalid);
                    return Err(Error::with_source(
                        ErrorKind::Protocol,
                        Origin::Remote,
                        "invalid command",
                        refused,
                    ));
                }
                Decoded::Incomplete(_) => return Ok(()),
                Decoded::Invalid(error) => {
                    let counts = &self.session.service.counts;
                    let too_long = matches!(error.fault, Fault::TooLong { .. });
                    one(if too_long { &counts.over_frame_limit } else { &counts.invalid });
                    return Err(Error::decode("command", error));
                }
            }
            self.last_frame = now;
            self.frame_began = None;
            places.look_at_clock(&self.session.service.paces);
        }
    }

    fn answer_ping(&self) {
        let mut pong = Scratch::new();
        Seq::PING.encode(pong.buffer());
        let mut state = self.session.lock();
        state.outbox.append(|_| {}, &mut pong);
        drop(state);
        one(&self.session.service.counts.pings);
    }

    /// Writes the output, and ends the connection if it is to end then.
    fn give_out(&mut self, cx: &mut Context<'_>) -> Result<Written, Error> {
        loop {
            if self.writer.is_idle() && self.next_batch(cx)? {
                return Ok(if self.yielded { Written::Yielding } else { Written::All });
            }
            if self.writer.poll(self.io, cx)?.is_pending() {
                self.settle(cx)?;
                return Ok(Written::Blocked);
            }
        }
    }

    /// Takes what is to be written next. True if there is nothing for now; then whoever has something wakes this task.
    fn next_batch(&mut self, cx: &Context<'_>) -> Result<bool, Error> {
        let mut state = self.session.lock();
        // Before anything is taken out of the state: who waits for room is then woken by the end of the connection.
        match &state.ending {
            Some(Ending::Now(reason)) => return Err(reason.clone()),
            Some(Ending::AfterOutput(reason)) if state.outbox.is_empty() => return Err(reason.clone()),
            Some(Ending::WhenIdle) if state.is_idle() && self.inbox.is_empty() => {
                return Err(Error::new(ErrorKind::Closed, Origin::Local, "the server is shutting down"));
            }
            _ => {}
        }
        let waiting = state.outbox.settle(0);
        let replies = std::mem::take(&mut state.replies);
        let nothing = if state.outbox.is_empty() {
            state.task = Some(cx.waker().clone());
            self.yielded = false;
            true
        } else if state.has_late_output && !self.yielded {
            // More Replies are about to come; the batch is written when their Commands have had their turn.
            self.yielded = true;
            cx.waker().wake_by_ref();
            true
        } else {
            (self.yielded, state.has_late_output) = (false, false);
            self.writer.load(&mut state.outbox);
            false
        };
        drop(state);
        add(&self.session.service.counts.replies, replies);
        waiting.into_iter().for_each(Waker::wake);
        Ok(nothing)
    }

    /// Books a write that the peer did not take whole.
    fn settle(&self, cx: &Context<'_>) -> Result<(), Error> {
        let waiting = {
            let mut state = self.session.lock();
            if let Some(Ending::Now(reason)) = &state.ending {
                return Err(reason.clone());
            }
            state.task = Some(cx.waker().clone());
            state.outbox.settle(self.writer.left())
        };
        waiting.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Nothing can be done now: sets the alarm.
    fn wait(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        let limits = &self.session.service.limits;
        let reading = !self.paused && !self.input_ended;
        let frame = self.frame_began.filter(|_| reading).map(|began| began + limits.frame_time);
        let idle = limits.idle.filter(|_| reading).map(|time| self.last_frame + time);
        let stall = self.writer.stalled_since().map(|since| since + limits.output_stall);
        loop {
            let shrink = self.inbox.shrink_after(self.frame_began);
            if !self.alarm.has_passed([frame, idle, stall, shrink].into_iter().flatten().min(), cx) {
                return Ok(());
            }
            let now = Instant::now();
            let is_over = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
            let counts = &self.session.service.counts;
            let (counter, message) = if is_over(stall) {
                (&counts.output_stalls, "the client takes no output (`Limits::output_stall`)")
            } else if is_over(frame) {
                (&counts.receive_timeouts, "a command did not arrive whole in time (`Limits::frame_time`)")
            } else if is_over(idle) {
                (&counts.receive_timeouts, "no command arrived in time (`Limits::idle`)")
            } else {
                continue; // the inbox has room to give back
            };
            one(counter);
            return Err(Error::new(ErrorKind::Timeout, Origin::Remote, message));
        }
    }
}

enum Written {
    All,
    Blocked,
    Yielding,
}

/// Starts a Command when its type is known.
struct Start<'a, P, F, R, I> {
    session: &'a Arc<Session<P, F, R, I>>,
    places: &'a mut Places,
    head: Head,
    has_in_flight: bool,
    received_at: Instant,
}

impl<P, F, R, I> CommandVisitor<P, R> for Start<'_, P, F, R, I>
where
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync + 'static,
    I: Invoker<P>,
{
    type Output = Result<(), SeqRefused>;

    fn visit<C: CommandOf<P> + Execute<R>>(self, command: C, body_len: usize) -> Result<(), SeqRefused> {
        if self.has_in_flight || self.head.seq.get() < 0 {
            self.session.admit(self.head.seq)?;
        }
        let arrival =
            Arrival { seq: self.head.seq, received_at: self.received_at, size: self.head.len + body_len };
        execution::start(self.session, self.places, arrival, command);
        Ok(())
    }
}
