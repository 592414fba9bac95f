//! Whether a peer is still there, asked without reading: who does not read sees no end of a stream.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{Interest, Ready};

use super::Io;
use super::socket::Socket;

/// What the system knows of a peer.
#[derive(Debug)]
pub(crate) enum Presence {
    Here,
    /// It sends nothing more. It may still read.
    HalfClosed,
    /// The connection is broken.
    Gone(io::Error),
}

/// What the system knows of the peer. `None` if the stream is of a type that is not known here.
pub(crate) fn presence<IO: Io>(io: &IO) -> Option<Presence> {
    Some(match Socket::of(io)? {
        Socket::Tcp(tcp) => of_socket(tcp.ready(BOTH), || tcp.take_error()),
        #[cfg(unix)]
        Socket::Unix(unix) => of_socket(unix.ready(BOTH), || unix.take_error()),
    })
}

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

fn of_socket(
    ready: impl Future<Output = io::Result<Ready>>,
    take_error: impl FnOnce() -> io::Result<Option<io::Error>>,
) -> Presence {
    // What the system has told so far: it is polled once, and nobody is to be woken.
    let Poll::Ready(ready) = pin!(ready).poll(&mut Context::from_waker(Waker::noop())) else {
        return Presence::Here;
    };
    match ready {
        Ok(ready) if ready.is_read_closed() => match take_error() {
            Ok(Some(error)) | Err(error) => Presence::Gone(error),
            Ok(None) => Presence::HalfClosed,
        },
        Ok(_) => Presence::Here,
        Err(error) => Presence::Gone(error), // the runtime ends
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;
    #[cfg(unix)]
    use tokio::net::UnixStream;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::{sleep, timeout};

    use super::*;

    async fn until<IO: Io>(io: &IO, is: impl Fn(&Presence) -> bool) -> Presence {
        let seen = async {
            loop {
                let seen = presence(io).expect("it is known");
                if is(&seen) {
                    return seen;
                }
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(20), seen).await.expect("the system tells")
    }

    #[tokio::test]
    async fn the_end_of_a_peer_is_seen_behind_bytes_that_are_not_read() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it has one");
        for resets in [false, true] {
            let mut peer = TcpStream::connect(address).await.expect("it listens");
            let (io, _) = listener.accept().await.expect("it connects");
            peer.write_all(&[0; 100_000]).await.expect("there is room");
            assert!(matches!(presence(&io), Some(Presence::Here)));
            if resets {
                peer.set_zero_linger().expect("a socket");
                drop(peer);
                let gone = until(&io, |seen| matches!(seen, Presence::Gone(_))).await;
                let Presence::Gone(error) = gone else { unreachable!("it was asked for") };
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            } else {
                peer.shutdown().await.expect("a socket");
                until(&io, |seen| matches!(seen, Presence::HalfClosed)).await;
            }
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn so_is_that_of_a_unix_socket() {
        let (io, mut peer) = UnixStream::pair().expect("two sockets");
        peer.write_all(&[0; 1000]).await.expect("there is room");
        assert!(matches!(presence(&io), Some(Presence::Here)));
        drop(peer);
        until(&io, |seen| matches!(seen, Presence::HalfClosed)).await;
    }

    #[tokio::test]
    async fn other_streams_are_not_known() {
        assert!(presence(&tokio::io::duplex(1).0).is_none());
    }
}
