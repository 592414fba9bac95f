// compiles
//! The second Protocol over the same types leaves out what the first one has implemented: the arrows, and the `From`s of
//! the enums.

#![deny(warnings)]

use cmd_stream::{Answer, Context, Error, Failed, Json, Problem, Sender, Server, protocol};
use serde::{Deserialize, Serialize};

struct Calc;

#[derive(Serialize, Deserialize)]
struct Add(i64, i64);
#[derive(Serialize, Deserialize)]
struct Note(String);
#[derive(Serialize, Deserialize)]
struct Ask;
#[derive(Serialize, Deserialize)]
struct Sum(i64);
#[derive(Serialize, Deserialize)]
struct Text(String);

enum Said {
    Number(Sum),
    Words(Text),
}

impl Answer<Calc> for Add {
    async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Sum, Failed> {
        Ok(Sum(self.0 + self.1))
    }
}

impl Answer<Calc> for Note {
    async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<(), Failed> {
        println!("{}", self.0);
        Ok(())
    }
}

impl Answer<Calc> for Ask {
    async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Said, Failed> {
        Ok(Text("hello".into()).into())
    }
}

protocol! {
    struct Calculator {
        commands { 0 => Add -> Sum, 1 => Note -> (), 2 => Ask -> Said }
        replies { 0 => Sum, 1 => Text }
        enum Said { Number(Sum), Words(Text) }
        failure close_connection
    }
}

protocol! {
    struct NewCalculator {
        commands { 7 => Ask, 0 => Add, 3 => Note }
        replies { 1 => Problem, 2 => Text, 9 => Sum }
        use enum Said { Words(Text), Number(Sum) }
        failure Problem
    }
}

/// Where the types are not in scope under the names of their entries.
pub mod elsewhere {
    use super::Said;

    cmd_stream::protocol! {
        pub(crate) struct Third {
            commands { 2 => super::Ask as Question }
            replies { 0 => super::Sum as TheSum, 1 => super::Text as TheText }
            use enum Said { Number(TheSum), Words(TheText) }
            failure close_connection
        }
    }
}

pub async fn third() -> Result<(), Error> {
    Server::bind("127.0.0.1:9002", elsewhere::Third, Json, Calc).await?.serve().await;
    Ok(())
}

pub async fn servers() -> Result<(), Error> {
    let old = Server::bind("127.0.0.1:9000", Calculator, Json, Calc).await?;
    let new = Server::bind("127.0.0.1:9001", NewCalculator, Json, Calc).await?;
    let _ = (old.serve().await, new.serve().await);
    Ok(())
}

pub async fn clients() -> Result<i64, Error> {
    let old = Sender::connect("127.0.0.1:9000", Calculator, Json).await?;
    let new = Sender::connect("127.0.0.1:9001", NewCalculator, Json).await?;
    new.post(Note("hello".into())).await?;
    let Sum(sum) = old.send(Add(1, 2)).await?;
    match new.send(Ask).await? {
        Said::Number(Sum(n)) => Ok(n),
        Said::Words(Text(text)) => Ok(sum + text.len() as i64),
    }
}

fn main() {}
