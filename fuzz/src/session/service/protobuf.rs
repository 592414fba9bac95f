//! The service in Protobuf. [`Cmd1`] is answered late. A text that asks for a delay is answered at once.

use std::time::Duration;

use cmd_stream::server::Scheduling;
use cmd_stream::{Answer, Context, Execute, Failed, Proxy, Reply as _};
use testkit::sample::protobuf::{
    AddCmd, CalcResult, Cmd1, Cmd2, Result1, Result2, Sample, SubCmd, Told, counted,
};
use tokio::time::sleep;

use super::super::super::sample::protobuf::{Command, Reply};
use super::{Answered, Bounded, Fed, MOST_REPLIES};

/// The service in Protobuf.
#[derive(Debug)]
pub(in super::super) struct InProtobuf;

impl Fed for InProtobuf {
    type Command = Command;
    type Reply = Reply;
    type Protocol = Sample;

    fn answer(command: Command) -> Answered<Reply> {
        match command {
            Command::One(command) => Answered::Late(Reply::One(Result1 { x: command.x })),
            Command::Two(command) => {
                Answered::AtOnce(replies_of(command).into_iter().map(Reply::Two).collect())
            }
            Command::Add(AddCmd { a, b }) => {
                Answered::AtOnce(vec![Reply::Calc(CalcResult { r: a.wrapping_add(b) })])
            }
            Command::Sub(SubCmd { a, b }) => {
                Answered::AtOnce(vec![Reply::Calc(CalcResult { r: a.wrapping_sub(b) })])
            }
        }
    }

    fn is_last(reply: &Reply) -> bool {
        match reply {
            Reply::Two(reply) => reply.is_last(),
            Reply::One(_) | Reply::Calc(_) => true,
        }
    }

    fn is_late(reply: &Reply) -> bool {
        matches!(reply, Reply::One(_))
    }
}

/// Returns the Replies to a text. If there are none, or none of them is the last, the Command fails.
fn replies_of(command: Cmd2) -> Vec<Result2> {
    match command.told() {
        Told::Fail => Vec::new(),
        Told::Stream(count) => counted(count.min(MOST_REPLIES)).collect(),
        Told::Delay(_, y) | Told::Echo(y) => vec![Result2 { y }],
    }
}

impl Answer<Bounded> for Cmd1 {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn answer(self, _: &Bounded, _: &Context<'_>) -> Result<Result1, Failed> {
        sleep(Duration::from_millis(1 + self.x.unsigned_abs() % 1000)).await;
        Ok(Result1 { x: self.x })
    }
}

impl Execute<Bounded> for Cmd2 {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn execute(self, _: &Bounded, proxy: Proxy<'_, Result2>) -> Result<(), Failed> {
        for reply in replies_of(self) {
            proxy.send(reply).await?;
        }
        Ok(())
    }
}

impl Answer<Bounded> for AddCmd {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn answer(self, _: &Bounded, _: &Context<'_>) -> Result<CalcResult, Failed> {
        Ok(CalcResult { r: self.a.wrapping_add(self.b) })
    }
}

impl Answer<Bounded> for SubCmd {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn answer(self, _: &Bounded, _: &Context<'_>) -> Result<CalcResult, Failed> {
        Ok(CalcResult { r: self.a.wrapping_sub(self.b) })
    }
}
