//! One connection of a client, until it is lost. In each round the client's task reads once, hands on all Replies, lets
//! their callers send their next Commands, and writes once. While a write is blocked it continues to read: otherwise two
//! busy ends could each wait for the other to read.
//!
//! `connection.rs` explains who wakes the task, `client/table.rs` how a connection ends, `client/reconnect.rs` what
//! follows.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::Shared;
use super::counters::add;
use super::keepalive::Keepalive;
use super::table::{Arrived, Batch};
use crate::connection::{
    Deadlines, Inbox, LOOK_AFTER, PATIENCE, ROUNDS, SHRINK_AFTER, Slice, Timers, Waking, Writer,
    let_others_run, wake_all,
};
use crate::error::cause::Cause;
use crate::error::{Error, ErrorKind, Origin, discard};
use crate::format::Format;
use crate::proto::decode::Decoded;
use crate::proto::frame::{Frame, FrameReader, Seq};
use crate::proto::liveness::{Act, Liveness};
use crate::protocol::{ClientProtocol, Protocol};
use crate::sync::atomic::Ordering::Relaxed;
use crate::transport::{Io, Presence, presence};

/// Moves the bytes of one connection.
pub(super) struct Driver<'a, IO, P: Protocol, F: Format> {
    shared: &'a Shared<P, F>,
    io: &'a mut IO,
    inbox: Inbox,
    reader: FrameReader<F::Progress>,
    writer: Writer,
    timers: Timers,
    /// Whether a full stream keeps the connection from being read.
    paused: bool,
    /// When it was last looked whether the server is still there. None if that cannot be seen.
    looked: Option<Instant>,
    /// Whether the callers have had their turn since the output was last written.
    yielded: bool,
    frame_began: Option<Instant>,
    liveness: Liveness<Instant>,
    /// Whether something has been read, or written, since the clock was last looked at. It is not looked at more often than
    /// the task sleeps.
    heard: bool,
    sent: bool,
    /// When this poll of the task has looked at the clock, if it has. Once is enough.
    looked_at: Option<Instant>,
    /// Where the last ping is.
    ping: Ping,
    /// How many rounds there were since the timers were last looked at.
    rounds: usize,
    /// When the first caller has waited long enough.
    alarm: Option<Instant>,
    /// When the connection has reached its greatest age.
    retires_at: Option<Instant>,
    /// How many streams of the client had failed when this was last asked.
    overflows: u64,
    arrived: Vec<Arrived<P::Reply>>,
    unexpected: Vec<(Seq, P::Reply)>,
    /// Callers who have Replies in the table, or room, and were not woken yet, the last one first. Nothing is read or written
    /// before they are.
    wakers: Vec<Waker>,
    waking: Waking,
}

impl<'a, IO: Io, P, F> Driver<'a, IO, P, F>
where
    P: ClientProtocol<F>,
    F: Format,
{
    /// The inbox may hold bytes that arrived with the ServerInfo.
    pub(super) fn new(
        shared: &'a Shared<P, F>,
        io: &'a mut IO,
        inbox: Inbox,
        retires_at: Option<Instant>,
    ) -> Self {
        Self {
            looked: presence(io).map(|_| Instant::now()),
            io,
            inbox,
            reader: FrameReader::new(shared.table.limits.frame).positions(F::position),
            writer: Writer::default(),
            timers: Timers::default(),
            paused: false,
            yielded: false,
            frame_began: None,
            liveness: Liveness::new(Instant::now()),
            heard: false,
            sent: false,
            looked_at: None,
            ping: Ping::Written,
            rounds: 0,
            alarm: None,
            retires_at,
            overflows: shared.table.counts.stream_overflows.load(Relaxed),
            arrived: Vec::new(),
            unexpected: Vec::new(),
            wakers: Vec::new(),
            waking: Waking::default(),
            shared,
        }
    }

    /// Runs until the connection is lost, or the client ends. Returns why.
    ///
    /// By reference: a future that takes an argument by value and changes it has room for it twice.
    pub(super) async fn run(&mut self) -> Error {
        // Frames that arrived with the ServerInfo. No read announces them, so they are decoded before the first one.
        add(&self.shared.table.counts.bytes_received, self.inbox.bytes().len() as u64);
        let mut first = self.decode().err();
        poll_fn(|cx| match first.take().map_or_else(|| self.poll_contained(cx), Err) {
            Ok(()) => Poll::Pending,
            Err(reason) => Poll::Ready(reason),
        })
        .await
    }

    /// What was taken to be written, and is not yet. All else is given back.
    pub(super) fn into_writer(mut self) -> Writer {
        std::mem::take(&mut self.writer)
    }

    /// The stream may be the user's, and may panic.
    fn poll_contained(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        catch_unwind(AssertUnwindSafe(|| self.poll(cx)))
            .unwrap_or_else(|payload| Err(Error::panic("the transport", payload)))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        // A read is decoded whole. The next one may wait.
        let mut slice = Slice::default();
        self.looked_at = None;
        for _ in 0..ROUNDS {
            // Before a round is counted: one in which nothing is read or written says nothing about the server.
            if self.wake_callers(cx) {
                self.inbox.rest();
                return Ok(());
            }
            // A connection that is always busy does not wait. Its timers are looked at all the same.
            self.rounds += 1;
            if self.rounds > ROUNDS {
                self.alarm = self.shared.table.earliest_deadline();
                self.wait(cx)?;
            }
            // Output first: what the callers added in their turn should not wait for another read.
            if self.give_out(cx)? || self.waking.yields_before_reading(cx) {
                self.inbox.rest();
                return Ok(());
            }
            if !self.take_in(cx)? && !self.wait(cx)? {
                return Ok(());
            }
            if slice.look(self.looked_at.unwrap_or_else(Instant::now)) {
                break;
            }
        }
        // There may be more to do, so this task must not sleep; but it lets others run in between.
        if !self.wake_callers(cx) {
            let_others_run(cx);
        }
        Ok(())
    }

    /// Wakes those whose Replies were read, as many as may be. Returns true if some are left, for when others have had their turn;
    /// this task has then woken itself.
    fn wake_callers(&mut self, cx: &Context<'_>) -> bool {
        let callers = self.wakers.len();
        if callers == 0 {
            return false;
        }
        // The clock was looked at when they were decoded, which may have been in this very poll.
        let is_late = self.looked_at.is_none() && self.shared.table.read_at().elapsed() > PATIENCE;
        let left = callers - self.waking.wakes(callers, is_late, cx);
        if left < callers {
            // These callers have something to send next, as a rule: they get their turn before the next write.
            self.yielded = false;
            wake_all(self.wakers.drain(left..).rev());
        }
        left > 0
    }

    /// Reads once. Returns whether there may be more to do.
    fn take_in(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        if self.paused {
            if !self.shared.table.may_read(cx) {
                return Ok(false);
            }
            self.paused = false;
            // The pause was ours, not the server's.
            self.frame_began = self.frame_began.map(|_| Instant::now());
            self.heard = true;
        }
        match self.inbox.poll_read(self.io, self.reader.needed(), cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(0)) if self.inbox.is_empty() => {
                Err(Error::new(ErrorKind::Closed, Origin::Remote, "the server closed the connection"))
            }
            Poll::Ready(Ok(0)) => {
                let message = "the connection ended in the middle of a frame";
                Err(Error::new(ErrorKind::UnexpectedEof, Origin::Remote, message))
            }
            Poll::Ready(Ok(bytes)) => {
                add(&self.shared.table.counts.bytes_received, bytes as u64);
                self.heard = true;
                self.decode().map(|()| true)
            }
            Poll::Ready(Err(error)) => Err(Error::io("reading failed", error)),
        }
    }

    /// Decodes all frames in the inbox, then hands on the Replies under one lock. Replies before an error are handed on,
    /// too.
    fn decode(&mut self) -> Result<(), Error> {
        let decoded = match catch_unwind(AssertUnwindSafe(|| self.decode_frames())) {
            Ok(decoded) => decoded,
            Err(payload) => Err(Error::panic("decoding a reply", payload)),
        };
        let now = Instant::now();
        self.looked_at = Some(now);
        if !self.arrived.is_empty() {
            self.shared.table.reads_at(now);
        }
        let completed = self.shared.table.complete(&mut self.arrived, &mut self.wakers, &mut self.unexpected);
        self.wakers.reverse();
        if !self.unexpected.is_empty() {
            self.note_overflows();
        }
        for (seq, reply) in self.unexpected.drain(..) {
            add(&self.shared.table.counts.unexpected, 1);
            tracing::trace!(%seq, "unexpected reply");
            // Both are the user's code: the callback, and the destructor of the Reply.
            let call = AssertUnwindSafe(|| match &self.shared.on_unexpected {
                Some(on_unexpected) => on_unexpected(seq, reply),
                None => drop(reply),
            });
            if let Err(payload) = catch_unwind(call) {
                discard(payload);
                tracing::error!(%seq, "the unexpected-reply callback panicked");
            }
        }
        self.paused = !completed?;
        if self.paused {
            self.looked = self.looked.map(|_| Instant::now());
            self.shared.table.notices.paused();
        }
        decoded
    }

    /// Tells the log of streams that have failed since this was last asked. Their Replies are among those that nobody waits for.
    fn note_overflows(&mut self) {
        let overflows = self.shared.table.counts.stream_overflows.load(Relaxed);
        if std::mem::replace(&mut self.overflows, overflows) < overflows {
            self.shared.table.notices.overflowed();
        }
    }

    fn decode_frames(&mut self) -> Result<(), Error> {
        let format = &*self.shared.format;
        let mut any = false;
        while !self.inbox.is_empty() {
            let frame = self.reader.read(
                self.inbox.bytes(),
                |bytes| format.decode_tag(bytes),
                |head, body, progress| P::decode_reply(format, head.tag, body, progress),
            );
            let taken = match frame {
                Decoded::Value(Frame::Body(head, reply), taken) => {
                    let is_last = P::is_last(&reply);
                    let size = taken as u32; // `Limits::frame` is at most `u32::MAX`
                    self.arrived.push(Arrived { seq: head.seq, reply, size, is_last });
                    taken
                }
                Decoded::Value(Frame::Ping, taken) => taken, // a pong
                Decoded::Incomplete(_) => break,
                Decoded::Invalid(error) => return Err(Error::decode("reply", error)),
            };
            self.inbox.consume(taken);
            any = true;
        }
        self.frame_began = match (self.inbox.is_empty(), self.frame_began) {
            (true, _) => None,
            (false, Some(began)) if !any => Some(began),
            (false, _) => Some(Instant::now()),
        };
        Ok(())
    }

    /// Writes the output. Returns true if the callers get their turn first; this task has then woken itself.
    fn give_out(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        loop {
            if self.writer.is_idle() {
                let (writer, yielded, alarm) = (&mut self.writer, &mut self.yielded, &mut self.alarm);
                match self.shared.table.next_batch(writer, yielded, alarm, cx)? {
                    Batch::Taken => {
                        self.sent = true;
                        self.ping = if self.ping == Ping::Waiting { Ping::Taken } else { self.ping };
                    }
                    Batch::Nothing => return Ok(false),
                    Batch::Later => return Ok(true),
                }
            }
            let left = self.writer.left();
            let written = self.writer.poll(self.io, cx);
            add(&self.shared.table.counts.bytes_sent, (left - self.writer.left()) as u64);
            let is_written = written?.is_ready();
            if self.ping != Ping::Written && (is_written || self.writer.left() < left) {
                self.liveness.ping_moves(Instant::now());
                if is_written && self.ping == Ping::Taken {
                    self.ping = Ping::Written;
                }
            }
            if !is_written {
                self.alarm = self.shared.table.book_unwritten(self.writer.left(), cx)?;
                return Ok(false);
            }
        }
    }

    /// Nothing can be read or written now: waits for the timers. Returns true if there is something to write after all.
    fn wait(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        self.rounds = 0;
        if self.heard || self.sent {
            let now = *self.looked_at.get_or_insert_with(Instant::now);
            if std::mem::take(&mut self.heard) {
                self.liveness.heard(now);
            }
            if std::mem::take(&mut self.sent) {
                self.liveness.sent(now);
            }
        }
        loop {
            let Poll::Ready(timer) = self.timers.poll(&self.deadlines(), self.looked_at, cx) else {
                return Ok(false);
            };
            let (cause, message) = match timer {
                Timer::Stall => (
                    Cause::OutputStall,
                    "the server takes no output and sends nothing (`Limits::output_stall`)",
                ),
                Timer::Frame => {
                    (Cause::FrameTime, "a reply did not arrive whole in time (`Limits::frame_time`)")
                }
                Timer::Keepalive(Act::GiveUp) => {
                    (Cause::Keepalive, "the server has sent nothing since it was pinged (`Keepalive`)")
                }
                Timer::Keepalive(Act::Ping) => {
                    add(&self.shared.table.counts.pings, 1);
                    self.liveness.pinged(Instant::now());
                    self.ping = Ping::Waiting;
                    self.shared.table.ping();
                    if self.writer.is_idle() {
                        return Ok(true);
                    }
                    continue; // it follows what the server has not taken yet
                }
                Timer::Call => {
                    self.shared.table.expire(Instant::now());
                    return Ok(true); // the next look at the output finds the next deadline
                }
                Timer::Age => {
                    if self.shared.table.retire_unless_last(self.shared.table.limits.drain) {
                        self.retires_at = None;
                        return Ok(true); // the next look at the output finds it
                    }
                    self.retires_at = Instant::now().checked_add(RETIRE_LATER);
                    continue;
                }
                Timer::Look => {
                    self.looked = Some(Instant::now());
                    if let Some(Presence::Gone(error)) = presence(self.io) {
                        return Err(Error::io("the connection broke", error));
                    }
                    continue;
                }
                Timer::Shrink => {
                    self.inbox.shrink();
                    continue;
                }
                Timer::Large => {
                    self.writer.keep_none();
                    continue;
                }
            };
            return Err(Error::new(ErrorKind::Timeout, Origin::Remote, message).caused_by(cause));
        }
    }

    fn deadlines(&self) -> Deadlines<Timer> {
        let limits = &self.shared.table.limits;
        let Keepalive { idle, timeout } = self.shared.keepalive;
        let (act, since, time) = self.liveness.next(idle, timeout, !self.paused);
        let mut deadlines = Deadlines::new();
        // The server may read nothing because its limits are reached, and still answer what it has. And it may send
        // nothing because this side does not read.
        let stalled = self.writer.stalled_since().filter(|_| !self.paused);
        let stalled = stalled.map(|since| since.max(self.liveness.last_heard()));
        deadlines.set(Timer::Stall, stalled, limits.output_stall);
        deadlines.set(Timer::Frame, self.frame_began.filter(|_| !self.paused), limits.frame_time);
        deadlines.set(Timer::Keepalive(act), Some(since), time);
        deadlines.set_at(Timer::Call, self.alarm);
        deadlines.set_at(Timer::Age, self.retires_at);
        deadlines.set(Timer::Look, self.looked.filter(|_| self.paused), LOOK_AFTER);
        let since = self.frame_began.unwrap_or_else(|| self.liveness.last_heard());
        deadlines.set(Timer::Shrink, self.inbox.is_roomy().then_some(since), SHRINK_AFTER);
        deadlines.set(Timer::Large, self.writer.keeps_since(), SHRINK_AFTER);
        deadlines
    }
}

impl<IO, P: Protocol, F: Format> Drop for Driver<'_, IO, P, F> {
    /// Wakes those who were not woken yet: nobody else would. They have their Replies, which an end of the connection leaves them.
    fn drop(&mut self) {
        wake_all(self.wakers.drain(..).rev());
    }
}

/// When a connection of age is looked at again that could not be spared.
const RETIRE_LATER: Duration = Duration::from_secs(1);

/// Where a ping is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ping {
    /// It goes out with the next batch.
    Waiting,
    /// It is in the batch that is being written.
    Taken,
    Written,
}

/// What a connection can wait for.
#[derive(Clone, Copy)]
enum Timer {
    /// The server must read some of the output, or send something.
    Stall,
    /// The Reply that has begun must be whole.
    Frame,
    /// Nothing was heard or sent for a time.
    Keepalive(Act),
    /// Callers have waited long enough.
    Call,
    /// The connection has reached its greatest age.
    Age,
    /// Whether the server is still there, though nothing is read.
    Look,
    /// The room in the read buffer is given back.
    Shrink,
    /// No large buffers are kept any more for what is written.
    Large,
}
