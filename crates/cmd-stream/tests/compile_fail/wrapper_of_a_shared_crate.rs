// compiles
//! A wrapper of another crate that is generic in the Receiver and in the Command is executed on a Receiver of this one,
//! beside Commands of this one that it is around: answered, streaming and one-way ones, and others of the other crate.

#![deny(warnings)]

use cmd_stream::{
    Answer, CallError, Client, Context, Error, Execute, Failed, Json, Proxy, Reply, Server, protocol,
};
use serde::{Deserialize, Serialize};
use shared::{Add, Sum, Timed, Traced};

struct Calc;

#[derive(Serialize, Deserialize)]
pub struct Count {
    to: u32,
}

#[derive(Serialize, Deserialize)]
pub struct Note(String);

#[derive(Serialize, Deserialize)]
pub struct Number {
    value: u32,
    last: bool,
}

impl Reply for Number {
    fn is_last(&self) -> bool {
        self.last
    }
}

impl Answer<Calc> for Add {
    async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Sum, Failed> {
        Ok(Sum(self.a + self.b))
    }
}

impl<C: Execute<Calc>> Execute<Calc> for Traced<C> {
    async fn execute(self, calc: &Calc, proxy: Proxy<'_, C::Reply>) -> Result<(), Failed> {
        println!("{}", self.trace);
        self.command.execute(calc, proxy).await
    }
}

impl Execute<Calc> for Count {
    async fn execute(self, _: &Calc, proxy: Proxy<'_, Number>) -> Result<(), Failed> {
        for value in 1..=self.to {
            proxy.send(Number { value, last: value == self.to }).await?;
        }
        Ok(())
    }
}

impl Answer<Calc> for Note {
    async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<(), Failed> {
        println!("{}", self.0);
        Ok(())
    }
}

protocol! {
    pub struct Calculator {
        commands {
            0 => Add,
            1 => Count -> Number,
            2 => Note -> (),
            3 => Timed<Add> as TimedAdd,
            4 => Timed<Count> as TimedCount,
            5 => Timed<Note> as TimedNote,
            6 => Timed<Traced<Timed<Note>>> as TimedTracedTimedNote,
        }
        replies { 0 => Sum, 1 => Number }
        failure close_connection
    }
}

pub async fn server() -> Result<(), Error> {
    Server::bind("127.0.0.1:9000", Calculator, Json, Calc).await?.serve().await;
    Ok(())
}

pub async fn client(client: Client<Calculator, Json>) -> Result<u32, Error> {
    let Sum(_) = client.send(Timed(Add { a: 2, b: 3 })).await?;
    client.post(Timed(Note("hello".into()))).await?;
    let traced = Traced { trace: "1".into(), command: Timed(Note("hello".into())) };
    client.post(Timed(traced)).await?;
    let mut numbers = client.stream(Timed(Count { to: 3 })).await?;
    let mut sum = 0;
    while let Some(number) = numbers.next().await {
        match number {
            Ok(number) => sum += number.value,
            Err(CallError::Other(error)) => return Err(error),
        }
    }
    Ok(sum)
}

fn main() {}
