//! This library: one server, and one Client a connection, over TCP on the loopback interface.

use std::sync::Arc;

use cmd_stream::server::{Handle, Served};
use cmd_stream::{Command, Execute, Failed, Json, Proxy, Reply, Server, protocol};
use tokio::task::JoinHandle;

use crate::load::{self, Echo, Measured};
use crate::participant::{Format, Request};
use crate::workload::Value;

/// The Receiver: an echo needs none.
struct Nothing;

impl Reply for Value {}

impl Command for Value {
    type Reply = Self;
}

impl Execute<Nothing> for Value {
    async fn execute(self, _: &Nothing, proxy: Proxy<'_, Self>) -> Result<(), Failed> {
        proxy.send(self).await
    }
}

protocol! {
    struct EchoProtocol {
        commands { 0 => Value }
        replies { 0 => Value }
    }
}

/// Both ends, connected.
pub(crate) struct Session {
    clients: Vec<Client>,
    server: Handle,
    serving: JoinHandle<Served>,
}

/// One connection's client, as tasks share it.
#[derive(Clone)]
pub(crate) struct Client(Arc<cmd_stream::Client<EchoProtocol, Json>>);

/// One round: both ends are started for it, and stopped after it.
pub(crate) async fn measure(request: &Request) -> Result<Measured, String> {
    let session = Session::start(request.format, request.connections).await?;
    let measured = load::closed_loop(session.clients(), request).await;
    session.stop().await?;
    measured
}

impl Session {
    /// A server on a free port, and a client for each connection.
    pub(crate) async fn start(format: Format, connections: u32) -> Result<Self, String> {
        let Format::Json = format;
        let listening = Server::bind("127.0.0.1:0", EchoProtocol, Json, Nothing).await;
        let server = listening.map_err(|error| error.to_string())?;
        let handle = server.handle();
        let address = handle.local_addr().to_string();
        let serving = tokio::spawn(server.serve());
        let mut clients = Vec::new();
        for _ in 0..connections {
            let connected = cmd_stream::Client::connect(&address, EchoProtocol, Json).await;
            clients.push(Client(Arc::new(connected.map_err(|error| error.to_string())?)));
        }
        Ok(Self { clients, server: handle, serving })
    }

    /// The clients, one a connection, ready to send.
    pub(crate) fn clients(&self) -> &[Client] {
        &self.clients
    }

    /// Ends both sides, and waits for it: the next round must not share the machine with this one.
    pub(crate) async fn stop(self) -> Result<(), String> {
        drop(self.clients);
        self.server.close();
        self.serving.await.map(drop).map_err(|error| error.to_string())
    }
}

impl Echo for Client {
    async fn echo(&self, value: Value) -> Result<Value, String> {
        self.0.send(value).await.map_err(|error| error.to_string())
    }
}
