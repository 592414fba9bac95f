//! Commands of another crate, which knows nothing of this Receiver.

use cmd_stream::{Answer, Client, Context, Execute, Failed, Json, Proxy, Server};
use testkit::ends::both;
use testkit::sample::{
    DelayCmd, DelayResult, EchoCmd, EchoResult, FailCmd, Sample, StreamCmd, StreamResult, TraceCmd,
};

struct Elsewhere;

impl Answer<Elsewhere> for EchoCmd {
    async fn answer(self, _: &Elsewhere, _: &Context<'_>) -> Result<EchoResult, Failed> {
        Ok(EchoResult { int64: -self.int64, ..EchoResult::default() })
    }
}

impl Execute<Elsewhere> for StreamCmd {
    async fn execute(self, _: &Elsewhere, proxy: Proxy<'_, StreamResult>) -> Result<(), Failed> {
        proxy.send(StreamResult { value: -self.init, last: true }).await
    }
}

impl Answer<Elsewhere> for FailCmd {
    async fn answer(self, _: &Elsewhere, _: &Context<'_>) -> Result<EchoResult, Failed> {
        Ok(EchoResult::default())
    }
}

impl Answer<Elsewhere> for DelayCmd {
    async fn answer(self, _: &Elsewhere, _: &Context<'_>) -> Result<DelayResult, Failed> {
        Ok(DelayResult { id: -self.id })
    }
}

#[tokio::test(start_paused = true)]
async fn commands_of_another_crate_are_executed_on_a_receiver_of_this_one() {
    let (client, _server) =
        both(Server::builder(Sample, Json, Elsewhere), Client::builder(Sample, Json)).await;
    let echo = EchoCmd { int64: 5, ..EchoCmd::default() };
    assert_eq!(client.send(echo.clone()).await.expect("a reply").int64, -5);
    assert_eq!(client.send(TraceCmd { map_carrier: None, cmd: echo }).await.expect("a reply").int64, -5);
    assert_eq!(client.send(StreamCmd { init: 5, count: 3 }).await.expect("a reply").value, -5);
    assert_eq!(client.send(DelayCmd { id: 5, delay_ms: 1 }).await.expect("a reply").id, -5);
    assert_eq!(client.send(FailCmd {}).await.expect("a reply"), EchoResult::default());
}
