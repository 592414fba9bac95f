//! What a server counts of each Command.

use cmd_stream::client::Keepalive;
use cmd_stream::server::{Invocation, Invoker};
use cmd_stream::{CallError, Client, Failed, Json, transport};
use testkit::wait::{until, within};

use crate::desk::{After, Boom, Count, Fail, How, Later, Note, Office, Open, Quick, Sleep, Wait};
use crate::numbers;

#[tokio::test]
async fn commands_in_place_are_booked_before_their_replies_go_out() {
    let open = Open::tcp().await;
    let client = open.client().await;
    assert_eq!(numbers(&open.command("Quick")), [0; 6]);
    for number in 1..=20 {
        within(client.send(Quick)).await.unwrap();
        let quick = open.command("Quick");
        assert_eq!((numbers(&quick), quick.latency.count()), ([number, 0, number, 0, 0, 0], number));
    }
    let counters = open.handle.counters();
    assert_eq!((counters.started, counters.replies), (20, 20));
}

#[tokio::test]
async fn failures_and_panics_are_told_apart_in_place_and_in_tasks() {
    let open = Open::tcp().await;
    let client = open.client().await;
    for waits in [false, true] {
        open.desk.gate.add_permits(2);
        assert!(matches!(within(client.send(Fail { waits })).await, Err(CallError::Failed(_))));
        assert!(matches!(within(client.send(Boom { waits })).await, Err(CallError::Failed(_))));
        open.desk.gate.forget_permits(2);
    }
    open.until("Fail", [2, 0, 0, 2, 0, 0]).await;
    open.until("Boom", [2, 0, 0, 0, 2, 0]).await;
    assert_eq!(open.command("Fail").latency.count(), 2);
    assert_eq!(open.command("Boom").latency.count(), 2);
    let counters = open.handle.counters();
    assert_eq!((counters.failed, counters.panicked), (4, 2));
}

#[tokio::test]
async fn what_runs_is_in_flight_and_not_yet_measured() {
    let open = Open::tcp().await;
    let client = open.client().await;
    let calls: Vec<_> = (0..3)
        .map(|_| {
            tokio::spawn({
                let client = client.clone();
                async move { client.send(Wait).await }
            })
        })
        .collect();
    open.until("Wait", [3, 3, 0, 0, 0, 0]).await;
    assert_eq!(open.command("Wait").latency.count(), 0);
    open.desk.gate.add_permits(2);
    open.until("Wait", [3, 1, 2, 0, 0, 0]).await;
    open.desk.gate.add_permits(1);
    for call in calls {
        within(call).await.unwrap().unwrap();
    }
    open.until("Wait", [3, 0, 3, 0, 0, 0]).await;
    assert_eq!(open.command("Wait").latency.count(), 3);
}

#[tokio::test]
async fn a_one_way_command_has_replied_when_it_has_run() {
    let open = Open::tcp().await;
    let client = open.client().await;
    within(client.post(Note)).await.unwrap();
    open.until("Note", [1, 1, 0, 0, 0, 0]).await;
    open.desk.gate.add_permits(1);
    open.until("Note", [1, 0, 1, 0, 0, 0]).await;
    assert_eq!(open.handle.counters().replies, 0);
}

#[tokio::test]
async fn a_stream_counts_once() {
    let open = Open::tcp().await;
    let client = open.client().await;
    let mut replies = within(client.stream(Count { to: 5 })).await.unwrap();
    while let Some(reply) = within(replies.next()).await {
        reply.unwrap();
    }
    open.until("Count", [1, 0, 1, 0, 0, 0]).await;
    assert_eq!((open.handle.counters().replies, open.command("Count").latency.count()), (5, 1));
    // One without a last Reply has failed.
    assert!(matches!(within(client.send(Count { to: 0 })).await, Err(CallError::Failed(_))));
    open.until("Count", [2, 0, 1, 1, 0, 0]).await;
}

#[tokio::test]
async fn a_command_that_was_handed_over_ends_with_its_proxy() {
    let open = Open::tcp().await;
    let client = open.client().await;
    let mut expected = [0; 6];
    for at_once in [true, false] {
        for (how, ending) in [(How::Answer, 2), (How::Drop, 3), (How::Fail, 3)] {
            let call = tokio::spawn({
                let client = client.clone();
                async move { client.send(Later { how, at_once }).await }
            });
            (expected[0], expected[1]) = (expected[0] + 1, 1);
            open.until("Later", expected).await;
            open.desk.gate.add_permits(1);
            assert_eq!(within(call).await.unwrap().is_ok(), ending == 2);
            expected[1] = 0;
            expected[ending] += 1;
            open.until("Later", expected).await;
            assert_eq!(open.command("Later").latency.count(), expected[0]);
        }
        assert!(within(client.send(Later { how: How::FailItself, at_once })).await.is_err());
        (expected[0], expected[3]) = (expected[0] + 1, expected[3] + 1);
        open.until("Later", expected).await;
    }
    assert_eq!(expected, [8, 0, 2, 6, 0, 0]);
}

#[tokio::test]
async fn what_fails_after_its_last_reply_has_replied() {
    let open = Open::tcp().await;
    let client = open.client().await;
    within(client.send(After)).await.unwrap();
    open.until("After", [1, 0, 1, 0, 0, 0]).await;
    assert_eq!(open.handle.counters().failed_after_last_reply, 1);
}

#[tokio::test]
async fn commands_whose_connection_ended_are_lost() {
    let open = Open::tcp().await;
    let client = open.client().await;
    let calls: Vec<_> = [true, false]
        .into_iter()
        .map(|fails| {
            let client = client.clone();
            tokio::spawn(async move {
                if fails { client.send(Fail { waits: true }).await } else { client.send(Wait).await }
            })
        })
        .collect();
    let later = Later { how: How::Answer, at_once: true };
    let later = tokio::spawn({
        let client = client.clone();
        async move { client.send(later).await }
    });
    open.until("Fail", [1, 1, 0, 0, 0, 0]).await;
    open.until("Wait", [1, 1, 0, 0, 0, 0]).await;
    open.until("Later", [1, 1, 0, 0, 0, 0]).await;
    client.close();
    until(|| open.handle.counters().open == 0).await;
    open.desk.gate.add_permits(3);
    open.until("Fail", [1, 0, 0, 0, 0, 1]).await;
    open.until("Wait", [1, 0, 0, 0, 0, 1]).await;
    open.until("Later", [1, 0, 0, 0, 0, 1]).await;
    assert_eq!(open.handle.counters().failed, 0);
    for call in calls.into_iter().chain([later]) {
        assert!(within(call).await.unwrap().is_err());
    }
}

#[tokio::test]
async fn an_abandoned_call_ends_at_the_server_all_the_same() {
    let open = Open::tcp().await;
    let client = open.client().await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.send(Wait).await }
    });
    open.until("Wait", [1, 1, 0, 0, 0, 0]).await;
    call.abort();
    assert!(within(call).await.is_err());
    open.desk.gate.add_permits(1);
    open.until("Wait", [1, 0, 1, 0, 0, 0]).await;
    until(|| client.counters().unexpected == 1).await;
    assert_eq!(client.counters().cancelled, 1);
}

struct Refuse;

impl Invoker<Office> for Refuse {
    async fn invoke(&self, invocation: impl Invocation<Office>) -> Result<cmd_stream::server::Ended, Failed> {
        match invocation.entry().name {
            "Quick" => Err(Failed::new("refused")),
            "Count" => panic!("as it was asked to"),
            _ => invocation.run().await,
        }
    }
}

#[tokio::test]
async fn what_an_invoker_refuses_has_failed() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let desk = crate::desk::Desk { gate: std::sync::Arc::new(tokio::sync::Semaphore::new(1)) };
    let server = cmd_stream::Server::builder(Office, Json, desk).invoker(Refuse).listen(listener).unwrap();
    let handle = server.handle();
    tokio::spawn(server.serve());
    let client = within(Client::connect(handle.local_addr().to_string(), Office, Json)).await.unwrap();
    assert!(within(client.send(Quick)).await.is_err());
    assert!(within(client.send(Count { to: 1 })).await.is_err());
    within(client.send(Wait)).await.unwrap();
    let of = |name| numbers(handle.stats().command(name).unwrap());
    until(|| of("Wait") == [1, 0, 1, 0, 0, 0]).await;
    until(|| of("Count") == [1, 0, 0, 0, 1, 0]).await;
    assert_eq!(of("Quick"), [1, 0, 0, 1, 0, 0]);
}

#[tokio::test]
async fn the_counter_of_all_commands_is_the_sum() {
    let open = Open::tcp().await;
    let client = open.client().await;
    within(client.send(Quick)).await.unwrap();
    within(client.send(Sleep { millis: 0 })).await.unwrap();
    assert!(within(client.send(Fail { waits: false })).await.is_err());
    let stats = open.handle.stats();
    assert_eq!(stats.counters.started, 3);
    assert_eq!(stats.commands.iter().map(|command| command.started).sum::<u64>(), 3);
    let names: Vec<_> = stats.commands.iter().map(|command| command.name).collect();
    assert_eq!(names, ["Quick", "Wait", "Fail", "Boom", "Note", "Count", "Later", "After", "Sleep"]);
    assert_eq!(stats.command("Nobody"), None);
}

#[tokio::test(start_paused = true)]
async fn a_command_takes_from_its_read_to_its_end() {
    let (connector, listener) = transport::memory::pair();
    let open = Open::over(listener, |builder| builder);
    let client = Client::builder(Office, Json).keepalive(Keepalive::OFF);
    let client = within(client.connect_by(connector)).await.unwrap();
    for millis in [10, 100, 1000] {
        within(client.send(Sleep { millis })).await.unwrap();
    }
    open.until("Sleep", [3, 0, 3, 0, 0, 0]).await;
    let latency = open.command("Sleep").latency;
    assert_eq!(latency.count(), 3);
    let sum = latency.sum().as_millis();
    assert!((1110..1120).contains(&sum), "{sum}");
    let half = latency.quantile(0.5).unwrap().as_millis();
    assert!((100..=114).contains(&half), "{half}");
}

#[tokio::test]
async fn bytes_are_counted_on_both_sides() {
    let open = Open::tcp().await;
    let client = open.client().await;
    for _ in 0..3 {
        within(client.send(Quick)).await.unwrap();
    }
    let (server, client) = (open.handle.counters(), client.counters());
    assert_eq!(server.bytes_received, client.bytes_sent);
    // The client has read the greeting as well, which is no Reply; it is counted by neither.
    assert_eq!(server.bytes_sent, client.bytes_received);
    assert!(server.bytes_received >= 3 * 5 && server.bytes_sent >= 3 * 10, "{server:?}");
    assert_eq!(open.handle.stats().counters, open.handle.counters());
}
