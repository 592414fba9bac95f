//! Reads ahead of rustls, which takes 4 KiB at a time: one system call instead of sixteen. Like the other buffers of a
//! connection, one is lent by the thread while there are bytes in it, so that an idle connection holds none.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// Bytes that have arrived, and that rustls has not taken yet.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    bytes: Vec<u8>,
    start: usize,
}

impl Ahead {
    /// Fills the buffer of rustls. Reads once if there is nothing left from before. Nothing is filled at the end.
    pub(super) fn poll_fill<IO: AsyncRead + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.start == self.bytes.len() {
            self.bytes = take();
            self.start = 0;
            let read = pin!(io.read_buf(&mut self.bytes)).poll(cx);
            if self.bytes.is_empty() {
                give_back(std::mem::take(&mut self.bytes));
            }
            ready!(read)?;
        }
        let left = &self.bytes[self.start..];
        let amount = left.len().min(buf.remaining());
        buf.put_slice(&left[..amount]);
        self.start += amount;
        if self.start == self.bytes.len() {
            give_back(std::mem::take(&mut self.bytes));
            self.start = 0;
        }
        Poll::Ready(Ok(()))
    }
}

/// An empty buffer of [`SIZE`] bytes.
fn take() -> Vec<u8> {
    let pooled = POOL.try_with(|pool| pool.borrow_mut().pop());
    pooled.ok().flatten().unwrap_or_else(|| Vec::with_capacity(SIZE))
}

fn give_back(mut buffer: Vec<u8>) {
    buffer.clear();
    // An error means that the thread is ending. Then the buffer is freed.
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < KEPT && buffer.capacity() >= SIZE {
            pool.push(buffer);
        }
    });
}

/// As much as is read at once without TLS.
const SIZE: usize = 64 << 10;
/// How many buffers a thread keeps. It reads from one connection at a time, and rarely leaves something for later.
const KEPT: usize = 4;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}
