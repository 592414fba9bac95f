//! The service in Protobuf. [`Cmd1`] is the one that is answered late; a text that tells to wait is answered at once.

use std::time::Duration;

use cmd_stream::{Execute, Failed, Proxy, Reply as _, Scheduling};
use testkit::sample::protobuf::{
    AddCmd, CalcResult, Cmd1, Cmd2, Result1, Result2, Sample, SubCmd, Told, counted,
};
use tokio::time::sleep;

use super::super::super::sample::protobuf::{Command, Reply};
use super::{Answer, Bounded, Fed, MOST_REPLIES};

/// The service in Protobuf.
#[derive(Debug)]
pub(in super::super) struct InProtobuf;

impl Fed for InProtobuf {
    type Command = Command;
    type Reply = Reply;
    type Protocol = Sample;

    fn answer(command: Command) -> Answer<Reply> {
        match command {
            Command::One(command) => Answer::Late(Reply::One(Result1 { x: command.x })),
            Command::Two(command) => {
                Answer::AtOnce(replies_of(command).into_iter().map(Reply::Two).collect())
            }
            Command::Add(AddCmd { a, b }) => {
                Answer::AtOnce(vec![Reply::Calc(CalcResult { r: a.wrapping_add(b) })])
            }
            Command::Sub(SubCmd { a, b }) => {
                Answer::AtOnce(vec![Reply::Calc(CalcResult { r: a.wrapping_sub(b) })])
            }
        }
    }

    fn is_last(reply: &Reply) -> bool {
        match reply {
            Reply::One(reply) => reply.is_last(),
            Reply::Two(reply) => reply.is_last(),
            Reply::Calc(reply) => reply.is_last(),
        }
    }

    fn is_late(reply: &Reply) -> bool {
        matches!(reply, Reply::One(_))
    }
}

/// What a text is answered with: if the last one is none, or there are none, the Command fails.
fn replies_of(command: Cmd2) -> Vec<Result2> {
    match command.told() {
        Told::Fail => Vec::new(),
        Told::Stream(count) => counted(count.min(MOST_REPLIES)).collect(),
        Told::Delay(_, y) | Told::Echo(y) => vec![Result2 { y }],
    }
}

impl Execute<Bounded> for Cmd1 {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn execute(self, _: &Bounded, proxy: Proxy<'_, Result1>) -> Result<(), Failed> {
        sleep(Duration::from_millis(1 + self.x.unsigned_abs() % 1000)).await;
        proxy.send(Result1 { x: self.x }).await
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

impl Execute<Bounded> for AddCmd {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn execute(self, _: &Bounded, proxy: Proxy<'_, CalcResult>) -> Result<(), Failed> {
        proxy.send(CalcResult { r: self.a.wrapping_add(self.b) }).await
    }
}

impl Execute<Bounded> for SubCmd {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn execute(self, _: &Bounded, proxy: Proxy<'_, CalcResult>) -> Result<(), Failed> {
        proxy.send(CalcResult { r: self.a.wrapping_sub(self.b) }).await
    }
}
