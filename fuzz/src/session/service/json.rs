//! The service in JSON.

use std::time::Duration;

use cmd_stream::{Execute, Failed, Proxy, Reply as _, Scheduling};
use testkit::sample::{
    DelayCmd, DelayResult, EchoCmd, EchoResult, FailCmd, Sample, StreamCmd, StreamResult, TraceCmd,
};
use tokio::time::sleep;

use super::super::super::sample::json::{Command, Reply};
use super::{Answer, Bounded, Fed, MOST_REPLIES};

/// The service in JSON.
#[derive(Debug)]
pub(in super::super) struct InJson;

impl Fed for InJson {
    type Command = Command;
    type Reply = Reply;
    type Protocol = Sample;

    fn answer(command: Command) -> Answer<Reply> {
        match command {
            Command::Echo(command) => Answer::AtOnce(vec![Reply::Echo(echo(command))]),
            Command::Trace(command) => Answer::AtOnce(vec![Reply::Echo(echo(command.cmd))]),
            Command::Stream(command) => Answer::AtOnce(replies_of(&command).map(Reply::Stream).collect()),
            Command::Fail(_) => Answer::AtOnce(Vec::new()),
            Command::Delay(command) => Answer::Late(Reply::Delay(DelayResult { id: command.id })),
        }
    }

    fn is_last(reply: &Reply) -> bool {
        match reply {
            Reply::Echo(reply) => reply.is_last(),
            Reply::Stream(reply) => reply.is_last(),
            Reply::Delay(reply) => reply.is_last(),
        }
    }

    fn is_late(reply: &Reply) -> bool {
        matches!(reply, Reply::Delay(_))
    }
}

fn echo(command: EchoCmd) -> EchoResult {
    let EchoCmd { bool, int64, string, float64 } = command;
    EchoResult { bool, int64, string, float64 }
}

fn replies_of(StreamCmd { init, count }: &StreamCmd) -> impl Iterator<Item = StreamResult> + use<> {
    let (init, count) = (*init, (*count).min(MOST_REPLIES as i64));
    (0..count).map(move |n| StreamResult { value: init.wrapping_add(n), last: n + 1 == count })
}

impl Execute<Bounded> for EchoCmd {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn execute(self, _: &Bounded, proxy: Proxy<'_, EchoResult>) -> Result<(), Failed> {
        proxy.send(echo(self)).await
    }
}

impl Execute<Bounded> for StreamCmd {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn execute(self, _: &Bounded, proxy: Proxy<'_, StreamResult>) -> Result<(), Failed> {
        for reply in replies_of(&self) {
            proxy.send(reply).await?;
        }
        Ok(())
    }
}

impl Execute<Bounded> for FailCmd {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn execute(self, _: &Bounded, _: Proxy<'_, EchoResult>) -> Result<(), Failed> {
        Err(Failed::new("the command failed, as it was asked to"))
    }
}

impl Execute<Bounded> for DelayCmd {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn execute(self, _: &Bounded, proxy: Proxy<'_, DelayResult>) -> Result<(), Failed> {
        sleep(Duration::from_millis(1 + self.delay_ms.unsigned_abs() % 1000)).await;
        proxy.send(DelayResult { id: self.id }).await
    }
}

impl Execute<Bounded> for TraceCmd<EchoCmd> {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn execute(self, _: &Bounded, proxy: Proxy<'_, EchoResult>) -> Result<(), Failed> {
        proxy.send(echo(self.cmd)).await
    }
}
