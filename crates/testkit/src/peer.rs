//! A scripted byte peer, which sends bytes to a client or a server and checks what comes back.

use std::fmt::Display;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::wait::within;
use crate::{hex, unhex};

/// The default ServerInfo on the wire.
pub const GREETING: &[u8] = b"\x07default";

/// One end of a connection, as bytes. All its waits are bounded.
#[derive(Debug)]
pub struct BytePeer<IO> {
    io: IO,
}

impl BytePeer<TcpStream> {
    /// Connects to a server as a client, and sends nothing yet.
    ///
    /// # Panics
    ///
    /// If it cannot connect. Every method here panics if what it expects does not happen.
    pub async fn connect(address: impl Display) -> Self {
        let io = within(TcpStream::connect(address.to_string())).await.expect("a server listens there");
        io.set_nodelay(true).expect("a socket");
        Self { io }
    }

    /// Connects as a client and reads the greeting, which must be the default ServerInfo.
    pub async fn greeted(address: impl Display) -> Self {
        let mut peer = Self::connect(address).await;
        peer.expect(GREETING).await;
        peer
    }

    /// Accepts the next connection as a server, and sends nothing yet.
    pub async fn accept(listener: &TcpListener) -> Self {
        let (io, _) = within(listener.accept()).await.expect("a client connects");
        io.set_nodelay(true).expect("a socket");
        Self { io }
    }

    /// Accepts the next connection as a server and greets with the default ServerInfo.
    pub async fn accept_and_greet(listener: &TcpListener) -> Self {
        let mut peer = Self::accept(listener).await;
        peer.send(GREETING).await;
        peer
    }

    /// Ends the connection with a reset instead of a goodbye.
    pub fn reset(self) {
        self.io.set_zero_linger().expect("a socket");
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> BytePeer<IO> {
    /// Wraps one end of any stream.
    pub fn over(io: IO) -> Self {
        Self { io }
    }

    /// Returns the stream, for what a script cannot express.
    pub fn into_inner(self) -> IO {
        self.io
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: &[u8]) {
        within(self.io.write_all(bytes)).await.expect("the connection is open");
        within(self.io.flush()).await.expect("the connection is open");
    }

    /// Sends bytes, or as many as the other end accepts before it closes the connection.
    pub async fn send_until_closed(&mut self, bytes: &[u8]) {
        // It fails only if the other end has closed the connection.
        let _ = within(self.io.write_all(bytes)).await;
    }

    /// Sends bytes given as hex.
    pub async fn send_hex(&mut self, hex: &str) {
        self.send(&unhex(hex)).await;
    }

    /// Sends bytes, one per write.
    pub async fn send_bytewise(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.send(&[*byte]).await;
        }
    }

    /// Receives `len` bytes.
    pub async fn receive(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        within(self.io.read_exact(&mut bytes))
            .await
            .unwrap_or_else(|error| panic!("{len} bytes expected: {error}"));
        bytes
    }

    /// Receives bytes, which must be these.
    pub async fn expect(&mut self, expected: &[u8]) {
        let mut received = Vec::new();
        while received.len() < expected.len() {
            let missing = expected.len() - received.len();
            let mut bytes = vec![0; missing];
            match within(self.io.read(&mut bytes)).await {
                Ok(0) => panic!("expected {}, then the end came after {}", hex(expected), hex(&received)),
                Ok(n) => received.extend_from_slice(&bytes[..n]),
                Err(error) => {
                    panic!("expected {}, then {error} came after {}", hex(expected), hex(&received))
                }
            }
        }
        assert_eq!(hex(&received), hex(expected));
    }

    /// Waits for the other end to close the connection, before which it must send nothing more. A reset counts as
    /// closing.
    pub async fn expect_end(&mut self) {
        let rest = self.rest().await;
        assert_eq!(hex(&rest), "", "nothing more was expected");
    }

    /// Receives everything until the other end closes the connection. A reset counts as closing.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let mut bytes = [0; 4096];
        while let Ok(n @ 1..) = within(self.io.read(&mut bytes)).await {
            rest.extend_from_slice(&bytes[..n]);
        }
        rest
    }

    /// Shuts down the sending direction.
    pub async fn finish(&mut self) {
        within(self.io.shutdown()).await.expect("the connection is open");
    }
}
