//! How connections end while something is under way: who waits for room in the output, what a transport has not flushed,
//! what an error says of itself.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use cmd_stream::client::Keepalive;
use cmd_stream::server::{self, Scheduling, Served};
use cmd_stream::transport::{Connect, Peer, memory};
use cmd_stream::{Client, Error, ErrorKind, Execute, Failed, Json, Origin, Proxy, Reply, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::within;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::Notify;

/// The Receiver: its Commands tell each other, and the test, how far they are.
#[derive(Clone, Default)]
struct Signals {
    output_is_full: Arc<Notify>,
    filler_ended: Arc<Notify>,
}

/// Sends until the output is full, and waits for room in it.
#[derive(Serialize, Deserialize)]
struct Fill {}

/// Fails when the output is full.
#[derive(Serialize, Deserialize)]
struct FailLate {}

/// Fails with an error that panics when it is asked what it says.
#[derive(Serialize, Deserialize)]
struct FailUgly {}

#[derive(Serialize, Deserialize)]
struct Text(String);

impl Reply for Text {
    fn is_last(&self) -> bool {
        self.0.is_empty()
    }
}

struct TellsWhenDropped(Arc<Notify>);

impl Drop for TellsWhenDropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Execute<Signals> for Fill {
    const SCHEDULING: Scheduling = Scheduling::Spawned;

    async fn execute(self, signals: &Signals, proxy: Proxy<'_, Text>) -> Result<(), Failed> {
        let _ended = TellsWhenDropped(Arc::clone(&signals.filler_ended));
        proxy.send(Text("x".repeat(600))).await?;
        proxy.send(Text("x".repeat(600))).await?;
        signals.output_is_full.notify_one();
        loop {
            proxy.send(Text("x".repeat(600))).await?;
        }
    }
}

impl Execute<Signals> for FailLate {
    const SCHEDULING: Scheduling = Scheduling::Spawned;

    async fn execute(self, signals: &Signals, _: Proxy<'_, Text>) -> Result<(), Failed> {
        signals.output_is_full.notified().await;
        Err(Failed::new("late"))
    }
}

#[derive(Debug)]
struct Ugly;

impl fmt::Display for Ugly {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("asked what it says, as the test wants")
    }
}

impl std::error::Error for Ugly {}

impl Execute<Signals> for FailUgly {
    const SCHEDULING: Scheduling = Scheduling::Spawned;

    async fn execute(self, _: &Signals, _: Proxy<'_, Text>) -> Result<(), Failed> {
        Err(Ugly.into())
    }
}

protocol! {
    struct Endings {
        commands { 0 => Fill -> Text, 1 => FailLate -> Text, 2 => FailUgly -> Text }
        replies { 0 => Text }
        failure close_connection
    }
}

#[tokio::test]
async fn command_that_waits_for_room_ends_when_another_one_ends_the_connection() {
    let signals = Signals::default();
    let (connector, listener) = memory::pair();
    let limits = server::Limits::default().output(1000);
    let server =
        Server::builder(Endings, Json, signals.clone()).limits(limits).listen(listener).expect("it listens");
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());

    let (io, _) = within(connector.connect()).await.expect("it listens");
    let mut peer = BytePeer::over(io);
    peer.expect(GREETING).await;
    peer.send(b"\x01\x01\x02{}\x02\x00\x02{}").await;
    peer.rest().await;
    drop(peer);
    within(signals.filler_ended.notified()).await;
    handle.shutdown();
    assert_eq!(
        within(serving).await.expect("no panic"),
        Served::Shutdown(server::Cut::default()),
        "nothing is left"
    );
}

#[tokio::test]
async fn error_that_panics_when_asked_what_it_says_ends_its_connection_at_most() {
    let (connector, listener) = memory::pair();
    let server = Server::builder(Endings, Json, Signals::default()).listen(listener).expect("it listens");
    let handle = server.handle();
    tokio::spawn(server.serve());
    let client = within(Client::builder(Endings, Json).connect_by(connector.clone())).await.expect("greeted");
    let error = Error::from(within(client.send(FailUgly {})).await.err().expect("it fails"));
    assert_eq!(
        (error.kind(), error.origin(), error.was_sent()),
        (ErrorKind::Closed, Origin::Remote, true),
        "{error}"
    );
    assert_eq!(handle.counters().failed, 1);
    within(Client::builder(Endings, Json).connect_by(connector)).await.expect("the server goes on");
}

/// A transport with a buffer of its own, whose flush is not ready at first.
struct FlushesLate {
    io: DuplexStream,
    buffer: Vec<u8>,
    asked: bool,
}

impl AsyncRead for FlushesLate {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for FlushesLate {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.buffer.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.buffer.is_empty() {
            return Poll::Ready(Ok(()));
        }
        this.asked = !this.asked;
        if this.asked {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let written = std::task::ready!(Pin::new(&mut this.io).poll_write(cx, &this.buffer))?;
        assert_eq!(written, this.buffer.len(), "there is room");
        this.buffer.clear();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn flush_that_is_not_ready_at_first_is_asked_for_again() {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let mut peer = BytePeer::over(theirs);
    peer.send(GREETING).await;
    let io = FlushesLate { io: ours, buffer: Vec::new(), asked: false };
    let connecting = Client::builder(Endings, Json).keepalive(Keepalive::OFF).over(io, Peer::other("late"));
    let client = within(connecting).await.expect("greeted");
    let caller = client.clone();
    let call = tokio::spawn(async move { caller.send(FailLate {}).await.map(|Text(text)| text) });
    peer.expect(b"\x01\x01\x02{}").await;
    // Nothing is under way any more, so no limit on the output may end the connection.
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    peer.send(b"\x01\x00\x02\"\"").await;
    assert_eq!(within(call).await.expect("no panic").expect("a reply"), "");
}
