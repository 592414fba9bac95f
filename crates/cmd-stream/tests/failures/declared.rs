//! With a failure declared in the Protocol, the caller receives it and the connection stays open.

use crate::{
    CalcError, EncodeFails, EncodePanics, Fine, GOOD_REPORT, IsLastPanics, Lab, Step, Typed, TypedReply,
    WAYS, fails_as_a_value, made_of, send, typed,
};
use cmd_stream::proto::frame::Seq;
use cmd_stream::protocol::FailedReason;
use cmd_stream::{Client, Error, Json, Server};
use testkit::ends::{both, json_frame, server_and_bytes};
use testkit::wait::within;
use tokio::sync::mpsc;

#[tokio::test(start_paused = true)]
async fn any_error_by_question_mark_arrives_as_the_declared_failure() {
    fails_as_a_value(&[Step::Error], made_of(FailedReason::Error, "invalid digit found in string")).await;
}

#[tokio::test(start_paused = true)]
async fn the_failures_own_type_by_question_mark_arrives_unchanged() {
    fails_as_a_value(&[Step::Typed], CalcError { text: "typed".into(), made_of: None }).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_command_arrives_as_the_declared_failure() {
    fails_as_a_value(&[Step::Panic], made_of(FailedReason::Panic, "panic: the command panics")).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_receiver_arrives_as_the_declared_failure() {
    fails_as_a_value(&[Step::ReceiverPanics], made_of(FailedReason::Panic, "panic: the receiver panics"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_command_without_a_last_reply_is_answered_with_the_declared_failure() {
    fails_as_a_value(&[], made_of(FailedReason::NoLastReply, "the command ended without a last reply")).await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_cannot_be_encoded_fails_its_command() {
    let text = "the reply cannot be encoded: it does not want to be encoded";
    fails_as_a_value(&[Step::Last(EncodeFails(10))], made_of(FailedReason::Error, text)).await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_whose_encoding_panics_fails_its_command() {
    let text = "panic in encoding a reply: it panics when it is encoded";
    fails_as_a_value(&[Step::Last(EncodePanics(10))], made_of(FailedReason::Error, text)).await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_panics_when_asked_whether_it_is_the_last_fails_its_command() {
    let text = "panic in encoding a reply: it panics when it is asked";
    fails_as_a_value(&[Step::Last(IsLastPanics)], made_of(FailedReason::Error, text)).await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_leaves_the_other_commands_of_its_connection_alone() {
    for in_place in WAYS {
        let lab = Lab::default();
        let server = Server::builder(Typed, Json, lab.clone());
        let (client, server) = both(server, Client::builder(Typed, Json)).await;
        let waiting = send(&client, in_place, &[Step::Wait, Step::Last(Fine)]);
        let failing = async {
            for steps in [&[Step::Panic][..], &[Step::Error], &[], &[Step::ReceiverPanics]] {
                send(&client, in_place, steps).await.expect_err("it fails");
            }
            lab.shared.gate.add_permits(1);
        };
        let (reply, ()) = tokio::join!(waiting, failing);
        assert_eq!(reply.expect("it is unaffected"), GOOD_REPORT);
        assert_eq!(server.counters().failed, 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_stands_on_the_wire_as_an_ordinary_reply() {
    let (_server, mut peer) = server_and_bytes(Server::builder(Typed, Json, Lab::default())).await;
    peer.send(&json_frame(1, 0, r#"{"note":["",0],"steps":["Typed"]}"#)).await;
    peer.expect(&json_frame(1, 1, r#"{"text":"typed","made_of":null}"#)).await;
    peer.send(&json_frame(2, 1, r#"{"note":["",0],"steps":["Typed"]}"#)).await;
    peer.expect(&json_frame(2, 1, r#"{"text":"typed","made_of":null}"#)).await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_another_type_than_asked_for_is_not_given() {
    let (client, _server) = typed().await;
    let error = Error::from(send(&client, false, &[Step::Typed]).await.expect_err("it fails"));
    assert!(error.remote::<std::num::ParseIntError>().is_none());
    // The error adds no text of its own.
    assert_eq!((error.to_string(), format!("{error:#}")), ("typed".into(), "typed".into()));
    assert!(std::error::Error::source(&error).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_failure_for_a_call_that_has_its_reply_is_unexpected() {
    let (unexpected, mut arrived) = mpsc::unbounded_channel();
    let client = Client::builder(Typed, Json).on_unexpected_reply(move |seq, reply| {
        let _ = unexpected.send((seq, matches!(reply, TypedReply::CalcError(_))));
    });
    let (client, _server) = both(Server::builder(Typed, Json, Lab::default()), client).await;
    send(&client, false, &[Step::Send(Fine), Step::Typed]).await.expect("the first reply");
    assert_eq!(within(arrived.recv()).await, Some((Seq::FIRST, true)));
}
