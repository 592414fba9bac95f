//! The service in JSON.

use std::time::Duration;

use cmd_stream::server::Scheduling;
use cmd_stream::{Answer, Context, Execute, Failed, Proxy, Reply as _};
use testkit::sample::{DelayCmd, DelayResult, EchoCmd, EchoResult, FailCmd, Sample, StreamCmd, StreamResult};
use tokio::time::sleep;

use super::super::super::sample::json::{Command, Reply};
use super::{Answered, Bounded, Fed, MOST_REPLIES};

/// The service in JSON.
#[derive(Debug)]
pub(in super::super) struct InJson;

impl Fed for InJson {
    type Command = Command;
    type Reply = Reply;
    type Protocol = Sample;

    fn answer(command: Command) -> Answered<Reply> {
        match command {
            Command::Echo(command) => Answered::AtOnce(vec![Reply::Echo(echo(command))]),
            Command::Trace(command) => Answered::AtOnce(vec![Reply::Echo(echo(command.cmd))]),
            Command::Stream(command) => Answered::AtOnce(replies_of(&command).map(Reply::Stream).collect()),
            Command::Fail(_) => Answered::AtOnce(Vec::new()),
            Command::Delay(command) => Answered::Late(Reply::Delay(DelayResult { id: command.id })),
        }
    }

    fn is_last(reply: &Reply) -> bool {
        match reply {
            Reply::Stream(reply) => reply.is_last(),
            Reply::Echo(_) | Reply::Delay(_) => true,
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

impl Answer<Bounded> for EchoCmd {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn answer(self, _: &Bounded, _: &Context<'_>) -> Result<EchoResult, Failed> {
        Ok(echo(self))
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

impl Answer<Bounded> for FailCmd {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn answer(self, _: &Bounded, _: &Context<'_>) -> Result<EchoResult, Failed> {
        Err(Failed::new("the command failed, as it was asked to"))
    }
}

impl Answer<Bounded> for DelayCmd {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn answer(self, _: &Bounded, _: &Context<'_>) -> Result<DelayResult, Failed> {
        sleep(Duration::from_millis(1 + self.delay_ms.unsigned_abs() % 1000)).await;
        Ok(DelayResult { id: self.id })
    }
}
