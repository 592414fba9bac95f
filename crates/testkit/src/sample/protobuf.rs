//! The sample service of the Protobuf vectors, whose messages are others than those of the other Formats. The types
//! say the number of each field themselves, as a user's may.

use std::time::Duration;

use cmd_stream::{Answer, Context, Execute, Failed, Proxy, Reply, protocol};
use tokio::time::sleep;

use super::Service;

/// Answered with the same field.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Cmd1 {
    /// Any.
    #[prost(int64, tag = "1")]
    pub x: i64,
}

/// Does what its text says; any text that says nothing is answered with itself.
///
/// - `fail`: it fails.
/// - `stream:N`: it is answered with N texts, `+1`, `+2` and so on, the last one without the plus.
/// - `delay:MS:TEXT`: it is answered with TEXT after so many milliseconds.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Cmd2 {
    /// Any.
    #[prost(string, tag = "1")]
    pub y: String,
}

/// Answered with the sum, which wraps.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AddCmd {
    /// Any.
    #[prost(int64, tag = "1")]
    pub a: i64,
    /// Any.
    #[prost(int64, tag = "2")]
    pub b: i64,
}

/// Answered with the difference, which wraps.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SubCmd {
    /// Any.
    #[prost(int64, tag = "1")]
    pub a: i64,
    /// Any.
    #[prost(int64, tag = "2")]
    pub b: i64,
}

/// The Reply of [`Cmd1`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct Result1 {
    /// That of the Command.
    #[prost(int64, tag = "1")]
    pub x: i64,
}

/// A Reply of [`Cmd2`]: the last one, unless its text begins with a plus.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Result2 {
    /// A text.
    #[prost(string, tag = "1")]
    pub y: String,
}

/// The Reply of [`AddCmd`] and [`SubCmd`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct CalcResult {
    /// What was worked out.
    #[prost(int64, tag = "1")]
    pub r: i64,
}

impl Reply for Result2 {
    fn is_last(&self) -> bool {
        !self.y.starts_with('+')
    }
}

/// What the text of a [`Cmd2`] says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// To fail.
    Fail,
    /// To answer with so many texts.
    Stream(u64),
    /// To answer with a text after a while.
    Delay(Duration, String),
    /// To answer with this text.
    Echo(String),
}

impl Cmd2 {
    /// What its text says.
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

/// The texts of a stream.
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
