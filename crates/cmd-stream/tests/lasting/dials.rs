//! A transport whose attempts to connect are answered by the test, and clients over it.

use std::io;

use cmd_stream::transport::{Connect, Peer};
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::within;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};

use crate::lab::Plain;
use crate::{Builder, Client};

type Answer = io::Result<DuplexStream>;

/// Dials as a client does.
#[derive(Clone)]
pub(crate) struct Dialer(mpsc::UnboundedSender<oneshot::Sender<Answer>>);

/// The attempts, one after the other.
pub(crate) struct Dials(mpsc::UnboundedReceiver<oneshot::Sender<Answer>>);

pub(crate) fn dials() -> (Dialer, Dials) {
    let (attempts, answers) = mpsc::unbounded_channel();
    (Dialer(attempts), Dials(answers))
}

impl Connect for Dialer {
    type Outgoing = (DuplexStream, Peer);

    async fn connect(&self) -> io::Result<(DuplexStream, Peer)> {
        let (answer, answered) = oneshot::channel();
        self.0.send(answer).map_err(|_| io::Error::from(io::ErrorKind::NotConnected))?;
        let stream = answered.await.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok((stream?, Peer::other("a pipe")))
    }

    fn address(&self) -> String {
        "the test".into()
    }
}

/// How many bytes of each direction a connection holds, unless a test says otherwise.
pub(crate) const WIDE: usize = 1 << 20;

impl Dials {
    /// The next attempt. It waits as long as the client does.
    pub(crate) async fn attempt(&mut self) -> oneshot::Sender<Answer> {
        self.0.recv().await.expect("the client is there")
    }

    /// Connects the next attempt, and greets.
    pub(crate) async fn accept(&mut self) -> BytePeer<DuplexStream> {
        self.accept_narrow(WIDE).await
    }

    pub(crate) async fn accept_narrow(&mut self, bytes: usize) -> BytePeer<DuplexStream> {
        self.accept_saying(bytes, GREETING).await
    }

    pub(crate) async fn accept_saying(&mut self, bytes: usize, greeting: &[u8]) -> BytePeer<DuplexStream> {
        let answer = self.attempt().await;
        let (ours, theirs) = duplex(bytes);
        let mut peer = BytePeer::over(theirs);
        peer.send(greeting).await;
        answer.send(Ok(ours)).expect("the attempt goes on");
        peer
    }

    /// Refuses the next attempt.
    pub(crate) async fn refuse(&mut self) {
        drop(self.attempt().await);
    }

    /// Waits until nobody can dial any more.
    pub(crate) async fn ended(&mut self) {
        assert!(within(self.0.recv()).await.is_none(), "another attempt");
    }
}

/// A client with one connection, and the server's end of it.
pub(crate) async fn connected(builder: Builder) -> (Client, Dials, BytePeer<DuplexStream>) {
    connected_by(builder, WIDE).await
}

pub(crate) async fn connected_by(builder: Builder, bytes: usize) -> (Client, Dials, BytePeer<DuplexStream>) {
    let (dialer, mut dials) = dials();
    let (client, peer) = tokio::join!(within(builder.connect_by(dialer)), dials.accept_narrow(bytes));
    (client.expect("it greets"), dials, peer)
}

pub(crate) fn builder() -> Builder {
    Client::builder(Plain, cmd_stream::Json)
}
