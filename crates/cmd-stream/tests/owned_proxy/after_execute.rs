//! A Command whose Proxy was handed over continues after `execute` has returned, and ends with that Proxy.

use std::sync::Arc;

use crate::{HandOver, client, desk, last, next, part, server};
use cmd_stream::protocol::{FailedReason, Protocol};
use cmd_stream::server::{Ended, Invocation, Limits};
use cmd_stream::{CallError, Failed, Invoker, Problem};
use testkit::ends::{both, json_frame, server_and_bytes};
use testkit::wait::{until, within};
use tokio::sync::{Mutex, mpsc};

#[tokio::test]
async fn replies_come_after_execute_has_returned() {
    let (desk, mut handed) = desk();
    let (client, handle) = both(server(desk), client()).await;
    let mut stream = within(client.stream(HandOver("send first".into()))).await.expect("it is sent");
    let proxy = next(&mut handed).await;
    assert_eq!((proxy.seq().get(), proxy.connection().id()), (1, 1));
    let mut received = Vec::new();
    received.push(within(stream.next()).await.expect("more").expect("a part").text);
    within(proxy.send(part("second"))).await.expect("the connection is there");
    received.push(within(stream.next()).await.expect("more").expect("a part").text);
    let other = proxy.clone();
    within(other.send(last("third"))).await.expect("the connection is there");
    received.push(within(stream.next()).await.expect("more").expect("a part").text);
    assert_eq!(received, ["first", "second", "third"]);
    assert!(within(stream.next()).await.is_none());
    let refused = within(proxy.send(part("too late"))).await.expect_err("the last one was sent");
    assert_eq!(refused.to_string(), "a reply after the last one");
    assert!(within(proxy.ready()).await.is_err());
    drop((proxy, other));
    assert_eq!((handle.counters().failed, handle.counters().replies), (0, 3));
}

#[tokio::test]
async fn dropping_it_without_a_last_reply_fails_the_command() {
    let (desk, mut handed) = desk();
    let (client, handle) = both(server(desk), client()).await;
    let call = client.send(HandOver(String::new()));
    let drops = async {
        let proxy = next(&mut handed).await;
        let other = proxy.clone();
        drop(proxy);
        assert_eq!(handle.counters().failed, 0, "another clone is left");
        drop(other);
    };
    let (answer, ()) = within(async { tokio::join!(call, drops) }).await;
    let Err(CallError::Failed(problem)) = answer else { panic!("{answer:?}") };
    assert_eq!(problem.code, Problem::NO_LAST_REPLY);
    assert_eq!(handle.counters().failed, 1);
}

#[tokio::test]
async fn it_can_fail_its_command_with_the_failure_of_the_protocol() {
    let (desk, mut handed) = desk();
    let (client, _) = both(server(desk), client()).await;
    let call = client.send(HandOver(String::new()));
    let fails = async { next(&mut handed).await.fail(Problem::new(Problem::CONFLICT, "as asked")) };
    let (answer, ()) = within(async { tokio::join!(call, fails) }).await;
    let Err(CallError::Failed(problem)) = answer else { panic!("{answer:?}") };
    assert_eq!(problem, Problem::new(Problem::CONFLICT, "as asked"));
}

#[tokio::test]
async fn when_execute_fails_after_handing_over_the_command_ends_and_nothing_more_can_be_sent() {
    let (desk, mut handed) = desk();
    let (client, handle) = both(server(desk), client()).await;
    let answer = within(client.send(HandOver("fail".into()))).await;
    assert!(matches!(answer, Err(CallError::Failed(problem)) if problem.message == "as asked"));
    let proxy = next(&mut handed).await;
    assert!(within(proxy.send(last("too late"))).await.is_err());
    drop(proxy);
    assert_eq!(handle.counters().failed, 1, "it fails once");
}

#[tokio::test]
async fn execute_may_still_send_through_its_own_proxy() {
    let (desk, mut handed) = desk();
    let (client, handle) = both(server(desk), client()).await;
    let answer = within(client.send(HandOver("answer".into()))).await.expect("a reply");
    assert_eq!(answer, last("from execute"));
    let proxy = next(&mut handed).await;
    assert!(within(proxy.send(last("too late"))).await.is_err());
    drop(proxy);
    assert_eq!(handle.counters().failed, 0);
}

#[tokio::test]
async fn the_command_stays_in_flight_for_limits_for_its_seq_and_for_a_shutdown() {
    let (desk, mut handed) = desk();
    let (handle, mut client) = server_and_bytes(server(desk).limits(Limits::default().in_flight(1))).await;
    client.send(&json_frame(1, 0, "\"\"")).await;
    let proxy = next(&mut handed).await;
    // The limit is reached: the next Command is not executed.
    client.send(&json_frame(2, 0, "\"\"")).await;
    until(|| handle.counters().in_flight_pauses == 1).await;
    assert!(handed.try_recv().is_err());
    within(proxy.send(last("one"))).await.expect("the connection is there");
    drop(proxy);
    let second = next(&mut handed).await;
    client.expect(&json_frame(1, 0, r#"{"text":"one","last":true}"#)).await;

    handle.shutdown();
    within(second.going_away()).await;
    within(second.send(last("two"))).await.expect("a shutdown waits for it");
    client.expect(&json_frame(2, 0, r#"{"text":"two","last":true}"#)).await;
    drop(second);
    client.expect_end().await;
}

#[tokio::test]
async fn a_seq_of_a_command_that_was_handed_over_is_in_use() {
    let (desk, mut handed) = desk();
    let (lost, mut reasons) = mpsc::unbounded_channel();
    let server = server(desk).on_connection_lost(move |gone| {
        let _ = lost.send((format!("{:#}", gone.reason), gone.commands_left));
    });
    let (_, mut client) = server_and_bytes(server).await;
    client.send(&json_frame(1, 0, "\"\"")).await;
    let proxy = next(&mut handed).await;
    client.send(&json_frame(1, 0, "\"\"")).await;
    let (reason, left) = within(reasons.recv()).await.expect("the connection ends");
    assert!(reason.contains("seq 1 is in use"), "{reason}");
    assert_eq!(left, 1);
    within(proxy.closed()).await;
    assert!(within(proxy.send(last("too late"))).await.is_err());
}

#[tokio::test]
async fn a_command_whose_proxy_is_held_while_execute_runs_counts_once() {
    let (desk, mut handed) = desk();
    let (client, handle) = both(server(desk), client()).await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.send(HandOver("wait".into())).await }
    });
    let proxy = next(&mut handed).await;
    within(proxy.send(last("done"))).await.expect("the connection is there");
    assert_eq!(within(call).await.expect("no panic").expect("a reply"), last("done"));
    drop(proxy); // execute still waits for the end of the connection
    client.close();
    handle.shutdown();
    until(|| handle.counters().open == 0).await;
}

/// Records how Commands ended.
#[derive(Clone, Default)]
struct Ends(Arc<Mutex<Vec<Result<Ended, FailedReason>>>>);

impl<P: Protocol> Invoker<P> for Ends {
    async fn invoke(&self, invocation: impl Invocation<P>) -> Result<Ended, Failed> {
        let ended = invocation.run().await;
        self.0.lock().await.push(ended.as_ref().map_err(Failed::reason).copied());
        ended
    }
}

#[tokio::test]
async fn the_invoker_sees_that_a_command_was_handed_over() {
    let ((desk, mut handed), ends) = (desk(), Ends::default());
    let (client, _) = both(server(desk).invoker(ends.clone()), client()).await;
    let call = client.send(HandOver(String::new()));
    let answers = async { next(&mut handed).await.send(last("later")).await };
    let (answer, sent) = within(async { tokio::join!(call, answers) }).await;
    assert_eq!((answer.expect("a reply"), sent.is_ok()), (last("later"), true));
    assert_eq!(*ends.0.lock().await, [Ok(Ended::HandedOver)]);
}
