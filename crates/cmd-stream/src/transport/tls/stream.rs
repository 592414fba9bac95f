//! The stream of a TLS connection, and the one below it, which knows whether the peer has spoken, and whether it was TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use super::ahead::Ahead;
use super::reason::{NotTls, Side, explain};
use crate::proto::foreign::{self, Told};
use crate::transport::{Io, Progress};

/// An established TLS connection over another stream.
#[derive(Debug)]
pub struct Stream<IO: Io> {
    // On the heap: it is large, and moves several times before it is used.
    inner: Box<TlsStream<Watched<IO>>>,
    side: Side,
}

impl<IO: Io> Stream<IO> {
    pub(super) fn new(inner: impl Into<TlsStream<Watched<IO>>>, side: Side) -> Self {
        Self { inner: Box::new(inner.into()), side }
    }

    /// The stream that it goes over.
    pub(in crate::transport) fn below(&self) -> &IO {
        &self.inner.get_ref().0.io
    }
}

impl<IO: Io> Drop for Stream<IO> {
    /// Says goodbye as far as that is possible without waiting. A peer would otherwise take the end of the connection for
    /// one that somebody in between has caused.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = Pin::new(&mut *self.inner).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }
}

impl<IO: Io> AsyncRead for Stream<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut *self.inner).poll_read(cx, buf));
        // Where TLS 1.3 is spoken, a client reads here that the server has refused its certificate.
        Poll::Ready(read.map_err(|error| explain(self.side, error)))
    }
}

impl<IO: Io> AsyncWrite for Stream<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.inner).poll_shutdown(cx)
    }
}

/// The stream below TLS. It fails if the peer does not begin as TLS does: rustls would wait for more, or say less.
#[derive(Debug)]
pub(super) struct Watched<IO> {
    io: IO,
    ahead: Ahead,
    progress: Progress,
    /// The first bytes that have arrived, until it is known that they are TLS.
    first: Option<Vec<u8>>,
}

/// As many of the first bytes tell a protocol, if it can be told.
const ENOUGH: usize = 32;

impl<IO> Watched<IO> {
    pub(super) fn new(io: IO, progress: Progress) -> Self {
        Self { io, ahead: Ahead::default(), progress, first: Some(Vec::new()) }
    }

    /// Looks whether this is TLS. Returns false if it is not, and more bytes may tell what it is.
    fn look_at(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let Some(first) = &mut self.first else { return Ok(true) };
        if !bytes.is_empty() {
            self.progress.heard();
        }
        first.extend_from_slice(&bytes[..bytes.len().min(ENOUGH - first.len())]);
        // A record begins with its type, and with the major version 3. The first one is an alert or of the handshake.
        match first[..] {
            [0x15 | 0x16, 3, ..] => {
                self.first = None;
                return Ok(true);
            }
            [] | [0x15 | 0x16] => return Ok(true),
            _ => {}
        }
        let foreign = match foreign::tell(first) {
            Told::MayBe if !bytes.is_empty() && first.len() < ENOUGH => return Ok(false),
            Told::Is(foreign) => Some(foreign),
            Told::MayBe | Told::No => None,
        };
        let first = first[..first.len().min(2)].to_vec();
        Err(io::Error::new(io::ErrorKind::InvalidData, NotTls { first, foreign }))
    }
}

impl<IO: Io> AsyncRead for Watched<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let this = &mut *self;
        loop {
            ready!(this.ahead.poll_fill(&mut this.io, cx, buf))?;
            if this.first.is_none() || this.look_at(&buf.filled()[before..])? {
                return Poll::Ready(Ok(()));
            }
            buf.set_filled(before); // they are not for rustls
        }
    }
}

impl<IO: Io> AsyncWrite for Watched<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
