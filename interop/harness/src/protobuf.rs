//! The sample service in Protobuf: the messages of `interop/messages/sample.proto`, each with its type in
//! [`testkit::sample`]. (The golden vectors of Protobuf have a service of their own, [`testkit::sample::protobuf`].)

use std::collections::BTreeMap;
use std::time::Duration;

use cmd_stream::{Answer, Context, Execute, Failed, Proxy, Reply, protocol};
use testkit::sample::{self, Service};
use tokio::time::sleep;

/// Declares messages with the fields of a type of the sample service.
macro_rules! messages {
    ($(
        $(#[$doc:meta])*
        $name:ident { $( $field:ident: $type:ty = $kind:ident $tag:literal, )* }
    )+) => { $(
        $(#[$doc])*
        #[derive(Clone, PartialEq, prost::Message)]
        pub struct $name {
            $(
                /// That of the plain type.
                #[prost($kind, tag = $tag)]
                pub $field: $type,
            )*
        }

        impl From<sample::$name> for $name {
            fn from(plain: sample::$name) -> Self {
                let sample::$name { $($field),* } = plain;
                Self { $($field),* }
            }
        }

        impl From<$name> for sample::$name {
            fn from(message: $name) -> Self {
                let $name { $($field),* } = message;
                Self { $($field),* }
            }
        }
    )+ };
}

messages! {
    /// Answered with the same fields.
    EchoCmd { bool: bool = bool "1", int64: i64 = int64 "2", string: String = string "3", float64: f64 = double "4", }
    /// Answered with Replies that count up.
    StreamCmd { init: i64 = int64 "1", count: i64 = int64 "2", }
    /// Fails.
    FailCmd {}
    /// Answered after a while.
    DelayCmd { id: i64 = int64 "1", delay_ms: i64 = int64 "2", }
    /// The Reply of [`EchoCmd`].
    EchoResult { bool: bool = bool "1", int64: i64 = int64 "2", string: String = string "3", float64: f64 = double "4", }
    /// A Reply of [`StreamCmd`].
    StreamResult { value: i64 = int64 "1", last: bool = bool "2", }
    /// The Reply of [`DelayCmd`].
    DelayResult { id: i64 = int64 "1", }
}

/// An echo, with what a tracer wrote.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TraceCmd {
    /// A message, because a map by itself cannot be absent.
    #[prost(message, optional, tag = "1")]
    pub map_carrier: Option<Carrier>,
    /// What is executed.
    #[prost(message, optional, tag = "2")]
    pub cmd: Option<EchoCmd>,
}

/// What a tracer wrote.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Carrier {
    /// By key.
    #[prost(btree_map = "string, string", tag = "1")]
    pub entries: BTreeMap<String, String>,
}

impl From<sample::TraceCmd<sample::EchoCmd>> for TraceCmd {
    fn from(plain: sample::TraceCmd<sample::EchoCmd>) -> Self {
        let map_carrier = plain.map_carrier.map(|entries| Carrier { entries });
        Self { map_carrier, cmd: Some(plain.cmd.into()) }
    }
}

impl Reply for StreamResult {
    fn is_last(&self) -> bool {
        self.last
    }
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

impl Answer<Service> for TraceCmd {
    async fn answer(self, service: &Service, context: &Context<'_>) -> Result<EchoResult, Failed> {
        self.cmd.unwrap_or_default().answer(service, context).await
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
            4 => TraceCmd -> EchoResult,
        }
        replies { 0 => EchoResult, 1 => StreamResult, 2 => DelayResult }
        failure close_connection
    }
}
