//! How a connection is left. What its task had taken to write still goes out, in whole frames: a peer that sees the end in
//! the middle of a frame cannot tell it from a fault, and some never come back.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::time::timeout;

use super::writer::Writer;
use crate::transport::Io;

/// How long saying goodbye may take. The peer may not take what is left, nor what the transport itself has to write at the
/// end (TLS has something).
pub(crate) const GOODBYE: Duration = Duration::from_secs(1);

/// Writes what is left of what was taken, as far as the peer takes it, and closes this direction; all within [`GOODBYE`].
/// Tells `sent` how many bytes were written. Returns whether it was done in time.
///
/// What the peer sends while it takes the rest is read and discarded: it may not read before it has written.
pub(crate) async fn say_goodbye<IO: Io>(
    io: &mut IO,
    mut writer: Writer,
    mut sent: impl FnMut(usize),
) -> bool {
    let mut discard = Discard::default();
    let goodbye = poll_fn(|cx| {
        if !writer.is_idle() {
            let left = writer.left();
            let written = writer.poll(io, cx);
            sent(left - writer.left());
            match written {
                Ok(Poll::Ready(())) => {}
                Ok(Poll::Pending) => {
                    discard.poll(io, cx);
                    return Poll::Pending;
                }
                Err(_) => return Poll::Ready(false),
            }
        }
        Pin::new(&mut *io).poll_shutdown(cx).map(|closed| closed.is_ok())
    });
    timeout(GOODBYE, goodbye).await.unwrap_or(false)
}

/// Reads what the peer sends until it has closed its direction, at most so many bytes.
pub(crate) async fn read_out<IO: Io>(io: &mut IO, most: usize) {
    let (mut discard, mut read) = (Discard::default(), 0);
    poll_fn(|cx| {
        while read < most {
            match ready!(discard.poll_read(io, cx)) {
                Ok(0) | Err(_) => break,
                Ok(bytes) => read += bytes,
            }
        }
        Poll::Ready(())
    })
    .await;
}

/// Reads, and forgets what it has read.
#[derive(Default)]
struct Discard {
    /// On the heap, and made when it is needed. Otherwise the future of every connection would keep room for it.
    buffer: Vec<u8>,
    has_ended: bool,
}

impl Discard {
    /// Reads what there is.
    fn poll<IO: Io>(&mut self, io: &mut IO, cx: &mut Context<'_>) {
        for _ in 0..READS {
            if self.has_ended {
                return;
            }
            match self.poll_read(io, cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(0) | Err(_)) => self.has_ended = true,
                Poll::Ready(Ok(_)) => {}
            }
        }
        // There may be more, but others have their turn.
        cx.waker().wake_by_ref();
    }

    fn poll_read<IO: Io>(&mut self, io: &mut IO, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.buffer.resize(BUFFER, 0);
        let mut buffer = ReadBuf::new(&mut self.buffer);
        ready!(Pin::new(io).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

/// What is read at once, and how often in a row.
const BUFFER: usize = 4096;
const READS: usize = 64;
