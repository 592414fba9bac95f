//! What the task of a connection has taken from the output and not yet written. Knows since when the peer has not read
//! anything.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::buffers::Keeper;
use super::outbox::{Chunks, Outbox};
use crate::error::Error;
use crate::transport::Io;

/// The bytes on their way to the peer.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    chunks: Chunks,
    /// A transport may have a buffer of its own, as TLS has. It is flushed after the last byte.
    flushing: bool,
    stalled: Option<Instant>,
    /// When it last wrote a large frame, if it keeps such buffers for the next one.
    keeps: Option<(Instant, Keeper)>,
}

impl Writer {
    /// Whether everything that was taken has been written and flushed.
    pub(crate) fn is_idle(&self) -> bool {
        !self.flushing
    }

    /// How many bytes are not yet written.
    pub(crate) fn left(&self) -> usize {
        self.chunks.len()
    }

    /// How much memory takes what is not yet written.
    pub(crate) fn capacity(&self) -> usize {
        self.chunks.capacity()
    }

    /// Gives back the room for more bytes.
    pub(crate) fn shrink(&mut self) {
        self.chunks.shrink();
    }

    /// Since when the peer has not read any of the output.
    pub(crate) fn stalled_since(&self) -> Option<Instant> {
        self.stalled
    }

    /// Since when it keeps large buffers without need.
    pub(crate) fn keeps_since(&self) -> Option<Instant> {
        self.keeps.as_ref().map(|(since, _)| *since)
    }

    /// Keeps no large buffers any more.
    pub(crate) fn keep_none(&mut self) {
        self.keeps = None;
    }

    /// Takes all output. The writer must be idle.
    pub(crate) fn load(&mut self, outbox: &mut Outbox) {
        outbox.take(&mut self.chunks);
        self.flushing = true;
    }

    /// Takes these bytes instead of the output. The writer must be idle.
    pub(crate) fn load_frame(&mut self, frame: Vec<u8>) {
        self.chunks = Chunks::of(frame);
        self.flushing = true;
    }

    /// Writes and flushes. Pending while the peer does not read.
    pub(crate) fn poll<IO: Io>(&mut self, io: &mut IO, cx: &mut Context<'_>) -> Result<Poll<()>, Error> {
        let failed = |error: io::Error| Error::io("writing failed", error);
        while !self.chunks.is_empty() {
            let mut pieces = [IoSlice::new(&[]); PIECES];
            let count = self.chunks.front(&mut pieces);
            let write = match &pieces[..count] {
                // A transport without vectored writes would copy, or write only the first piece, of several.
                [piece] => Pin::new(&mut *io).poll_write(cx, piece),
                pieces => Pin::new(&mut *io).poll_write_vectored(cx, pieces),
            };
            match write {
                Poll::Ready(Ok(0)) => return Err(failed(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    // Any progress counts: a slow peer is not a stalled one.
                    self.stalled = None;
                    // The first buffers are freed: nobody keeps any before.
                    if self.chunks.advance(written) {
                        let keeper = self.keeps.take().map_or_else(Keeper::new, |(_, keeper)| keeper);
                        self.keeps = Some((Instant::now(), keeper));
                    }
                }
                Poll::Ready(Err(error)) => return Err(failed(error)),
                Poll::Pending => return Ok(self.stall()),
            }
        }
        if self.flushing {
            match Pin::new(io).poll_flush(cx) {
                Poll::Ready(flushed) => flushed.map_err(failed)?,
                Poll::Pending => return Ok(self.stall()),
            }
        }
        (self.flushing, self.stalled) = (false, None);
        Ok(Poll::Ready(()))
    }

    fn stall(&mut self) -> Poll<()> {
        self.stalled.get_or_insert_with(Instant::now);
        Poll::Pending
    }
}

/// How many pieces of the output one write takes. A batch of small frames usually has two or three.
const PIECES: usize = 8;
