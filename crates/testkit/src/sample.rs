//! The sample service of the golden vectors (`wire/vectors/README.md`): what its Commands do on the server. The types
//! derive plainly, as a user's would, what JSON and MUS need; those of Protobuf are others.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use cmd_stream::server::Limits;
use cmd_stream::{Command, Execute, Failed, Proxy, Reply, protocol};
use mus_format::Mus;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

pub mod mus;
pub mod protobuf;

/// The Receiver. It has no state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Service;

/// Answered with the same fields.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, Mus)]
#[serde(rename_all = "PascalCase", default)]
pub struct EchoCmd {
    /// Any.
    pub bool: bool,
    /// Any.
    pub int64: i64,
    /// Any.
    pub string: String,
    /// Any; JSON cannot write all.
    pub float64: f64,
}

/// Answered with `count` Replies that count up from `init`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, Mus)]
#[serde(rename_all = "PascalCase", default)]
pub struct StreamCmd {
    /// The first value.
    pub init: i64,
    /// How many values.
    pub count: i64,
}

/// Fails.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, Mus)]
pub struct FailCmd {}

/// Answered after a while.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, Mus)]
#[serde(default)]
pub struct DelayCmd {
    /// Any.
    #[serde(rename = "ID")]
    pub id: i64,
    /// In milliseconds; nothing below zero.
    #[serde(rename = "DelayMS")]
    pub delay_ms: i64,
}

/// Another Command, with what a tracer wrote.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, Mus)]
#[serde(rename_all = "PascalCase")]
pub struct TraceCmd<C> {
    /// A pointer to a map in Go.
    pub map_carrier: Option<BTreeMap<String, String>>,
    /// What is executed.
    pub cmd: C,
}

/// The Reply of [`EchoCmd`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, Mus)]
#[serde(rename_all = "PascalCase", default)]
pub struct EchoResult {
    /// That of the Command.
    pub bool: bool,
    /// That of the Command.
    pub int64: i64,
    /// That of the Command.
    pub string: String,
    /// That of the Command.
    pub float64: f64,
}

/// A Reply of [`StreamCmd`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, Mus)]
#[serde(rename_all = "PascalCase", default)]
pub struct StreamResult {
    /// Counts up.
    pub value: i64,
    /// Whether it is the last one.
    pub last: bool,
}

/// The Reply of [`DelayCmd`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, Mus)]
#[serde(default)]
pub struct DelayResult {
    /// That of the Command.
    #[serde(rename = "ID")]
    pub id: i64,
}

impl Reply for EchoResult {}
impl Reply for DelayResult {}
impl Reply for StreamResult {
    fn is_last(&self) -> bool {
        self.last
    }
}

impl Command for EchoCmd {
    type Reply = EchoResult;
}
impl Command for StreamCmd {
    type Reply = StreamResult;
}
impl Command for FailCmd {
    type Reply = EchoResult;
}
impl Command for DelayCmd {
    type Reply = DelayResult;
}
impl<C: Command> Command for TraceCmd<C> {
    type Reply = C::Reply;
}

impl Execute<Service> for EchoCmd {
    async fn execute(self, _: &Service, proxy: Proxy<'_, EchoResult>) -> Result<(), Failed> {
        let Self { bool, int64, string, float64 } = self;
        proxy.send(EchoResult { bool, int64, string, float64 }).await
    }
}

impl Execute<Service> for StreamCmd {
    async fn execute(self, _: &Service, proxy: Proxy<'_, StreamResult>) -> Result<(), Failed> {
        for n in 0..self.count {
            proxy.send(StreamResult { value: self.init.wrapping_add(n), last: n + 1 == self.count }).await?;
        }
        Ok(())
    }
}

impl Execute<Service> for FailCmd {
    async fn execute(self, _: &Service, _: Proxy<'_, EchoResult>) -> Result<(), Failed> {
        Err(Failed::new("the command failed, as it was asked to"))
    }
}

impl Execute<Service> for DelayCmd {
    async fn execute(self, _: &Service, proxy: Proxy<'_, DelayResult>) -> Result<(), Failed> {
        sleep(Duration::from_millis(self.delay_ms.try_into().unwrap_or(0))).await;
        proxy.send(DelayResult { id: self.id }).await
    }
}

impl<C: Execute<Service>> Execute<Service> for TraceCmd<C> {
    fn execute(
        self,
        service: &Service,
        proxy: Proxy<'_, C::Reply>,
    ) -> impl Future<Output = Result<(), Failed>> + Send {
        self.cmd.execute(service, proxy)
    }
}

protocol! {
    /// The sample service, with the tags of the JSON vectors.
    pub struct Sample {
        commands {
            0 => EchoCmd,
            1 => StreamCmd,
            2 => FailCmd,
            3 => DelayCmd,
            4 => TraceCmd<EchoCmd> as TraceEchoCmd,
        }
        replies { 0 => EchoResult, 1 => StreamResult, 2 => DelayResult }
    }
}

/// The limits of a server that a test wants to see the end of.
pub fn short_limits() -> Limits {
    Limits::default().drain(Duration::from_secs(5))
}
