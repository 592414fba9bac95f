//! The sample service of the golden vectors (`wire/vectors/README.md`), with what its Commands do on the server. The
//! types derive what JSON and MUS need, as a user's would. Protobuf has types of its own.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use cmd_stream::protocol::kind::Wrapper;
use cmd_stream::server::{Limits, Scheduling};
use cmd_stream::{Answer, Command, Context, Execute, Failed, Proxy, Reply, protocol};
use mus_format::Mus;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

pub mod mus;
pub mod protobuf;

/// The Receiver. It has no state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Service;

/// Replies with the same fields.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, Mus)]
#[serde(rename_all = "PascalCase", default)]
pub struct EchoCmd {
    /// Any value.
    pub bool: bool,
    /// Any value.
    pub int64: i64,
    /// Any value.
    pub string: String,
    /// Any value, but JSON cannot encode all of them.
    pub float64: f64,
}

/// Replies `count` times, with values that count up from `init`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, Mus)]
#[serde(rename_all = "PascalCase", default)]
pub struct StreamCmd {
    /// The first value.
    pub init: i64,
    /// The number of values.
    pub count: i64,
}

/// Fails.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, Mus)]
pub struct FailCmd {}

/// Replies after a delay.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, Mus)]
#[serde(default)]
pub struct DelayCmd {
    /// Any value.
    #[serde(rename = "ID")]
    pub id: i64,
    /// In milliseconds. Negative values mean no delay.
    #[serde(rename = "DelayMS")]
    pub delay_ms: i64,
}

/// Wraps a Command with the data of a tracer.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, Mus)]
#[serde(rename_all = "PascalCase")]
pub struct TraceCmd<C> {
    /// A pointer to a map in Go.
    pub map_carrier: Option<BTreeMap<String, String>>,
    /// The Command to execute.
    pub cmd: C,
}

/// The Reply of [`EchoCmd`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, Mus)]
#[serde(rename_all = "PascalCase", default)]
pub struct EchoResult {
    /// The value from the Command.
    pub bool: bool,
    /// The value from the Command.
    pub int64: i64,
    /// The value from the Command.
    pub string: String,
    /// The value from the Command.
    pub float64: f64,
}

/// A Reply of [`StreamCmd`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, Mus)]
#[serde(rename_all = "PascalCase", default)]
pub struct StreamResult {
    /// Counts up from `init`.
    pub value: i64,
    /// Whether it is the last one.
    pub last: bool,
}

/// The Reply of [`DelayCmd`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, Mus)]
#[serde(default)]
pub struct DelayResult {
    /// The value from the Command.
    #[serde(rename = "ID")]
    pub id: i64,
}

impl Reply for StreamResult {
    fn is_last(&self) -> bool {
        self.last
    }
}

impl<C: Command> Command for TraceCmd<C> {
    type Reply = C::Reply;
    type Kind = Wrapper<C::Kind>;
}

impl Answer<Service> for EchoCmd {
    async fn answer(self, _: &Service, _: &Context<'_>) -> Result<EchoResult, Failed> {
        let Self { bool, int64, string, float64 } = self;
        Ok(EchoResult { bool, int64, string, float64 })
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

impl Answer<Service> for FailCmd {
    async fn answer(self, _: &Service, _: &Context<'_>) -> Result<EchoResult, Failed> {
        Err(Failed::new("the command failed, as it was asked to"))
    }
}

impl Answer<Service> for DelayCmd {
    async fn answer(self, _: &Service, _: &Context<'_>) -> Result<DelayResult, Failed> {
        sleep(Duration::from_millis(self.delay_ms.try_into().unwrap_or(0))).await;
        Ok(DelayResult { id: self.id })
    }
}

/// For any Receiver that can execute the Command inside, whichever crate either comes from.
impl<R: Sync, C: Execute<R>> Execute<R> for TraceCmd<C> {
    const SCHEDULING: Scheduling = C::SCHEDULING;

    fn execute(
        self,
        receiver: &R,
        proxy: Proxy<'_, C::Reply>,
    ) -> impl Future<Output = Result<(), Failed>> + Send {
        self.cmd.execute(receiver, proxy)
    }
}

protocol! {
    /// The sample service, with the tags of the JSON vectors.
    pub struct Sample {
        commands {
            0 => EchoCmd -> EchoResult,
            1 => StreamCmd -> StreamResult,
            2 => FailCmd -> EchoResult,
            3 => DelayCmd -> DelayResult,
            4 => TraceCmd<EchoCmd> as TraceEchoCmd,
        }
        replies { 0 => EchoResult, 1 => StreamResult, 2 => DelayResult }
        failure close_connection
    }
}

/// Short limits, for tests that wait until a server's limit is reached.
pub fn short_limits() -> Limits {
    Limits::default().drain(Duration::from_secs(5))
}
