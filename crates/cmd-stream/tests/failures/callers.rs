//! What `?` turns the error of a call into.

use crate::{Bare, CalcError, GOOD, Probe, Report, Step, Typed, bare, made_of, remote, send, typed};
use cmd_stream::protocol::{ClientProtocol, CommandOf, FailedReason};
use cmd_stream::{Answer, CallError, Client, Context, Error, Failed, Json, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::ends::both;
use testkit::wait::within;

type BoxedError = Box<dyn std::error::Error + Send + Sync>;

async fn or_error<P: ClientProtocol<Json>>(client: &Client<P, Json>, steps: &[Step]) -> Result<Report, Error>
where
    Probe<false>: CommandOf<P>,
    Probe<true>: CommandOf<P>,
{
    Ok(send(client, false, steps).await?)
}

async fn or_failed<P: ClientProtocol<Json>>(
    client: &Client<P, Json>,
    steps: &[Step],
) -> Result<Report, Failed>
where
    Probe<false>: CommandOf<P>,
    Probe<true>: CommandOf<P>,
{
    Ok(send(client, false, steps).await?)
}

async fn or_anyhow<P: ClientProtocol<Json>>(
    client: &Client<P, Json>,
    steps: &[Step],
) -> anyhow::Result<Report>
where
    Probe<false>: CommandOf<P>,
    Probe<true>: CommandOf<P>,
{
    Ok(send(client, false, steps).await?)
}

async fn or_box<P: ClientProtocol<Json>>(
    client: &Client<P, Json>,
    steps: &[Step],
) -> Result<Report, BoxedError>
where
    Probe<false>: CommandOf<P>,
    Probe<true>: CommandOf<P>,
{
    Ok(send(client, false, steps).await?)
}

#[tokio::test(start_paused = true)]
async fn question_mark_turns_the_error_of_a_call_into_any_error_and_the_failure_is_still_found() {
    let (client, _server) = typed().await;
    let failure = CalcError { text: "typed".into(), made_of: None };
    let steps = &[Step::Typed];

    let error = or_error(&client, steps).await.expect_err("it fails");
    assert_eq!(error.remote::<CalcError>(), Some(&failure));
    let failed = or_failed(&client, steps).await.expect_err("it fails");
    assert_eq!(failed.to_string(), "typed");
    assert_eq!(failed.downcast_ref::<CalcError>(), Some(&failure));
    assert_eq!(failed.into_failure::<CalcError>(), failure);
    let found = |error: &CallError<CalcError>| match error {
        CallError::Failed(failure) => failure.clone(),
        CallError::Other(error) => panic!("{error:#}"),
    };
    let error = or_anyhow(&client, steps).await.expect_err("it fails");
    assert_eq!(format!("{error:#}"), "typed", "the text stands in it once");
    assert_eq!(found(error.downcast_ref().expect("the error of the call")), failure);
    let error = or_box(&client, steps).await.expect_err("it fails");
    assert_eq!(found(error.downcast_ref().expect("the error of the call")), failure);

    // Without a failure, the `Error` itself is found.
    let (server, _losses) = bare();
    let (client, _server) = both(server, Client::builder(Bare, Json)).await;
    client.close();
    let reason = within(client.closed()).await.to_string();
    assert_eq!(or_error(&client, GOOD).await.expect_err("closed").to_string(), reason);
    let failed = or_failed(&client, GOOD).await.expect_err("closed");
    assert!(failed.downcast_ref::<CalcError>().is_none());
    assert_eq!(failed.to_string(), reason);
    assert_eq!(format!("{:#}", or_anyhow(&client, GOOD).await.expect_err("closed")), reason);
    assert_eq!(or_box(&client, GOOD).await.expect_err("closed").to_string(), reason);
}

/// Calls another service, which fails, and passes its failure on.
#[derive(Serialize, Deserialize)]
struct Forward {
    /// As an `Error`, or as the error of the call.
    as_error: bool,
    steps: Vec<Step>,
}

/// The Receiver: a client of the other service.
struct Front(Client<Typed, Json>);

impl Answer<Front> for Forward {
    async fn answer(self, front: &Front, _: &Context<'_>) -> Result<Report, Failed> {
        if self.as_error {
            Ok(or_error(&front.0, &self.steps).await?)
        } else {
            Ok(send(&front.0, false, &self.steps).await?)
        }
    }
}

protocol! {
    struct Forwarding {
        commands { 0 => Forward -> Report }
        replies { 0 => Report, 1 => CalcError }
        failure CalcError
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_another_service_is_passed_on_as_it_is() {
    let (behind, _behind) = typed().await;
    let front = Server::builder(Forwarding, Json, Front(behind));
    let (client, _front) = both(front, Client::builder(Forwarding, Json)).await;
    let (typed, made) = (
        CalcError { text: "typed".into(), made_of: None },
        made_of(FailedReason::Panic, "panic: the command panics"),
    );
    for as_error in [false, true] {
        for (steps, failure) in [(Step::Typed, &typed), (Step::Panic, &made)] {
            let forward = Forward { as_error, steps: vec![steps] };
            let error = within(client.send(forward)).await.expect_err("it fails");
            assert_eq!(remote(error), *failure, "as an error: {as_error}");
        }
    }
}
