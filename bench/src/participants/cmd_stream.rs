//! This library: one server, and one Client a connection, over TCP on the loopback interface.

use crate::load::{self, Echo, Measured};
use crate::participant::{Format, Request};
use crate::workload::Value;

/// Both ends, connected.
pub(crate) struct Session {
    clients: Vec<Client>,
}

/// One connection's client, as tasks share it.
#[derive(Clone)]
pub(crate) enum Client {}

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
        let _ = (format, connections);
        Err("the cmd-stream participant is not connected to the library yet".to_owned())
    }

    /// The clients, one a connection, ready to send.
    pub(crate) fn clients(&self) -> &[Client] {
        &self.clients
    }

    /// Ends both sides, and waits for it: the next round must not share the machine with this one.
    pub(crate) async fn stop(self) -> Result<(), String> {
        Ok(())
    }
}

impl Echo for Client {
    async fn echo(&self, _value: Value) -> Result<Value, String> {
        match *self {}
    }
}
