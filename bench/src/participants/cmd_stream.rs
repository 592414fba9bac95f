//! This library: one server, and one Client per connection, over TCP on the loopback interface, with or without TLS.

use std::time::Duration;

use cmd_stream::format::{Decode, Encode};
use cmd_stream::server::{Handle, Limits, Served};
use cmd_stream::transport::tls::{Authorities, ClientTls, Identity, ServerTls};
use cmd_stream::{Answer, Context, Failed, Json, Mus, Protobuf, Sender, Server, protocol};
use prost::Message;
use prost::bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType};
use serde::{Deserialize, Serialize};
use testkit::certs::{Authority, Issued};
use tokio::task::JoinHandle;

use crate::against::{DEADLINE, GROUP};
use crate::counted::counted_loop;
use bench_harness::alloc::Allocated;
use bench_harness::by_reference;
use bench_harness::format::Format;
use bench_harness::lines::Request;
use bench_harness::load::{self, Echo, Measured};
use bench_harness::workload::{self, Value};

/// The Receiver: an echo needs none.
pub(crate) struct Nothing;

/// What the server receives: a value that is a Command, which only a type of this crate can be.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, mus_format::Mus)]
pub(crate) struct Arrived(pub(crate) Value);

impl Answer<Nothing> for Arrived {
    async fn answer(self, _: &Nothing, _: &Context<'_>) -> Result<Value, Failed> {
        Ok(self.0)
    }
}

impl Message for Arrived {
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
        self.0.merge_field(tag, kind, bytes, context)
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

protocol! {
    struct EchoProtocol {
        commands { 0 => Arrived -> Value }
        replies { 0 => Value }
        failure close_connection
    }
}

by_reference! {
    /// What the client sends: a value, by reference. The server receives it as [`Arrived`].
    pub(crate) struct Sent(Value);
}

protocol! {
    /// The same protocol as its client sees it.
    pub(crate) struct SendProtocol {
        commands { 0 => Sent -> Value }
        replies { 0 => Value }
        failure close_connection
    }
}

/// A Format that can encode and decode all of these types.
pub(crate) trait EchoFormat:
    Encode<Sent> + Encode<Value> + Decode<Arrived> + Decode<Value> + Copy
{
}
impl<F: Encode<Sent> + Encode<Value> + Decode<Arrived> + Decode<Value> + Copy> EchoFormat for F {}

/// Both ends, connected.
struct Session<F: EchoFormat> {
    clients: Vec<Client<F>>,
    server: Handle,
    serving: JoinHandle<Served>,
}

/// One connection's client, as tasks share it.
struct Client<F: EchoFormat>(cmd_stream::Client<SendProtocol, F>);

/// A Sender over all connections, as tasks share it.
struct Group<F: EchoFormat>(Sender<SendProtocol, F>);

/// How connections are secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    Plain,
    /// With certificates on both sides.
    Tls,
}

/// Runs one round. Both ends are started for it, and stopped after it.
pub(crate) async fn measure(request: &Request, security: Security) -> Result<Measured, String> {
    match request.format {
        Format::Json => measure_in(Json, request, security).await,
        Format::Mus => measure_in(Mus, request, security).await,
        Format::Protobuf => measure_in(Protobuf, request, security).await,
    }
}

async fn measure_in(
    format: impl EchoFormat,
    request: &Request,
    security: Security,
) -> Result<Measured, String> {
    if std::env::var(GROUP).is_ok_and(|group| group == "y") {
        return measure_group_in(format, request).await;
    }
    let session = Session::start(format, request.connections, security).await?;
    let measured = load::closed_loop(session.clients(), &request.round()).await;
    session.stop().await?;
    measured
}

/// Runs one round through a Sender over a group, with as many members as there are connections.
pub(crate) async fn measure_group(request: &Request) -> Result<Measured, String> {
    match request.format {
        Format::Json => measure_group_in(Json, request).await,
        Format::Mus => measure_group_in(Mus, request).await,
        Format::Protobuf => measure_group_in(Protobuf, request).await,
    }
}

async fn measure_group_in(format: impl EchoFormat, request: &Request) -> Result<Measured, String> {
    let (group, server, serving) = start_group(format, request.connections).await?;
    let measured = load::closed_loop(&[group], &request.round()).await;
    stop(&server, serving).await?;
    measured
}

/// What a burst took.
pub(crate) struct Burst {
    pub(crate) elapsed: Duration,
    /// Commands that the server ran.
    pub(crate) served: u64,
}

/// Makes both ends, with default limits, and makes so many calls before it waits for the first of them. Each must be answered
/// with what was sent.
pub(crate) async fn burst(format: Format, connections: u32, calls: usize) -> Result<Burst, String> {
    match format {
        Format::Json => burst_in(Json, connections, calls).await,
        Format::Mus => burst_in(Mus, connections, calls).await,
        Format::Protobuf => burst_in(Protobuf, connections, calls).await,
    }
}

async fn burst_in(format: impl EchoFormat, connections: u32, calls: usize) -> Result<Burst, String> {
    let session = Session::start(format, connections, Security::Plain).await?;
    let elapsed = load::burst(session.clients(), &load::Round::of_calls(), calls).await?.elapsed;
    let served = session.server.counters().started;
    session.stop().await?;
    Ok(Burst { elapsed, served })
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
    if std::env::var(GROUP).is_ok_and(|group| group == "y") {
        let (group, server, serving) = start_group(format, connections).await?;
        let counted = counted_loop(&[group], in_flight, calls).await;
        stop(&server, serving).await?;
        return counted;
    }
    let session = Session::start(format, connections, Security::Plain).await?;
    let counted = counted_loop(session.clients(), in_flight, calls).await;
    session.stop().await?;
    counted
}

impl<F: EchoFormat> Session<F> {
    /// A server on a free port, and a client for each connection.
    async fn start(format: F, connections: u32, security: Security) -> Result<Self, String> {
        let certificates = (security == Security::Tls).then(Certificates::new);
        let (server, serving) = listen(format, certificates.as_ref()).await?;
        let address = server.local_addr().to_string();
        let tls = certificates.as_ref().map(Certificates::client).transpose()?;
        let mut clients = Vec::new();
        for _ in 0..connections {
            clients.push(Client(connect(format, &address, tls.clone()).await?));
        }
        Ok(Self { clients, server, serving })
    }

    /// The clients, one per connection, ready to send.
    fn clients(&self) -> &[Client<F>] {
        &self.clients
    }

    /// Ends both sides, and waits until they have ended: the next round must not share the machine with this one.
    async fn stop(self) -> Result<(), String> {
        drop(self.clients);
        stop(&self.server, self.serving).await
    }
}

async fn stop(server: &Handle, serving: JoinHandle<Served>) -> Result<(), String> {
    server.close();
    serving.await.map(drop).map_err(|error| error.to_string())
}

/// A server, and a Sender over a group of clients. Like the clients of a session, it has no default timeout.
async fn start_group<F: EchoFormat>(
    format: F,
    connections: u32,
) -> Result<(Group<F>, Handle, JoinHandle<Served>), String> {
    let (server, serving) = listen(format, None).await?;
    let sender = Sender::builder(SendProtocol, format)
        .endpoints([server.local_addr()])
        .clients(connections as usize)
        .minimum(connections as usize)
        .timeout(timeout())
        .connect();
    Ok((Group(sender.await.map_err(text)?), server, serving))
}

/// How long a call may take: as long as it likes by default.
fn timeout() -> Duration {
    let seconds = std::env::var(DEADLINE).ok().and_then(|seconds| seconds.parse().ok());
    seconds.map_or(Duration::MAX, Duration::from_secs)
}

/// What the two ends of a connection over TLS need. It can be told another process in JSON.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Certificates {
    authority: String,
    /// Chain and key.
    server: (String, String),
    client: (String, String),
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let authority = Authority::new("bench");
        let pair = |Issued { chain, key, .. }| (chain, key);
        Self {
            authority: authority.pem().to_owned(),
            server: pair(authority.server(&["127.0.0.1"])),
            client: pair(authority.client("bench")),
        }
    }

    pub(crate) fn server(&self) -> Result<ServerTls, String> {
        ServerTls::builder(Identity::pem(&self.server.0, &self.server.1))
            .require_client_certificates(Authorities::pem(&self.authority))
            .build()
            .map_err(text)
    }

    pub(crate) fn client(&self) -> Result<ClientTls, String> {
        ClientTls::builder()
            .authorities(Authorities::pem(&self.authority))
            .identity(Identity::pem(&self.client.0, &self.client.1))
            .build()
            .map_err(text)
    }
}

/// A server on a free port, over TLS if there are certificates.
pub(crate) async fn listen<F: EchoFormat>(
    format: F,
    certificates: Option<&Certificates>,
) -> Result<(Handle, JoinHandle<Served>), String> {
    // More than any of the measurements has.
    let limits = Limits::default().connections(1 << 17);
    let builder = Server::builder(EchoProtocol, format, Nothing).limits(limits);
    match certificates {
        Some(certificates) => {
            let server = builder.bind_tls("127.0.0.1:0", certificates.server()?).await.map_err(text)?;
            Ok((server.handle(), tokio::spawn(server.serve())))
        }
        None => {
            let server = builder.bind("127.0.0.1:0").await.map_err(text)?;
            Ok((server.handle(), tokio::spawn(server.serve())))
        }
    }
}

pub(crate) async fn connect<F: EchoFormat>(
    format: F,
    address: &str,
    tls: Option<ClientTls>,
) -> Result<cmd_stream::Client<SendProtocol, F>, String> {
    let builder = cmd_stream::Client::builder(SendProtocol, format).timeout(timeout());
    match tls {
        Some(tls) => builder.connect_tls(address, tls).await,
        None => builder.connect(address).await,
    }
    .map_err(text)
}

/// Makes one call.
pub(crate) async fn echo_once<F: EchoFormat>(
    client: &cmd_stream::Client<SendProtocol, F>,
) -> Result<(), String> {
    let value = &workload::pool()[0];
    let reply = client.send(Sent(value)).await.map_err(|error| format!("{error:#}"))?;
    if reply == *value { Ok(()) } else { Err("another value came back".to_owned()) }
}

pub(crate) fn text(error: cmd_stream::Error) -> String {
    format!("{error:#}")
}

impl<F: EchoFormat> Clone for Client<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F: EchoFormat> Clone for Group<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F: EchoFormat> Echo for Group<F> {
    async fn echo(&self, value: &'static Value) -> Result<Value, String> {
        self.0.send(Sent(value)).await.map_err(|error| format!("{error:#}"))
    }
}

impl<F: EchoFormat> Echo for Client<F> {
    async fn echo(&self, value: &'static Value) -> Result<Value, String> {
        self.0.send(Sent(value)).await.map_err(|error| format!("{error:#}"))
    }
}
