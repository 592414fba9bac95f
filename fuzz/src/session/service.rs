//! The service that is fed: the sample's Commands, bounded.

use std::time::Duration;

use cmd_stream::{Execute, Failed, Proxy, Scheduling};
use testkit::sample::{
    DelayCmd, DelayResult, EchoCmd, EchoResult, FailCmd, StreamCmd, StreamResult, TraceCmd,
};
use tokio::time::sleep;

/// The Receiver. Its Commands are polled in place, so that their order is that of their bytes, and all of them end.
#[derive(Debug)]
pub(super) struct Bounded;

/// The most Replies of one Command.
const MOST_REPLIES: i64 = 64;

/// What an echo answers.
pub(super) fn echo(command: EchoCmd) -> EchoResult {
    let EchoCmd { bool, int64, string, float64 } = command;
    EchoResult { bool, int64, string, float64 }
}

/// What a stream answers.
pub(super) fn replies_of(
    StreamCmd { init, count }: &StreamCmd,
) -> impl Iterator<Item = StreamResult> + use<> {
    let (init, count) = (*init, (*count).min(MOST_REPLIES));
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
        sleep(Duration::from_millis(1 + self.delay_ms % 1000)).await;
        proxy.send(DelayResult { id: self.id }).await
    }
}

impl Execute<Bounded> for TraceCmd<EchoCmd> {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn execute(self, _: &Bounded, proxy: Proxy<'_, EchoResult>) -> Result<(), Failed> {
        proxy.send(echo(self.cmd)).await
    }
}
