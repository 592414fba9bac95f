//! The clients: one that sends the bytes of a plan, and one that checks that the server still serves.

use std::time::Duration;

use cmd_stream::server::Handle;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{sleep, timeout};

use super::super::input::Piece;
use super::expected::Expected;
use super::plan::{FRAME_TIME, Leave, Plan, SETTLE};
use super::service::Fed;

/// The two halves of a client's connection.
pub(super) type Ends = (ReadHalf<DuplexStream>, WriteHalf<DuplexStream>);

/// The client that sends the bytes.
#[derive(Debug)]
pub(super) struct Client {
    feeding: JoinHandle<Option<WriteHalf<DuplexStream>>>,
    reading: Option<JoinHandle<Vec<u8>>>,
    patience: Duration,
}

impl Client {
    pub(super) fn start(plan: &Plan, expected: &Expected<impl Fed>, (reader, writer): Ends) -> Self {
        // A client that reads late starts when the longest feeding is over, or earlier once the server took everything.
        // The server does, unless it has ended the connection and waits for its last Replies to be read.
        let patience = if plan.reads_late { SETTLE * (3 + plan.pieces.len() as u32) } else { Duration::ZERO };
        let after = match plan.leave {
            _ if plan.floods && expected.reason.is_some() => After::Flood,
            Leave::Vanish => After::Vanish,
            Leave::Finish if plan.reads_late => After::Finish,
            _ => After::Nothing,
        };
        let feeding = tokio::spawn(feed(writer, plan.bytes.clone(), plan.pieces.clone(), after));
        let reading = (plan.leave != Leave::Vanish).then(|| tokio::spawn(receive(reader, patience)));
        Self { feeding, reading, patience }
    }

    /// Waits until the server has nothing left to do.
    pub(super) async fn wait_until_settled(&self, plan: &Plan) {
        sleep(SETTLE * (1 + plan.pieces.len() as u32) + self.patience).await;
    }

    /// Ends the connection, if the server has not. Returns what was received.
    pub(super) async fn leave(self, plan: &Plan, expected: &Expected<impl Fed>, handle: &Handle) -> Vec<u8> {
        let Some(reading) = self.reading else {
            self.feeding.abort(); // the two may be waiting for each other
            return Vec::new();
        };
        let writer =
            timeout(SETTLE, self.feeding).await.expect("the server took all, or has left").expect("no panic");
        match plan.leave {
            _ if expected.reason.is_some() => {}
            Leave::Finish => {
                let mut writer = writer.expect("the server has not left");
                let _ = writer.shutdown().await; // a client that reads late has done it already
            }
            Leave::Silence if expected.ends_in_frame => sleep(FRAME_TIME).await,
            Leave::Silence => handle.close(),
            Leave::Shutdown => handle.shutdown(),
            Leave::Vanish => unreachable!("it does not read"),
        }
        let received = timeout(FRAME_TIME, reading).await;
        received.expect("the server ends the connection").expect("no panic")
    }
}

/// What a client does when it has sent everything.
#[derive(Clone, Copy, Debug)]
enum After {
    Nothing,
    Finish,
    Vanish,
    Flood,
}

/// Sends the pieces one by one. Returns the writing half, if the server has taken everything.
async fn feed(
    mut writer: WriteHalf<DuplexStream>,
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    after: After,
) -> Option<WriteHalf<DuplexStream>> {
    let mut start = 0;
    for piece in pieces {
        writer.write_all(&bytes[start..piece.end]).await.ok()?;
        start = piece.end;
        if piece.coin {
            sleep(SETTLE).await;
        } else {
            yield_now().await;
        }
    }
    match after {
        After::Nothing => {}
        After::Vanish => return None,
        After::Finish => {
            sleep(SETTLE).await;
            writer.shutdown().await.ok()?;
        }
        After::Flood => {
            for _ in 0..FLOOD {
                writer.write_all(&[0; 1024]).await.ok()?;
            }
        }
    }
    Some(writer)
}

/// The size of a flood in KiB: more than a server may hold.
const FLOOD: usize = 2048;

async fn receive(mut reader: ReadHalf<DuplexStream>, patience: Duration) -> Vec<u8> {
    sleep(patience).await;
    let mut received = Vec::new();
    let _ = reader.read_to_end(&mut received).await;
    received
}

/// Checks that the server still serves: another client is greeted, and its ping answered.
pub(super) async fn assert_is_served((mut reader, mut writer): Ends) {
    let mut greeting = [0; 8];
    let served = timeout(SETTLE, async {
        reader.read_exact(&mut greeting).await?;
        writer.write_all(&[0]).await?;
        reader.read_exact(&mut [0]).await
    });
    served.await.expect("in time").expect("greeted, and its ping answered");
    assert_eq!(&greeting, b"\x07default");
    drop((reader, writer));
    sleep(SETTLE).await;
}
