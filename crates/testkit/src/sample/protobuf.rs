//! The sample service of the Protobuf vectors, whose messages differ from those of the other Formats. The types declare
//! the number of each field, as a user's may.

use std::time::Duration;

use cmd_stream::{Answer, Context, Execute, Failed, Proxy, Reply, protocol};
use tokio::time::sleep;

use super::Service;

/// Replies with the same field.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Cmd1 {
    /// Any value.
    #[prost(int64, tag = "1")]
    pub x: i64,
}

/// Does what its text asks for. Any other text is echoed.
///
/// - `fail`: fails.
/// - `stream:N`: replies with N texts, `+1`, `+2` and so on, the last one without the plus.
/// - `delay:MS:TEXT`: replies with TEXT after MS milliseconds.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Cmd2 {
    /// Any value.
    #[prost(string, tag = "1")]
    pub y: String,
}

/// Replies with the sum, which wraps.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AddCmd {
    /// Any value.
    #[prost(int64, tag = "1")]
    pub a: i64,
    /// Any value.
    #[prost(int64, tag = "2")]
    pub b: i64,
}

/// Replies with the difference, which wraps.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SubCmd {
    /// Any value.
    #[prost(int64, tag = "1")]
    pub a: i64,
    /// Any value.
    #[prost(int64, tag = "2")]
    pub b: i64,
}

/// The Reply of [`Cmd1`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Result1 {
    /// The value from the Command.
    #[prost(int64, tag = "1")]
    pub x: i64,
}

/// A Reply of [`Cmd2`]. It is the last one unless its text begins with a plus.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Result2 {
    /// A text.
    #[prost(string, tag = "1")]
    pub y: String,
}

/// The Reply of [`AddCmd`] and [`SubCmd`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct CalcResult {
    /// The result.
    #[prost(int64, tag = "1")]
    pub r: i64,
}

impl Reply for Result2 {
    fn is_last(&self) -> bool {
        !self.y.starts_with('+')
    }
}

/// What the text of a [`Cmd2`] asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// Fail.
    Fail,
    /// Reply with this many texts.
    Stream(u64),
    /// Reply with a text after a delay.
    Delay(Duration, String),
    /// Reply with this text.
    Echo(String),
}

impl Cmd2 {
    /// Parses the text.
    pub fn told(self) -> Told {
        let delay = |told: &str| {
            let (ms, text) = told.split_once(':')?;
            Some(Told::Delay(Duration::from_millis(ms.parse().ok()?), text.to_owned()))
        };
        let told = match self.y.split_once(':') {
            None if self.y == "fail" => Some(Told::Fail),
            Some(("stream", count)) => count.parse().ok().map(Told::Stream),
            Some(("delay", told)) => delay(told),
            _ => None,
        };
        told.unwrap_or(Told::Echo(self.y))
    }
}

/// Returns the Replies of a stream.
pub fn counted(count: u64) -> impl Iterator<Item = Result2> {
    (1..=count).map(move |n| Result2 { y: if n < count { format!("+{n}") } else { n.to_string() } })
}

impl Answer<Service> for Cmd1 {
    async fn answer(self, _: &Service, _: &Context<'_>) -> Result<Result1, Failed> {
        Ok(Result1 { x: self.x })
    }
}

impl Execute<Service> for Cmd2 {
    async fn execute(self, _: &Service, proxy: Proxy<'_, Result2>) -> Result<(), Failed> {
        match self.told() {
            Told::Fail => Err(Failed::new("the command failed, as it was asked to")),
            Told::Stream(count) => {
                for reply in counted(count) {
                    proxy.send(reply).await?;
                }
                Ok(())
            }
            Told::Delay(time, y) => {
                sleep(time).await;
                proxy.send(Result2 { y }).await
            }
            Told::Echo(y) => proxy.send(Result2 { y }).await,
        }
    }
}

impl Answer<Service> for AddCmd {
    async fn answer(self, _: &Service, _: &Context<'_>) -> Result<CalcResult, Failed> {
        Ok(CalcResult { r: self.a.wrapping_add(self.b) })
    }
}

impl Answer<Service> for SubCmd {
    async fn answer(self, _: &Service, _: &Context<'_>) -> Result<CalcResult, Failed> {
        Ok(CalcResult { r: self.a.wrapping_sub(self.b) })
    }
}

protocol! {
    /// The sample service, with the tags of the Protobuf vectors.
    pub struct Sample {
        commands { 0 => Cmd1 -> Result1, 1 => Cmd2 -> Result2, 2 => AddCmd -> CalcResult, 3 => SubCmd -> CalcResult }
        replies { 0 => Result1, 1 => Result2, 2 => CalcResult }
        failure close_connection
    }
}
