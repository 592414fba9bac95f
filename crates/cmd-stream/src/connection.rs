//! What the two ends of a connection share: its buffers, its output under back-pressure, its timers. Knows no seqs and
//! no Formats.
//!
//! One task owns a connection. It reads once, hands all frames on, lets others add to the output, and writes once;
//! whoever has output for it appends to the [`Outbox`] under a short lock.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::error::Error;

pub(crate) mod alarm;
pub(crate) mod buffers;
pub(crate) mod inbox;
pub(crate) mod outbox;
pub(crate) mod peer;

pub(crate) use alarm::Alarm;
pub(crate) use inbox::Inbox;
pub(crate) use outbox::{Chunks, Outbox};

/// After this many rounds in a row the task of a connection lets others have their turn.
pub(crate) const ROUNDS: usize = 8;

/// A byte stream in both directions: what a transport gives.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// Writes chunks until all are written, or the peer takes no more.
///
/// Ready with whether anything is left; the second value says whether any byte was taken.
pub(crate) fn poll_write_all<IO: Io>(
    io: &mut IO,
    chunks: &mut Chunks,
    cx: &mut Context<'_>,
) -> Result<(Poll<()>, bool), Error> {
    let mut progress = false;
    loop {
        let Some(bytes) = chunks.front() else {
            // Of no effect on a socket; a transport with a buffer of its own (TLS) needs it.
            return match Pin::new(io).poll_flush(cx) {
                Poll::Ready(Ok(())) => Ok((Poll::Ready(()), progress)),
                Poll::Ready(Err(error)) => Err(Error::io("writing", error)),
                Poll::Pending => Ok((Poll::Pending, progress)),
            };
        };
        match Pin::new(&mut *io).poll_write(cx, bytes) {
            Poll::Ready(Ok(0)) => return Err(Error::io("writing", std::io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(written)) => {
                progress = true;
                chunks.advance(written);
            }
            Poll::Ready(Err(error)) => return Err(Error::io("writing", error)),
            Poll::Pending => return Ok((Poll::Pending, progress)),
        }
    }
}

/// Writes all of `bytes`.
pub(crate) async fn write_all<IO: Io>(io: &mut IO, bytes: &[u8]) -> Result<(), Error> {
    let mut write = pin!(async {
        io.write_all(bytes).await?;
        io.flush().await
    });
    std::future::poll_fn(|cx| write.as_mut().poll(cx)).await.map_err(|error| Error::io("writing", error))
}
