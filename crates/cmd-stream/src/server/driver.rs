//! The task of one connection of a server. In each round it reads once, starts all Commands that have arrived, and writes
//! what they answered. While a limit is reached it does not read. It returns why the connection ended.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::boxes::{Booking, Boxes};
use super::desk::{Desk, Stream, Written};
use super::ending::Ending;
use super::execute::ServerProtocol;
use super::line::task::Input;
use super::notices::Notice;
use super::service::Service;
use super::session::Session;
use super::start::{Fate, Start};
use crate::connection::{Inbox, ROUNDS, Slice, Timers, let_others_run};
use crate::error::{Error, ErrorKind, Origin, discard};
use crate::format::Format;
use crate::proto::decode::Decoded;
use crate::proto::frame::{Frame, FrameReader, Seq};
use crate::proto::rate::Bucket;
use crate::proto::varint;
use crate::protocol::Protocol;
use crate::sync::Arc;
use crate::sync::atomic::Ordering::Relaxed;
use crate::transport::{Io, presence};

mod naming;
mod timing;
mod weighing;

use weighing::{MOST_UNWEIGHED, Weighing};

/// Moves the bytes of one connection.
pub(crate) struct Driver<IO, S: Service> {
    session: Arc<Session<S>>,
    /// None while it is on the desk.
    stream: Option<Box<Stream<IO>>>,
    desk: Arc<Desk<IO, S>>,
    inbox: Inbox,
    reader: FrameReader<<S::Format as Format>::Progress>,
    timers: Timers,
    /// Whether reading has stopped because a limit is reached.
    paused: bool,
    /// How long it has stopped at least, if only time ends that.
    paused_until: Option<Instant>,
    /// What is left of the rate of Commands, if there is one.
    rate: Bucket<Instant>,
    /// What it takes of the server's memory.
    weighing: Weighing,
    /// Since when nothing has moved while reading was stopped.
    still_since: Instant,
    /// When it was last looked whether the client is still there. None if that cannot be seen.
    looked: Option<Instant>,
    /// Since when the client is known to send nothing more, and what the connection ends with therefore.
    half_closed: Option<Box<(Instant, Error)>>,
    /// Whether reading has stopped for good.
    input_ended: bool,
    /// When the bytes in the inbox were read, or could first be looked at.
    read_at: Instant,
    /// How long this poll of the task may go on.
    slice: Slice,
    /// Why there may be whole frames in the inbox, if that is not because of a limit.
    rest: Rest,
    /// Since when the rest of an incomplete frame has been awaited.
    frame_began: Option<Instant>,
    /// When the last frame was complete.
    last_frame: Instant,
    /// Whether there has been one.
    had_frame: bool,
    /// Whether a Command has come with the last read.
    had_command: bool,
}

impl<IO: Io, S: Service> Driver<IO, S> {
    pub(crate) fn new(session: Arc<Session<S>>, stream: Box<Stream<IO>>) -> Self {
        let now = Instant::now();
        Self {
            looked: presence(&stream.io).map(|_| now),
            stream: Some(stream),
            desk: Desk::new(&session),
            inbox: Inbox::default(),
            reader: FrameReader::new(session.line.limits().frame).positions(<S::Format as Format>::position),
            timers: Timers::default(),
            paused: false,
            paused_until: None,
            rate: Bucket::full(),
            weighing: Weighing::default(),
            still_since: now,
            half_closed: None,
            input_ended: false,
            read_at: now,
            slice: Slice::default(),
            rest: Rest::Nothing,
            frame_began: None,
            last_frame: now,
            had_frame: false,
            had_command: false,
            session,
        }
    }

    /// Runs until the connection ends, and returns the reason.
    ///
    /// By reference: a future that takes an argument by value and changes it has room for it twice.
    pub(crate) async fn run(&mut self) -> Error {
        let reason = poll_fn(|cx| match self.poll_rounds(cx) {
            Ok(()) => Poll::Pending,
            Err(reason) => Poll::Ready(reason),
        })
        .await;
        if self.is_first_frame_wrong(&reason) { Box::pin(self.naming_foreign(reason)).await } else { reason }
    }

    fn poll_rounds(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        self.slice.begin();
        for _ in 0..ROUNDS {
            // Before anything else: nothing of a connection can be done without its stream.
            if !self.has_stream(cx) {
                return Ok(());
            }
            // Reading comes first: what the Commands of one read answer in place goes out in one write.
            let took = self.take_in(cx);
            let resumed = match self.give_out(took, cx)? {
                // Writing may have made the room that reading waited for. Nobody else would wake this task for that.
                Progress::Made => self.may_resume(),
                Progress::Waits => return Ok(()),
            };
            if !took && !resumed {
                return self.wait(cx);
            }
            if self.slice.is_over() {
                break;
            }
        }
        // A connection that is always busy does not wait. Its timers are looked at all the same.
        self.wait(cx)?;
        // There is still something to do, so this task must not sleep; but it lets others run in between.
        let_others_run(cx);
        Ok(())
    }

    /// Whether this task has its stream. If somebody who stood in is in the middle of a write, it waits for that.
    #[inline]
    fn has_stream(&mut self, cx: &Context<'_>) -> bool {
        if self.stream.is_none()
            && let Poll::Ready(stream) = self.desk.poll_back(cx)
        {
            self.stream = Some(stream);
        }
        self.stream.is_some()
    }

    /// Whether what kept the connection from being read is over. Asked when this task has left its waker.
    fn may_resume(&self) -> bool {
        if self.input_ended {
            return false;
        }
        match self.rest {
            Rest::Crowded => !self.session.line.unstarted.waits(),
            Rest::OutOfTime => true,
            Rest::Nothing => {
                self.paused && self.paused_until.is_none() && !self.session.line.lock().is_paused()
            }
        }
    }

    /// The stream, and what was taken to be written, and is not yet. All else is given back.
    pub(crate) fn into_stream(self) -> Option<Box<Stream<IO>>> {
        self.stream
    }

    /// Ends the connection after its output, and reads no more.
    fn end_input(&mut self, reason: Error) {
        self.input_ended = true;
        self.session.line.end(Ending::AfterOutput(reason));
    }

    /// The client sends nothing more. The Commands that it has sent are still answered, for a time.
    fn half_close(&mut self) {
        let reason = if self.inbox.is_empty() {
            has_closed()
        } else {
            let message = "the connection ended in the middle of a frame";
            Error::new(ErrorKind::UnexpectedEof, Origin::Remote, message)
        };
        let since = self.half_closed.as_ref().map_or_else(Instant::now, |known| known.0);
        self.half_closed = Some(Box::new((since, reason)));
        self.input_ended = true;
        self.session.line.lock().input_ended = true;
    }

    /// Why the connection ends of a client that sends nothing more.
    fn left(&self) -> Error {
        self.half_closed.as_ref().map_or_else(has_closed, |known| known.1.clone())
    }

    /// Starts the Commands that have arrived; those that were left when reading was paused come first. Returns whether
    /// there may be more.
    fn take_in(&mut self, cx: &mut Context<'_>) -> bool {
        let (is_ending, is_paused, may_look) = self.session.line.wake_up();
        self.input_ended |= is_ending;
        if may_look {
            self.weighing.command_has_ended(&self.session);
        }
        if self.input_ended {
            return false;
        }
        if self.paused {
            if may_look && self.weighing.waits.is_some() {
                // One of its Commands has ended, and has given back what it took.
                (self.paused_until, self.still_since) = (None, Instant::now());
            }
            if is_paused || self.paused_until.is_some() {
                return false;
            }
            if self.weighing.waits.is_some() {
                self.session.line.lock().is_held_up = false;
            }
            // The client is not to blame for the pause, so its idle time starts anew.
            let now = Instant::now();
            (self.paused, self.last_frame, self.read_at) = (false, now, now);
            // What had been read already comes before the next read, which would append to it for ever.
            self.start_commands(now);
            if self.has_stopped() {
                return true;
            }
        }
        if self.rest != Rest::Nothing {
            if self.rest == Rest::Crowded && self.session.line.unstarted.waits() {
                return false;
            }
            self.start_commands(Instant::now());
            if self.has_stopped() {
                return true;
            }
        }
        let Some(stream) = &mut self.stream else { return true };
        match self.inbox.poll_read(&mut stream.io, self.reader.needed(), cx) {
            Poll::Pending => {
                self.book_rest();
                return false;
            }
            Poll::Ready(Ok(0)) => self.half_close(),
            Poll::Ready(Ok(bytes)) => {
                self.session.line.control.tally.received(bytes);
                self.read_at = Instant::now();
                self.start_commands(self.read_at);
            }
            Poll::Ready(Err(error)) => self.end_input(Error::io("reading failed", error)),
        }
        true
    }

    /// Whether this side does not read because of a limit, or because others have their turn.
    fn is_held_up(&self) -> bool {
        self.paused || self.input_ended || self.rest != Rest::Nothing
    }

    /// Whether no more can be read in this round.
    fn has_stopped(&self) -> bool {
        self.stream.is_none() || self.is_held_up()
    }

    /// Decodes all frames in the inbox and starts their Commands, until a limit is reached, or others have their turn.
    fn start_commands(&mut self, now: Instant) {
        let had_rest = std::mem::replace(&mut self.rest, Rest::Nothing) != Rest::Nothing;
        if self.slice.look(now) {
            self.rest = Rest::OutOfTime;
            return;
        }
        let service = Arc::clone(&self.session.service);
        let mut boxes = Boxes::of(service.parts().id, service.parts().paces.len());
        let mut started = 0;
        if let Some(shedder) = &self.session.line.control.shedder {
            // What was left when the slice was over has waited in line, whether tasks wait or not.
            if had_rest { shedder.among_commands(self.read_at) } else { shedder.before_commands(now) }
        }
        // The user's code runs in here: decoding, and the destructors of what was decoded. Commands contain their own
        // panics. If it blocks the thread, the end of the server does not wait for it, but counts it.
        self.session.line.is_in_command.store(true, Relaxed);
        if let Some(stream) = self.stream.take() {
            self.desk.leave(stream);
        }
        let loop_ended =
            catch_unwind(AssertUnwindSafe(|| self.start_commands_in(&mut boxes, now, &mut started)));
        // In any case, also after a panic: the boxes hold the boxes of this thread, and the counts what was started.
        boxes.give_back(&Booking::new(&self.session, self.read_at));
        self.stream = self.desk.come_back();
        self.session.line.is_in_command.store(false, Relaxed);
        if std::mem::take(&mut self.had_command) {
            self.session.line.note_commands(now);
        }
        match loop_ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.end_input(error),
            Err(payload) => {
                // The Format is asked again, which has panicked.
                let what = catch_unwind(AssertUnwindSafe(|| self.described())).map_err(discard);
                let what = what.unwrap_or_else(|()| "command".to_owned());
                self.end_input(Error::panic(&format!("decoding a {what}"), payload));
            }
        }
        self.book_input(now);
        if self.paused && self.weighing.waits.is_none() {
            self.note_pause(now);
            self.give_place_of_part_back();
        }
        self.frame_began = match (self.inbox.is_empty() || self.is_held_up(), self.frame_began) {
            // While this side does not read, a frame cannot go on, and its time does not count.
            (true, _) => None,
            (false, began) => began.or(Some(now)),
        };
    }

    /// Reading stops now.
    fn note_pause(&mut self, now: Instant) {
        self.still_since = now;
        self.looked = self.looked.map(|_| now);
    }

    fn start_commands_in(&mut self, boxes: &mut Boxes, now: Instant, started: &mut u64) -> Result<(), Error> {
        let control = &self.session.line.control;
        // Asked once: most servers have neither.
        let has_pressure = control.limits.command_rate.is_some() || control.shedder.is_some();
        // With a shedder it is the time that Commands wait which says whether there are too many of them.
        let is_shared = control.shedder.is_none();
        let weighs = self.weighing.begin(&self.session, self.inbox.bytes().len());
        let mut commands = 0;
        while !self.inbox.is_empty() {
            if is_shared && self.session.line.unstarted.is_over() {
                self.rest = Rest::Crowded;
                return Ok(());
            }
            // Asked before each Command, because the one before it may have ended the connection, or filled it.
            let Some((has_in_flight, mut fate)) = self.ask_line() else { return Ok(()) };
            if has_pressure {
                if self.ask_pressure(now, *started) && fate == Fate::Starts {
                    fate = Fate::IsShed;
                }
                if self.paused {
                    return Ok(());
                }
            }
            let (session, format) = (&self.session, &self.session.service.parts().format);
            let weighing = &mut self.weighing;
            let frame = self.reader.read(
                self.inbox.bytes(),
                |bytes| format.decode_tag(bytes),
                |head, body, progress| {
                    if weighs && !weighing.admits(session, head.tag, body, progress) {
                        return Decoded::Value(Ok(Taken::NotNow), 0);
                    }
                    let start =
                        Start { session, boxes, head, has_in_flight, fate, received_at: self.read_at };
                    S::Protocol::decode_command(format, head.tag, body, progress, start)
                        .map(|taken| taken.map(Taken::Now))
                },
            );
            if weighs {
                weighing.settle(session);
            }
            match frame {
                Decoded::Value(Frame::Body(_, Ok(Taken::NotNow)), _) => {
                    self.pause_for_memory(now, true);
                    return Ok(());
                }
                Decoded::Value(Frame::Body(_, Ok(Taken::Now(is_started))), taken) => {
                    *started += u64::from(is_started);
                    commands += 1;
                    self.had_command = true;
                    if has_pressure && let Some(rate) = self.session.line.limits().command_rate {
                        self.rate.take(rate, now);
                    }
                    self.inbox.consume(taken);
                }
                Decoded::Value(Frame::Ping, taken) => {
                    self.inbox.consume(taken);
                    self.session.line.answer_ping();
                }
                // A client that uses a seq twice could take one Reply for the other. Its connection is of no use.
                Decoded::Value(Frame::Body(_, Err(refused)), _) => {
                    let (kind, origin) = (ErrorKind::Protocol, Origin::Remote);
                    return Err(Error::with_source(kind, origin, "invalid command", refused));
                }
                Decoded::Incomplete(_) => return Ok(()),
                Decoded::Invalid(error) => return Err(Error::decode(&self.described(), error)),
            }
            (self.last_frame, self.had_frame) = (now, true);
            self.frame_began = None;
            let is_enough = self.has_used_its_slice(boxes) || commands >= MOST_UNWEIGHED;
            if is_enough && !self.inbox.is_empty() {
                self.rest = Rest::OutOfTime;
                return Ok(());
            }
        }
        Ok(())
    }

    /// How the log names the Command that is the first in the inbox.
    #[cold]
    fn described(&self) -> String {
        let (bytes, format) = (self.inbox.bytes(), &self.session.service.parts().format);
        if let Decoded::Value(seq, len) = varint::decode::<u64>(bytes)
            && let Decoded::Value(tag, _) = format.decode_tag(&bytes[len..])
            && let Some(entry) = S::Protocol::COMMANDS.iter().find(|entry| entry.tag == tag)
        {
            format!("command {} with seq {}", entry.name, Seq::new(seq.cast_signed()))
        } else {
            "command".to_owned()
        }
    }

    /// What becomes of the next frame if it is a Command, and whether others are in flight. None if no further one is started
    /// now.
    #[inline]
    fn ask_line(&mut self) -> Option<(bool, Fate)> {
        let state = self.session.line.lock();
        let fate = match &state.ending {
            None => Fate::Starts,
            Some(ending) if ending.reason().is_some() => return None,
            Some(Ending::WhenAnswered) => Fate::IsRefused,
            Some(_) => Fate::Starts,
        };
        if state.is_paused() {
            let is_full = state.in_flight.is_full();
            drop(state);
            let kind = if is_full { Notice::InFlightPause } else { Notice::OutputPause };
            self.session.line.report_paused(kind);
            (self.paused, self.weighing.waits) = (true, None);
            return None;
        }
        Some((!state.in_flight.is_empty(), fate))
    }

    /// Counts a frame, and looks at the clock if it is time for that.
    #[inline]
    fn has_used_its_slice(&mut self, boxes: &mut Boxes) -> bool {
        let is_to_look = self.slice.is_to_look();
        let now = if boxes.is_group_full() {
            boxes.end_group(&Booking::new(&self.session, self.read_at))
        } else {
            is_to_look.then(Instant::now)
        };
        now.is_some_and(|now| self.slice.look(now))
    }

    /// Whether the next Command is not to be started because the server is overloaded. Pauses reading if there is no room
    /// for it in the rate, or if it could not be told.
    #[cold] // for most servers: it would take the registers of the loop that calls it
    fn ask_pressure(&mut self, now: Instant, started: u64) -> bool {
        let control = &self.session.line.control;
        if let Some(rate) = control.limits.command_rate
            && let Some(room_at) = self.rate.room_at(rate, now)
        {
            self.session.line.report_paused(Notice::RatePause);
            self.pause_until(Some(room_at));
            return false;
        }
        let Some(shedder) = &control.shedder else { return false };
        if started > 0 && started.is_multiple_of(LOOK_EVERY) {
            shedder.among_commands(self.read_at);
        }
        let sheds = shedder.sheds();
        if sheds && S::Protocol::FAILURE.is_none() {
            self.session.line.report_paused(Notice::ShedPause);
            self.pause_until(Some(Instant::now() + shedder.pause()));
        }
        sheds
    }

    /// Stops reading until then, though something has arrived; or lets it go on.
    fn pause_until(&mut self, until: Option<Instant>) {
        (self.paused, self.paused_until) = (true, until);
        if until.is_some() {
            self.weighing.waits = None; // that is over, and this is another limit
        }
        self.session.line.lock().is_held_up = until.is_some();
    }

    /// Writes the output, and ends the connection if it is to end then. `took` says whether there may be more to read.
    fn give_out(&mut self, took: bool, cx: &mut Context<'_>) -> Result<Progress, Error> {
        if !self.has_stream(cx) {
            return Ok(Progress::Waits);
        }
        let input = self.input(took);
        let Some(stream) = &mut self.stream else { return Ok(Progress::Waits) };
        let (paused, weighing) = (self.paused, &self.weighing);
        let (still_since, paused_until) = (&mut self.still_since, &mut self.paused_until);
        let sent = |bytes| {
            if paused && bytes > 0 {
                *still_since = Instant::now();
                if weighing.waits.is_some() {
                    *paused_until = None; // it takes less now
                }
            }
        };
        match stream.write(&self.session, input, sent, cx)? {
            Written::All | Written::Blocked => Ok(Progress::Made),
            Written::Yielding => Ok(Progress::Waits),
            Written::Left => Err(self.left()),
        }
    }

    /// What is known of the input, when the output is looked at. `took` says whether there may be more to read.
    fn input(&self, took: bool) -> Input {
        if self.input_ended {
            Input::Ended
        } else if took || (self.paused && !self.inbox.is_empty() && !self.weighing.awaits_rest()) {
            Input::Pending // if it is not paused, what is in the inbox is a part of a frame
        } else {
            Input::Quiet
        }
    }
}

/// Why frames that may be whole were left in the inbox.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// There are none, or a limit is the reason.
    Nothing,
    /// The slice of time was over, or there were many Commands.
    OutOfTime,
    /// Enough Commands wait for the first poll of their tasks.
    Crowded,
}

/// Among so many Commands of one read the clock is looked at, if the server sheds load.
const LOOK_EVERY: u64 = 16;

/// What becomes of a Command whose first byte has arrived.
enum Taken {
    /// It was decoded. Whether it has started.
    Now(bool),
    /// There is no memory for it.
    NotNow,
}

/// What has become of the output.
enum Progress {
    /// It was written, as far as the client takes it.
    Made,
    /// Others run first, or have the stream. This task is woken.
    Waits,
}

fn has_closed() -> Error {
    Error::new(ErrorKind::Closed, Origin::Remote, "the client closed the connection")
}
