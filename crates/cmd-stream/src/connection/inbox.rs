//! The read buffer of a connection. It grows with the bytes that arrive, never by a length that they announce.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt};

use super::buffers;

/// Bytes that have arrived and are not yet decoded.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    buffer: Vec<u8>,
    start: usize,
    /// How many reads in a row have had little use for a buffer that has grown.
    small_reads: u8,
}

impl Inbox {
    /// Returns what has arrived, from the first byte of the current frame.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }

    /// How much memory it takes while something is in it, or when it has grown.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        if self.is_empty() && !self.has_grown() { 0 } else { self.buffer.capacity() }
    }

    #[inline]
    pub(crate) fn has_grown(&self) -> bool {
        self.buffer.capacity() > GROWN
    }

    /// Drops bytes that have been decoded.
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.start += bytes;
    }

    /// Reads once, as much as there is room for; of a large frame, not far beyond its end. `needed` is how many bytes of the
    /// current frame must be there before it can be decoded. Returns 0 at the end of the stream.
    pub(crate) fn poll_read<IO: AsyncRead + Unpin>(
        &mut self,
        io: &mut IO,
        needed: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.make_room();
        let missing = needed.saturating_sub(self.buffer.len());
        let answer = if missing > buffers::SIZE || self.has_grown() {
            // What is read beyond its end is moved to the start of the buffer before the next read: for large frames in a
            // row, that would be all of them. How long a frame is, is known when it has begun.
            let most = if missing > buffers::SIZE { missing.saturating_add(AHEAD) } else { buffers::SIZE };
            pin!(io.take(most as u64).read_buf(&mut self.buffer)).poll(cx)
        } else {
            pin!(io.read_buf(&mut self.buffer)).poll(cx)
        };
        if self.buffer.is_empty() {
            self.rest();
        }
        answer
    }

    /// Nothing is read for now, so an empty buffer goes back: an idle connection holds none. One that has grown stays for a time,
    /// as it would have to grow again for the next large frame: until it is `shrink`ed.
    pub(crate) fn rest(&mut self) {
        if self.is_empty() && !self.has_grown() {
            buffers::give_back(std::mem::take(&mut self.buffer));
            self.start = 0;
        }
    }

    /// Whether few bytes of an incomplete frame, or none, occupy a whole buffer. They must be so few that they may be copied out
    /// of it; if the rest comes byte by byte, this happens for each of them.
    pub(crate) fn is_roomy(&self) -> bool {
        self.buffer.capacity() >= buffers::SIZE && (self.bytes().len() <= LITTLE || self.is_too_large())
    }

    /// Whether the buffer has grown for a frame that was much larger than what is in it. What is left of it has then not grown
    /// so much, so that it is not copied again for this.
    fn is_too_large(&self) -> bool {
        self.has_grown() && self.bytes().len() <= self.buffer.capacity() / MOST_UNUSED
    }

    /// Gives the room in the buffer back.
    pub(crate) fn shrink(&mut self) {
        let rest = self.bytes().to_vec();
        self.start = 0;
        buffers::give_back(std::mem::replace(&mut self.buffer, rest));
    }

    /// Moves a frame that has begun to the buffer's start, and doubles the buffer if the frame has filled half of it.
    fn make_room(&mut self) {
        if self.buffer.capacity() < buffers::SIZE {
            let rest = std::mem::replace(&mut self.buffer, buffers::take());
            self.buffer.extend_from_slice(&rest);
        }
        // Moved once per read, not once per frame.
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.give_grown_back();
        let room = self.buffer.capacity() - self.buffer.len();
        if room < self.buffer.capacity() / 2 && room < buffers::SIZE {
            self.buffer.reserve(self.buffer.capacity());
        }
    }

    /// Gives a buffer back that has grown for large frames, if no such frame has come for a time. An idle connection does
    /// that at once; this is for one that is always busy.
    fn give_grown_back(&mut self) {
        self.small_reads = if self.is_too_large() { self.small_reads + 1 } else { 0 };
        if self.small_reads == SMALL_READS {
            self.small_reads = 0;
            let rest = std::mem::replace(&mut self.buffer, buffers::take());
            self.buffer.extend_from_slice(&rest);
        }
    }
}

/// So much may be read beyond the end of a large frame: enough to know how long the next one is.
const AHEAD: usize = LITTLE;

/// A buffer larger than this has grown.
const GROWN: usize = 2 * buffers::SIZE;
/// Of a buffer that has grown, at least one part in so many is in use.
const MOST_UNUSED: usize = 8;
/// So many reads in a row must have left little of a frame: with large frames most of them leave more.
const SMALL_READS: u8 = 64;

/// At most this much of a frame is copied out of a buffer to give it back.
const LITTLE: usize = buffers::SIZE / 16;

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Reads once from a socket that always has something.
    fn read(inbox: &mut Inbox) {
        let mut busy = tokio::io::repeat(1);
        let poll = inbox.poll_read(&mut busy, 1, &mut Context::from_waker(Waker::noop()));
        assert!(matches!(poll, Poll::Ready(Ok(1..))));
    }

    #[test]
    fn large_frames_in_a_row_are_not_moved_and_their_buffer_stays_until_it_is_shrunk() {
        const FRAME: usize = 20 * buffers::SIZE;
        let mut inbox = Inbox::default();
        let mut busy = tokio::io::repeat(1);
        for _ in 0..3 {
            while inbox.bytes().len() < FRAME {
                let needed = if inbox.is_empty() { 1 } else { FRAME };
                let poll = inbox.poll_read(&mut busy, needed, &mut Context::from_waker(Waker::noop()));
                assert!(matches!(poll, Poll::Ready(Ok(1..))));
            }
            let ahead = inbox.bytes().len() - FRAME;
            assert!(ahead <= AHEAD, "{ahead} bytes would be moved");
            inbox.consume(FRAME);
        }
        inbox.consume(inbox.bytes().len());
        let (mut quiet, _peer) = tokio::io::duplex(1);
        assert!(inbox.poll_read(&mut quiet, 1, &mut Context::from_waker(Waker::noop())).is_pending());
        assert!(inbox.capacity() >= FRAME && inbox.is_roomy());
        inbox.shrink();
        assert_eq!((inbox.capacity(), inbox.is_roomy()), (0, false));
    }

    #[test]
    fn a_busy_connection_gives_a_grown_buffer_back_once_no_large_frame_has_come_for_a_time() {
        let mut inbox = Inbox::default();
        while inbox.bytes().len() < 10 * buffers::SIZE {
            read(&mut inbox); // a large frame
        }
        let small_frames = |inbox: &mut Inbox| {
            read(inbox);
            inbox.consume(inbox.bytes().len() - 1);
        };
        for _ in 0..SMALL_READS {
            small_frames(&mut inbox);
        }
        assert!(inbox.buffer.capacity() > 10 * buffers::SIZE, "large frames may still come");
        small_frames(&mut inbox);
        assert!(inbox.buffer.capacity() <= GROWN && inbox.bytes() == [1]);
    }

    #[test]
    fn a_grown_buffer_is_given_back_also_if_a_good_part_of_a_frame_is_always_there() {
        let mut inbox = Inbox::default();
        while inbox.bytes().len() < 64 * buffers::SIZE {
            read(&mut inbox); // a large frame
        }
        inbox.consume(inbox.bytes().len() - 2 * LITTLE);
        assert!(inbox.is_roomy(), "nothing else may come for a long time");
        for _ in 0..=SMALL_READS {
            read(&mut inbox);
            inbox.consume(inbox.bytes().len() - 2 * LITTLE);
        }
        assert!(inbox.buffer.capacity() <= GROWN && inbox.bytes().len() == 2 * LITTLE);
        assert!(!inbox.is_roomy(), "it is not copied again");
    }
}
