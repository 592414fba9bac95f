//! An attacker's end of a connection: a bare socket, and the bytes of Commands. It counts what it sends.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cmd_stream::proto::varint;
use testkit::peer::GREETING;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What an attack has cost whoever made it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cost(Arc<Spent>);

#[derive(Debug, Default)]
struct Spent {
    bytes: AtomicU64,
    connections: AtomicU64,
}

impl Cost {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes.load(Relaxed)
    }

    pub(crate) fn connections(&self) -> u64 {
        self.0.connections.load(Relaxed)
    }

    pub(crate) fn add_bytes(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn add_connection(&self) {
        self.0.connections.fetch_add(1, Relaxed);
    }
}

/// A connection to the server. The errors of all methods are texts.
pub(crate) struct Attacker {
    io: TcpStream,
    cost: Cost,
}

impl Attacker {
    /// Connects, and reads the greeting.
    pub(crate) async fn connect(address: &str, cost: &Cost) -> Result<Self, String> {
        let mut attacker = Self::connect_only(address, cost).await?;
        let mut greeting = [0; GREETING.len()];
        let read = timeout(PATIENCE, attacker.io.read_exact(&mut greeting)).await;
        read.map_err(|_| "an attacker was not greeted in time")?
            .map_err(told("an attacker was not greeted"))?;
        Ok(attacker)
    }

    /// Connects, and reads nothing.
    pub(crate) async fn connect_only(address: &str, cost: &Cost) -> Result<Self, String> {
        let connecting = timeout(PATIENCE, TcpStream::connect(address)).await;
        let connecting = connecting.map_err(|_| "an attacker could not connect in time")?;
        let io = connecting.map_err(told("an attacker could not connect"))?;
        io.set_nodelay(true).map_err(told("no delay"))?;
        cost.add_connection();
        Ok(Self { io, cost: cost.clone() })
    }

    /// Sends all of it. That the server has closed the connection meanwhile is no error.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.io.write(&bytes[sent..]).await {
                Ok(n) => {
                    sent += n;
                    self.cost.add_bytes(n);
                }
                Err(_) => return,
            }
        }
    }

    /// Sends as much of it as the server takes: until nothing moves for a moment. Returns how much that was.
    pub(crate) async fn send_what_is_taken(&mut self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            match timeout(MOMENT, self.io.write(&bytes[sent..])).await {
                Ok(Ok(n)) => {
                    sent += n;
                    self.cost.add_bytes(n);
                }
                _ => break,
            }
        }
        sent
    }

    /// Waits until the server has closed the connection, and reads what it sends until then.
    pub(crate) async fn expect_close(&mut self) -> Result<(), String> {
        let closed = async {
            let mut bytes = [0; 4096];
            while self.io.read(&mut bytes).await.is_ok_and(|n| n > 0) {}
        };
        timeout(PATIENCE, closed)
            .await
            .map_err(|_| "the server did not close the attacker's connection".to_owned())
    }

    /// Reads until nothing more comes, or the connection ends.
    pub(crate) async fn read_to_end(&mut self) {
        let mut bytes = vec![0; 1 << 16];
        while self.io.read(&mut bytes).await.is_ok_and(|n| n > 0) {}
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        let _ = self.io.set_zero_linger(); // it fails if the connection is gone already
    }

    /// Ends this direction of the connection.
    pub(crate) async fn finish(&mut self) {
        let _ = self.io.shutdown().await; // it fails if the connection is gone already
    }

    /// The socket, for two tasks.
    pub(crate) fn into_io(self) -> TcpStream {
        self.io
    }
}

/// How long whatever an attacker waits for may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// A server that takes nothing for so long does not read.
const MOMENT: Duration = Duration::from_millis(200);

fn told(what: &'static str) -> impl Fn(io::Error) -> String {
    move |error| format!("{what}: {error}")
}

/// A number as it stands on the wire.
pub(crate) fn number(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint::encode(value, &mut bytes);
    bytes
}

/// Seq and tag: how each frame begins.
pub(crate) fn head(seq: u64, tag: u64) -> Vec<u8> {
    [number(seq), number(tag)].concat()
}

/// A frame of MUS, whose body has no length.
pub(crate) fn mus(seq: u64, tag: u64, body: &impl mus_format::Encode) -> Vec<u8> {
    let mut frame = head(seq, tag);
    mus_format::append(body, &mut frame).expect("nothing of it is refused");
    frame
}

/// A frame of JSON or Protobuf.
pub(crate) fn prefixed(seq: u64, tag: u64, body: &[u8]) -> Vec<u8> {
    [&head(seq, tag), &number(body.len() as u64), body].concat()
}

/// The frames of so many Commands with the same body, from this seq on.
pub(crate) fn many(seqs: std::ops::Range<u64>, tag: u64, body: &impl mus_format::Encode) -> Vec<u8> {
    seqs.flat_map(|seq| mus(seq, tag, body)).collect()
}
