//! This library: one server, and one Client per connection, over TCP on the loopback interface.

use std::time::Duration;

use cmd_stream::format::{Decode, Encode};
use cmd_stream::server::{Handle, Served};
use cmd_stream::{Answer, Context, Failed, Json, Mus, Protobuf, Server, protocol};
use mus_format::Output;
use prost::Message;
use prost::bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType};
use serde::Serialize;
use tokio::task::JoinHandle;

use crate::against::DEADLINE;
use crate::alloc::Allocated;
use crate::load::{self, Echo, Measured};
use crate::participant::{Format, Request};
use crate::workload::Value;

/// The Receiver: an echo needs none.
struct Nothing;

impl Answer<Nothing> for Value {
    async fn answer(self, _: &Nothing, _: &Context<'_>) -> Result<Self, Failed> {
        Ok(self)
    }
}

protocol! {
    struct EchoProtocol {
        commands { 0 => Value -> Value }
        replies { 0 => Value }
        failure close_connection
    }
}

/// What the client sends: a value, by reference. The server receives it as a [`Value`].
#[derive(Debug, Serialize)]
struct Sent(&'static Value);

impl mus_format::Encode for Sent {
    fn encode<O: Output + ?Sized>(&self, out: &mut O) {
        mus_format::Encode::encode(self.0, out);
    }
}

impl Message for Sent {
    fn encode_raw(&self, out: &mut impl BufMut) {
        self.0.encode_raw(out);
    }

    fn encoded_len(&self) -> usize {
        self.0.encoded_len()
    }

    fn merge_field(
        &mut self,
        tag: u32,
        kind: WireType,
        bytes: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), prost::DecodeError> {
        prost::encoding::skip_field(kind, tag, bytes, context) // it is only sent
    }

    fn clear(&mut self) {}
}

protocol! {
    /// The same protocol as its client sees it.
    struct SendProtocol {
        commands { 0 => Sent -> Value }
        replies { 0 => Value }
        failure close_connection
    }
}

/// A Format that can encode and decode all of these types.
trait EchoFormat: Encode<Sent> + Encode<Value> + Decode<Value> + Copy {}
impl<F: Encode<Sent> + Encode<Value> + Decode<Value> + Copy> EchoFormat for F {}

/// Both ends, connected.
struct Session<F: EchoFormat> {
    clients: Vec<Client<F>>,
    server: Handle,
    serving: JoinHandle<Served>,
}

/// One connection's client, as tasks share it.
struct Client<F: EchoFormat>(cmd_stream::Client<SendProtocol, F>);

/// Runs one round. Both ends are started for it, and stopped after it.
pub(crate) async fn measure(request: &Request) -> Result<Measured, String> {
    match request.format {
        Format::Json => measure_in(Json, request).await,
        Format::Mus => measure_in(Mus, request).await,
        Format::Protobuf => measure_in(Protobuf, request).await,
    }
}

async fn measure_in(format: impl EchoFormat, request: &Request) -> Result<Measured, String> {
    let session = Session::start(format, request.connections).await?;
    let measured = load::closed_loop(session.clients(), request).await;
    session.stop().await?;
    measured
}

/// Makes both ends, and counts what `calls` round trips of each of `in_flight` tasks allocate.
pub(crate) async fn count(
    format: Format,
    connections: u32,
    in_flight: usize,
    calls: usize,
) -> Result<Allocated, String> {
    match format {
        Format::Json => count_in(Json, connections, in_flight, calls).await,
        Format::Mus => count_in(Mus, connections, in_flight, calls).await,
        Format::Protobuf => count_in(Protobuf, connections, in_flight, calls).await,
    }
}

async fn count_in(
    format: impl EchoFormat,
    connections: u32,
    in_flight: usize,
    calls: usize,
) -> Result<Allocated, String> {
    let session = Session::start(format, connections).await?;
    let counted = load::counted_loop(session.clients(), in_flight, calls).await;
    session.stop().await?;
    counted
}

impl<F: EchoFormat> Session<F> {
    /// A server on a free port, and a client for each connection.
    async fn start(format: F, connections: u32) -> Result<Self, String> {
        let listening = Server::bind("127.0.0.1:0", EchoProtocol, format, Nothing).await;
        let server = listening.map_err(|error| format!("{error:#}"))?;
        let handle = server.handle();
        let serving = tokio::spawn(server.serve());
        let timeout = std::env::var(DEADLINE).ok().and_then(|seconds| seconds.parse().ok());
        let timeout = timeout.map_or(Duration::MAX, Duration::from_secs); // as long as it likes, as the default is
        let mut clients = Vec::new();
        for _ in 0..connections {
            let client = cmd_stream::Client::builder(SendProtocol, format).timeout(timeout);
            let connected = client.connect(handle.local_addr()).await;
            clients.push(Client(connected.map_err(|error| format!("{error:#}"))?));
        }
        Ok(Self { clients, server: handle, serving })
    }

    /// The clients, one per connection, ready to send.
    fn clients(&self) -> &[Client<F>] {
        &self.clients
    }

    /// Ends both sides, and waits until they have ended: the next round must not share the machine with this one.
    async fn stop(self) -> Result<(), String> {
        drop(self.clients);
        self.server.close();
        self.serving.await.map(drop).map_err(|error| error.to_string())
    }
}

impl<F: EchoFormat> Clone for Client<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F: EchoFormat> Echo for Client<F> {
    async fn echo(&self, value: &'static Value) -> Result<Value, String> {
        self.0.send(Sent(value)).await.map_err(|error| format!("{error:#}"))
    }
}
