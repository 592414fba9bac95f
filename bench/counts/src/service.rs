//! What is counted: an echo and a stream, their values, and a raw end that speaks the wire without doing anything else.

use std::sync::LazyLock;
use std::time::Duration;

use bench_harness::by_reference;
use cmd_stream::format::{Decode, Encode};
use cmd_stream::proto::{Seq, Tag};
use cmd_stream::server::Handle;
use cmd_stream::transport::{Connect, Peer, memory};
use cmd_stream::{Answer, Client, Context, Execute, Failed, Mus, Proxy, Reply, Sender, Server, protocol};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// What is echoed.
#[derive(Clone, PartialEq, Serialize, Deserialize, mus_format::Mus, prost::Message)]
pub(crate) struct Echo {
    #[prost(bool, tag = "1")]
    pub(crate) bool: bool,
    #[prost(int64, tag = "2")]
    pub(crate) int64: i64,
    #[prost(string, tag = "3")]
    pub(crate) string: String,
    #[prost(double, tag = "4")]
    pub(crate) float64: f64,
}

/// Asks for so many Items.
#[derive(Clone, PartialEq, Serialize, Deserialize, mus_format::Mus, prost::Message)]
pub(crate) struct Count(#[prost(uint64, tag = "1")] pub(crate) u64);

#[derive(Clone, PartialEq, Serialize, Deserialize, mus_format::Mus, prost::Message)]
pub(crate) struct Item {
    #[prost(uint64, tag = "1")]
    pub(crate) n: u64,
    #[prost(bool, tag = "2")]
    last: bool,
}

impl Item {
    /// The item with this number, of so many.
    pub(crate) fn new(n: u64, of: u64) -> Self {
        Self { n, last: n + 1 == of }
    }
}

impl Reply for Item {
    fn is_last(&self) -> bool {
        self.last
    }
}

impl Answer<()> for Echo {
    async fn answer(self, _: &(), _: &Context<'_>) -> Result<Self, Failed> {
        Ok(self)
    }
}

impl Execute<()> for Count {
    async fn execute(self, _: &(), proxy: Proxy<'_, Item>) -> Result<(), Failed> {
        for n in 0..self.0 {
            proxy.send(Item::new(n, self.0)).await?;
        }
        Ok(())
    }
}

protocol! {
    pub(crate) struct Counted {
        commands { 0 => Echo -> Echo, 1 => Count -> Item }
        replies { 0 => Echo, 1 => Item }
        failure close_connection
    }
}

by_reference! {
    /// What the client sends: an Echo, by reference, so that only what the library does is counted.
    pub(crate) struct Sent(Echo);
}

protocol! {
    /// The same as its client sees it.
    pub(crate) struct Asked {
        commands { 0 => Sent -> Echo, 1 => Count }
        replies { 0 => Echo, 1 => Item }
        failure close_connection
    }
}

/// A Format of everything here.
pub(crate) trait AnyFormat: Values + Encode<Sent> + Encode<Count> + Decode<Count> + Copy {}
impl<F: Values + Encode<Sent> + Encode<Count> + Decode<Count> + Copy> AnyFormat for F {}

pub(crate) trait Values: Encode<Echo> + Decode<Echo> + Encode<Item> + Decode<Item> {}
impl<F: Encode<Echo> + Decode<Echo> + Encode<Item> + Decode<Item>> Values for F {}

/// 64 values, with strings of 0 to 1000 bytes.
pub(crate) fn values() -> &'static [Echo] {
    static VALUES: LazyLock<Vec<Echo>> = LazyLock::new(make_values);
    &VALUES
}

fn make_values() -> Vec<Echo> {
    let value = |n: i64| Echo {
        bool: n % 2 == 0,
        int64: n.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed()),
        string: "cmd-stream".chars().cycle().take((n.unsigned_abs() as usize * 619) % 1001).collect(),
        float64: n as f64 / 3.0,
    };
    (0..64).map(value).collect()
}

/// A server, and the connections to it.
pub(crate) struct Served {
    connector: memory::Connector,
    _handle: Handle,
}

impl Served {
    pub(crate) fn start(format: impl AnyFormat) -> Self {
        let (connector, listener) = memory::pair();
        let server = Server::builder(Counted, format, ()).listen(listener).expect("a runtime with timers");
        let handle = server.handle();
        tokio::spawn(server.serve());
        Self { connector, _handle: handle }
    }

    pub(crate) async fn client<F: AnyFormat>(&self, format: F) -> Client<Asked, F> {
        Client::builder(Asked, format).connect_by(self.connector.clone()).await.expect("a server")
    }

    /// A Sender over a group of two. Its calls have no deadline, as those of a client have none.
    pub(crate) async fn group(&self) -> Sender<Asked, Mus> {
        let connector = self.connector.clone();
        let builder = Sender::builder(Asked, Mus).endpoints(["memory:1"]).clients(2).minimum(2);
        let connected = builder.timeout(Duration::MAX).connect_by(move |_| connector.clone());
        connected.await.expect("a server")
    }

    /// A connection that the caller speaks by himself. The ServerInfo has been read.
    pub(crate) async fn raw(&self) -> Raw {
        let (io, _) = self.connector.connect().await.expect("a server");
        let mut raw = Raw { io, buffer: vec![0; 1 << 16] };
        raw.io.read_exact(&mut [0; GREETING.len()]).await.expect("a greeting");
        raw
    }
}

/// The end of a connection that only moves bytes.
pub(crate) struct Raw {
    io: DuplexStream,
    buffer: Vec<u8>,
}

const GREETING: &[u8] = b"\x07default";

impl Raw {
    /// A client, and the raw end that it has for its server.
    pub(crate) async fn with_client<F: AnyFormat>(format: F) -> (Self, Client<Asked, F>) {
        let (ours, mut theirs) = tokio::io::duplex(1 << 18);
        theirs.write_all(GREETING).await.expect("room");
        let client = Client::builder(Asked, format).over(ours, Peer::other("raw")).await.expect("a greeting");
        (Self { io: theirs, buffer: vec![0; 1 << 16] }, client)
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.expect("a connection");
    }

    /// Reads and drops so many bytes.
    pub(crate) async fn skip(&mut self, mut bytes: usize) {
        while bytes > 0 {
            let most = bytes.min(self.buffer.len());
            bytes -= self.io.read(&mut self.buffer[..most]).await.expect("a connection");
        }
    }

    /// Sends back what comes, as it is, until the connection ends. An echo has the tag 0 as Command and as Reply.
    pub(crate) async fn echo(mut self) {
        while let Ok(read @ 1..) = self.io.read(&mut self.buffer).await {
            self.io.write_all(&self.buffer[..read]).await.expect("a connection");
        }
    }
}

/// The frame of a value.
pub(crate) fn frame<T, F: Encode<T>>(format: F, seq: Seq, tag: i64, value: &T) -> Vec<u8> {
    let mut frame = Vec::new();
    seq.encode(&mut frame);
    format.encode_tag(Tag::new(tag), &mut frame);
    format.encode(value, &mut frame).expect("it has no limits");
    frame
}
