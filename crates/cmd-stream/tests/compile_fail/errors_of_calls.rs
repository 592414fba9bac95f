// compiles
//! With `failure close_connection` a call can fail in one way only, which `match` and `let` know. Whatever the Protocol's
//! failure is, `?` turns the error into those that a program may have.

#![deny(warnings)]

use cmd_stream::client::ReplyStream;
use cmd_stream::{CallError, Client, Error, ErrorKind, Failed, Failure, Json, Origin, protocol};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Add(i64, i64);
#[derive(Serialize, Deserialize)]
pub struct Sum(i64);
#[derive(Debug, Serialize, Deserialize, Failure)]
pub struct CalcError(String);

protocol! {
    pub struct Bare {
        commands { 0 => Add -> Sum }
        replies { 0 => Sum }
        failure close_connection
    }
}

protocol! {
    pub struct Typed {
        commands { 0 => Add }
        replies { 0 => Sum, 1 => CalcError }
        failure CalcError
    }
}

pub async fn one_way_to_fail(client: &Client<Bare, Json>) -> Result<i64, Error> {
    let sum = match client.send(Add(1, 2)).await {
        Ok(Sum(sum)) => sum,
        Err(CallError::Other(error)) => return Err(error),
    };
    let Err(CallError::Other(error)) = client.send(Add(1, 2)).await else { return Ok(sum) };
    Err(error)
}

pub async fn one_way_to_fail_of_a_stream(client: &Client<Bare, Json>) -> Result<i64, Error> {
    let mut stream: ReplyStream<Bare, Json, Add> = client.stream(Add(1, 2)).await?;
    match stream.next().await {
        None => Ok(0),
        Some(Ok(Sum(sum))) => Ok(sum),
        Some(Err(CallError::Other(error))) => Err(error),
    }
}

pub async fn two_ways_to_fail(client: &Client<Typed, Json>) -> Result<i64, String> {
    match client.send(Add(1, 2)).await {
        Ok(Sum(sum)) => Ok(sum),
        Err(CallError::Failed(CalcError(text))) => Err(text),
        Err(CallError::Other(error)) => Err(format!("{error:#}")),
    }
}

/// Each function sends by a Protocol without a failure, and by one with it; an `Error` of the library, and one of
/// another crate, become the same.
macro_rules! question_mark {
    ($($name:ident -> $result:ty;)*) => { $(
        pub async fn $name(bare: &Client<Bare, Json>, typed: &Client<Typed, Json>) -> $result {
            let Sum(a) = bare.send(Add(1, 2)).await?;
            let Sum(b) = typed.send(Add(1, 2)).await?;
            let mut stream = typed.stream(Add(1, 2)).await?;
            let Some(Sum(c)) = stream.next().await.transpose()? else {
                Err(Error::new(ErrorKind::Closed, Origin::Local, "no reply"))?
            };
            Ok(a + b + c)
        }
    )* };
}

question_mark! {
    into_error -> Result<i64, Error>;
    into_failed -> Result<i64, Failed>;
    into_anyhow -> anyhow::Result<i64>;
    into_box -> Result<i64, Box<dyn std::error::Error + Send + Sync>>;
    into_local_box -> Result<i64, Box<dyn std::error::Error>>;
}

pub async fn into_its_own_type(typed: &Client<Typed, Json>) -> Result<i64, CallError<CalcError>> {
    let Sum(a) = typed.send(Add(1, 2)).await?;
    let mut stream = typed.stream(Add(1, 2)).await?; // an `Error`
    let b = stream.next().await.transpose()?.map_or(0, |Sum(b)| b);
    Ok(a + b)
}

fn main() {}
