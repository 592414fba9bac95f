//! Panics and errors in user code outside of `execute`: while encoding and decoding.

use crate::{
    BIG, Bare, EncodeFails, EncodePanics, Fine, GOOD, GOOD_REPORT, Lab, Probe, Touchy, Typed, bare, other,
    send, stream,
};
use cmd_stream::{Client, ErrorKind, Json, Origin, Server};
use testkit::ends::{client_and_bytes, json_frame, serve_in_memory, server_and_bytes};
use testkit::wait::within;

#[tokio::test(start_paused = true)]
async fn a_command_that_cannot_be_encoded_fails_its_own_call_and_leaves_no_bytes() {
    for bytes in [0, 100, BIG] {
        let (client, mut peer) = client_and_bytes(Client::builder(Typed, Json), 1 << 16).await;
        let error = client
            .send(Probe::<false> { note: Touchy(EncodeFails(bytes)), steps: vec![] })
            .await
            .expect_err("refused");
        let error = other(error);
        assert_eq!(
            (error.kind(), error.origin(), error.was_sent()),
            (ErrorKind::Encode, Origin::Local, false)
        );
        assert_eq!(format!("{error:#}"), "the command cannot be encoded: it does not want to be encoded");

        let command = Probe::<true> { note: Touchy(EncodePanics(bytes)), steps: vec![] };
        let error = client.stream(command).await.expect_err("refused");
        assert_eq!(
            (error.kind(), error.origin(), error.was_sent()),
            (ErrorKind::Panic, Origin::Local, false)
        );
        assert_eq!(format!("{error:#}"), "panic in encoding a command: it panics when it is encoded");
        assert_eq!(client.in_flight(), 0);

        let next = async {
            client.send(Probe::<false> { note: Touchy(Fine), steps: vec![] }).await.expect("a reply")
        };
        let served = async {
            peer.expect(&json_frame(1, 0, r#"{"note":["",0],"steps":[]}"#)).await;
            peer.send(&json_frame(1, 0, r#"{"note":["",0],"last":true}"#)).await;
        };
        assert_eq!(within(async { tokio::join!(next, served) }).await.0, GOOD_REPORT);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_cannot_be_encoded_leaves_no_bytes_and_another_one_can_be_sent() {
    for tag in [0, 1] {
        let lab = Lab::default();
        let (server, mut peer) = server_and_bytes(Server::builder(Bare, Json, lab.clone())).await;
        let mut seq = 0;
        for bytes in [0, 100, BIG] {
            for mood in [format!(r#"{{"EncodeFails":{bytes}}}"#), format!(r#"{{"EncodePanics":{bytes}}}"#)] {
                seq += 1;
                let steps = format!(r#"{{"note":["",0],"steps":[{{"Refused":{mood}}},{{"Last":"Fine"}}]}}"#);
                peer.send(&json_frame(seq, tag, &steps)).await;
                peer.expect(&json_frame(seq, 0, r#"{"note":["",0],"last":true}"#)).await;
            }
        }
        assert_eq!(lab.refusals().len(), 6);
        assert_eq!(lab.refusals()[0], "the reply cannot be encoded: it does not want to be encoded");
        assert_eq!(lab.refusals()[1], "panic in encoding a reply: it panics when it is encoded");
        assert_eq!((server.counters().failed, server.counters().replies), (0, 6));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_whose_decoding_panics_ends_the_client_with_that_reason() {
    for (note, kind) in [(2, ErrorKind::Panic), (1, ErrorKind::Decode)] {
        let (client, mut peer) = client_and_bytes(Client::builder(Typed, Json), 1 << 16).await;
        let (first, second) = (send(&client, false, GOOD), send(&client, false, GOOD));
        let served = async {
            peer.receive(2 * json_frame(1, 0, r#"{"note":["",0],"steps":[{"Last":"Fine"}]}"#).len()).await;
            let good = json_frame(1, 0, r#"{"note":["",0],"last":true}"#);
            let bad = json_frame(2, 0, &format!(r#"{{"note":["",{note}],"last":true}}"#));
            peer.send(&[good, bad].concat()).await;
            peer.expect_end().await;
        };
        let (first, second, ()) = within(async { tokio::join!(first, second, served) }).await;
        assert_eq!(first.expect("what came before it is given out"), GOOD_REPORT);
        let error = other(second.expect_err("it does not decode"));
        assert_eq!((error.kind(), error.was_sent()), (kind, true), "{error:#}");
        assert_eq!(client.closed().await.kind(), kind);
        assert_eq!(client.in_flight(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_panics_when_asked_whether_it_is_the_last_ends_the_client_with_that_reason() {
    let (client, mut peer) = client_and_bytes(Client::builder(Typed, Json), 1 << 16).await;
    let streaming = stream(&client, false, &[]);
    let served = async {
        peer.receive(json_frame(1, 0, r#"{"note":["",0],"steps":[]}"#).len()).await;
        peer.send(&json_frame(1, 0, r#"{"note":["",3],"last":true}"#)).await;
        peer.expect_end().await;
    };
    let ((_, error), ()) = within(async { tokio::join!(streaming, served) }).await;
    let error = other(error.expect("the stream fails"));
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Panic, true), "{error:#}");
    assert_eq!(client.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_decoding_panics_closes_its_connection_only() {
    for (note, kind) in [(2, ErrorKind::Panic), (1, ErrorKind::Decode)] {
        let (server, mut losses) = bare();
        let (connector, _server) = serve_in_memory(server);
        let bystander = Client::builder(Bare, Json).connect_by(connector.clone()).await.expect("a client");
        let (io, _) = cmd_stream::transport::Connect::connect(&connector).await.expect("a connection");
        let mut peer = testkit::peer::BytePeer::over(io);
        peer.expect(testkit::peer::GREETING).await;
        let good = json_frame(1, 1, r#"{"note":["",0],"steps":[{"Last":"Fine"}]}"#);
        let bad = json_frame(2, 1, &format!(r#"{{"note":["",{note}],"steps":[]}}"#));
        peer.send(&[good, bad].concat()).await;
        peer.expect(&json_frame(1, 0, r#"{"note":["",0],"last":true}"#)).await;
        peer.expect_end().await;
        assert_eq!(within(losses.recv()).await.expect("a loss").reason.kind(), kind);
        send(&bystander, true, GOOD).await.expect("other connections go on");
    }
}
