//! The task of one client connection. In each round it reads once, hands on all Replies, lets their callers send their
//! next Commands, and writes once. While a write is blocked it continues to read: otherwise two busy ends could each wait
//! for the other to read.
//!
//! `connection.rs` explains who wakes this task, `client/table.rs` how the connection ends.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::time::{Instant, timeout};

use super::Shared;
use super::table::{Arrived, Batch};
use crate::connection::{Deadlines, GOODBYE, Inbox, ROUNDS, SHRINK_AFTER, Timer, Timers, Writer};
use crate::error::{Error, ErrorKind, Origin};
use crate::format::Format;
use crate::proto::decode::Decoded;
use crate::proto::frame::{Frame, FrameReader, Seq};
use crate::protocol::{ClientProtocol, Protocol};
use crate::sync::Arc;
use crate::transport::Io;

/// Moves the bytes of one connection.
pub(super) struct Driver<IO, P: Protocol, F: Format> {
    shared: Arc<Shared<P, F>>,
    io: IO,
    inbox: Inbox,
    reader: FrameReader<F::Progress>,
    writer: Writer,
    timers: Timers,
    /// Whether a full stream keeps the connection from being read.
    paused: bool,
    /// Whether the callers have had their turn since the output was last written.
    yielded: bool,
    frame_began: Option<Instant>,
    arrived: Vec<Arrived<P::Reply>>,
    unexpected: Vec<(Seq, P::Reply)>,
    wakers: Vec<Waker>,
}

impl<IO: Io, P, F> Driver<IO, P, F>
where
    P: ClientProtocol<F>,
    F: Format,
{
    /// Creates the task. The inbox may hold bytes that arrived with the ServerInfo.
    pub(super) fn new(shared: Arc<Shared<P, F>>, io: IO, inbox: Inbox) -> Self {
        Self {
            io,
            inbox,
            reader: FrameReader::new(shared.table.limits.frame),
            writer: Writer::default(),
            timers: Timers::default(),
            paused: false,
            yielded: false,
            frame_began: None,
            arrived: Vec::new(),
            unexpected: Vec::new(),
            wakers: Vec::new(),
            shared,
        }
    }

    /// Runs until the connection ends, then fails all calls with the reason. They also fail if the task is dropped earlier,
    /// as when the runtime ends.
    pub(super) async fn run(mut self) {
        let _fails = FailsWhenDropped(Arc::clone(&self.shared));
        // Frames that arrived with the ServerInfo. No read announces them, so they are decoded before the first one.
        let mut first = self.decode().err();
        let reason = poll_fn(|cx| match first.take().map_or_else(|| self.poll(cx), Err) {
            Ok(()) => Poll::Pending,
            Err(reason) => Poll::Ready(reason),
        })
        .await;
        self.shared.table.fail(reason);
        // The calls have failed already. Whether the goodbye arrives does not matter, only that it does not take long.
        let goodbye = poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx));
        let _ = timeout(GOODBYE, goodbye).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            // Output first: what the callers added in their turn should not wait for another read.
            if self.give_out(cx)? {
                return Ok(());
            }
            if !self.take_in(cx)? {
                return self.wait(cx);
            }
        }
        // There may be more to do, so this task must not sleep; but it lets others run in between.
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Reads once. Returns whether there may be more to do.
    fn take_in(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        if self.paused {
            if !self.shared.table.may_read(cx) {
                return Ok(false);
            }
            self.paused = false;
            self.frame_began = self.frame_began.map(|_| Instant::now()); // the pause was ours, not the server's
        }
        match self.inbox.poll_read(&mut self.io, cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(0)) if self.inbox.is_empty() => {
                Err(Error::new(ErrorKind::Closed, Origin::Remote, "the server closed the connection"))
            }
            Poll::Ready(Ok(0)) => {
                let message = "the connection ended in the middle of a frame";
                Err(Error::new(ErrorKind::UnexpectedEof, Origin::Remote, message))
            }
            Poll::Ready(Ok(_)) => self.decode().map(|()| true),
            Poll::Ready(Err(error)) => Err(Error::io("reading failed", error)),
        }
    }

    /// Decodes all frames in the inbox, then hands on the Replies under one lock. Replies before an error are handed on,
    /// too.
    fn decode(&mut self) -> Result<(), Error> {
        let decoded = match catch_unwind(AssertUnwindSafe(|| self.decode_frames())) {
            Ok(decoded) => decoded,
            Err(payload) => Err(Error::panic("decoding a reply", &*payload)),
        };
        let completed = self.shared.table.complete(&mut self.arrived, &mut self.wakers, &mut self.unexpected);
        if !self.wakers.is_empty() {
            // These callers have something to send next, as a rule: they get their turn before the next write.
            self.yielded = false;
            self.wakers.drain(..).for_each(Waker::wake);
        }
        for (seq, reply) in self.unexpected.drain(..) {
            tracing::trace!(%seq, "unexpected reply");
            // Both are the user's code: the callback, and the destructor of the Reply.
            let call = AssertUnwindSafe(|| match &self.shared.on_unexpected {
                Some(on_unexpected) => on_unexpected(seq, reply),
                None => drop(reply),
            });
            if catch_unwind(call).is_err() {
                tracing::error!(%seq, "the unexpected-reply callback panicked");
            }
        }
        self.paused = !completed?;
        decoded
    }

    fn decode_frames(&mut self) -> Result<(), Error> {
        let format = &self.shared.format;
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
                    self.arrived.push(Arrived { seq: head.seq, reply, is_last });
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
                match self.shared.table.next_batch(&mut self.writer, &mut self.yielded, cx)? {
                    Batch::Taken => {}
                    Batch::Nothing => return Ok(false),
                    Batch::Later => return Ok(true),
                }
            }
            if self.writer.poll(&mut self.io, cx)?.is_pending() {
                self.shared.table.book_unwritten(self.writer.left(), cx)?;
                return Ok(false);
            }
        }
    }

    /// Nothing can be done now: waits for the timers.
    fn wait(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        loop {
            let Poll::Ready(timer) = self.timers.poll(&self.deadlines(), cx) else { return Ok(()) };
            let message = match timer {
                Timer::Stall => "the server takes no output (`Limits::output_stall`)",
                Timer::Frame => "a reply did not arrive whole in time (`Limits::frame_time`)",
                Timer::Idle => unreachable!("a client does not set it"),
                Timer::Shrink => {
                    self.inbox.shrink();
                    continue;
                }
            };
            return Err(Error::new(ErrorKind::Timeout, Origin::Remote, message));
        }
    }

    fn deadlines(&self) -> Deadlines {
        let limits = &self.shared.table.limits;
        let mut deadlines = Deadlines::default();
        deadlines.set(Timer::Stall, self.writer.stalled_since(), limits.output_stall);
        deadlines.set(Timer::Frame, self.frame_began.filter(|_| !self.paused), limits.frame_time);
        deadlines.set(Timer::Shrink, self.frame_began.filter(|_| self.inbox.is_roomy()), SHRINK_AFTER);
        deadlines
    }
}

/// Ends the connection if its task is dropped before the connection has ended.
struct FailsWhenDropped<P: Protocol, F>(Arc<Shared<P, F>>);

impl<P: Protocol, F> Drop for FailsWhenDropped<P, F> {
    fn drop(&mut self) {
        self.0.table.close("the runtime of the client ended");
    }
}
