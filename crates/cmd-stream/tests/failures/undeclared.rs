//! Without a declared failure, the connection closes and both sides learn why.

use crate::{Bare, EncodeFails, Fine, GOOD, Step, WAYS, bare, other, send, stream};
use cmd_stream::{Client, ErrorKind, Json, Origin};
use testkit::ends::{both, json_frame, serve_in_memory, server_and_bytes};
use testkit::wait::{until, within};

#[tokio::test(start_paused = true)]
async fn without_a_declared_failure_the_connection_closes_and_both_sides_know_why() {
    let cases: [(&[Step], &str); 5] = [
        (&[Step::Error], "invalid digit found in string"),
        (&[Step::Typed], "typed"),
        (&[Step::Panic], "panic: the command panics"),
        (&[], "the command ended without a last reply"),
        (&[Step::Last(EncodeFails(3))], "the reply cannot be encoded: it does not want to be encoded"),
    ];
    for in_place in WAYS {
        for (steps, reason) in cases {
            let (server, mut losses) = bare();
            let (connector, server) = serve_in_memory(server);
            let client = Client::builder(Bare, Json).reconnect(false);
            let client = client.connect_by(connector.clone()).await.expect("a client");
            let bystander = Client::builder(Bare, Json).connect_by(connector).await.expect("another client");
            send(&client, in_place, GOOD).await.expect("a connection");

            let error = other(send(&client, in_place, steps).await.expect_err("it fails"));
            assert_eq!(
                (error.kind(), error.origin(), error.was_sent()),
                (ErrorKind::Closed, Origin::Remote, true),
                "{error:?}"
            );
            assert_eq!(within(client.closed()).await.kind(), ErrorKind::Closed);
            let lost = within(losses.recv()).await.expect("a loss");
            assert_eq!((lost.id, lost.reason.kind()), (1, ErrorKind::Execution));
            let name = if in_place { "InPlace" } else { "Spawned" };
            let failed = format!("the command {name} with seq 2 failed");
            assert_eq!(lost.reason.to_string(), failed);
            assert_eq!(format!("{:#}", lost.reason), format!("{failed}: {reason}"));

            send(&bystander, in_place, GOOD).await.expect("other connections go on");
            let panicked = u64::from(matches!(steps, [Step::Panic]));
            assert_eq!((server.counters().failed, server.counters().panicked), (1, panicked));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_replied_before_a_failure_is_written_before_the_connection_closes() {
    for tag in [0, 1] {
        let (server, mut peer) = server_and_bytes(bare().0).await;
        let good = r#"{"note":["",0],"steps":[{"Send":"Fine"},{"Last":"Fine"}]}"#;
        let bad = r#"{"note":["",0],"steps":[{"Send":"Fine"},"Error"]}"#;
        let reply = |seq, last| json_frame(seq, 0, &format!(r#"{{"note":["",0],"last":{last}}}"#));
        peer.send(&[json_frame(1, tag, good), json_frame(2, tag, good)].concat()).await;
        until(|| server.counters().replies == 4).await; // all four are in the output, or beyond it
        peer.send(&json_frame(3, tag, bad)).await;
        let written = peer.rest().await;
        for (seq, last) in [(1, false), (1, true), (2, false), (2, true), (3, false)] {
            let reply = reply(seq, last);
            assert!(written.windows(reply.len()).any(|bytes| bytes == reply), "reply of {seq} is missing");
        }
        assert_eq!(written.len(), 2 * reply(1, true).len() + 3 * reply(1, false).len());
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_after_the_failure_that_closes_the_connection() {
    let (server, mut losses) = bare();
    let (_server, mut peer) = server_and_bytes(server).await;
    // All three are in one batch, so nothing after the failing one is started.
    let bad = json_frame(1, 1, r#"{"note":["",0],"steps":["Error"]}"#);
    let good = json_frame(2, 1, r#"{"note":["",0],"steps":[{"Last":"Fine"}]}"#);
    peer.send(&[bad, good, vec![0]].concat()).await;
    peer.expect_end().await;
    let lost = within(losses.recv()).await.expect("a loss");
    assert_eq!(
        format!("{:#}", lost.reason),
        "the command InPlace with seq 1 failed: invalid digit found in string"
    );
}

#[tokio::test(start_paused = true)]
async fn all_calls_of_a_connection_that_a_failure_closes_are_told() {
    let (server, _losses) = bare();
    let (client, _server) = both(server, Client::builder(Bare, Json).reconnect(false)).await;
    let waiting = send(&client, false, &[Step::Wait]);
    let streaming = stream(&client, true, &[Step::Send(Fine), Step::Wait]);
    let failing = send(&client, false, &[Step::Error]);
    let (waiting, (replies, streaming), failing) = tokio::join!(waiting, streaming, failing);
    assert_eq!(replies, 1);
    for error in [waiting.expect_err("closed"), streaming.expect("closed"), failing.expect_err("closed")] {
        let error = other(error);
        assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Closed, true));
    }
    let error = other(send(&client, false, GOOD).await.expect_err("closed"));
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Closed, false), "nothing more is sent");
}
