//! The service of the Protobuf vectors, in both directions: other messages than those of the matrix.

use cmd_stream::{Client, Protobuf, Server};
use testkit::sample::Service;
use testkit::sample::protobuf::{AddCmd, CalcResult, Cmd1, Cmd2, Result1, Result2, Sample, SubCmd};
use testkit::wait::within;

use crate::support::{go_client, go_server};

#[tokio::test]
async fn commands_of_a_go_client_are_answered_as_it_expects() {
    let server = Server::bind("127.0.0.1:0", Sample, Protobuf, Service).await.expect("a free port");
    let address = server.handle().local_addr().to_string();
    tokio::spawn(server.serve());
    go_client("protobuf_sample", &address, &[]).expect_success(&["ok"]).await;
}

#[tokio::test]
async fn commands_sent_to_a_go_server_are_answered_as_we_expect() {
    let (mut server, address) = go_server("protobuf_sample", &[]).await;
    let client = Client::connect(&address, Sample, Protobuf).await.expect("a server listens there");
    for x in [0, 1, -1, 127, 128, i64::MAX, i64::MIN] {
        let reply = within(client.send(Cmd1 { x })).await.expect("it is answered");
        assert_eq!(reply, Result1 { x });
    }
    for y in ["", "hi", "héllo, 世界 🌍", &"語".repeat(100_000)] {
        assert_eq!(text(&client, y).await, y);
    }
    assert_eq!(text(&client, "delay:50:late").await, "late");
    for (a, b) in [(2, 3), (0, 0), (i64::MIN, i64::MAX), (i64::MAX, 1)] {
        let sum = within(client.send(AddCmd { a, b })).await.expect("it is answered");
        assert_eq!(sum, CalcResult { r: a.wrapping_add(b) });
        let difference = within(client.send(SubCmd { a, b })).await.expect("it is answered");
        assert_eq!(difference, CalcResult { r: a.wrapping_sub(b) });
    }
    let mut stream = within(client.stream(Cmd2 { y: "stream:3".into() })).await.expect("it is sent");
    for y in ["+1", "+2", "3"] {
        let reply = within(stream.next()).await.expect("there are more").expect("nothing fails");
        assert_eq!(reply, Result2 { y: y.into() });
    }
    assert!(within(stream.next()).await.is_none(), "it has had its last reply");
    within(client.send(Cmd2 { y: "fail".into() })).await.expect_err("it fails");
    server.expect_line("lost: the command failed, as it was asked to").await;
}

/// The answer to a text.
async fn text(client: &Client<Sample, Protobuf>, y: &str) -> String {
    within(client.send(Cmd2 { y: y.into() })).await.expect("it is answered").y
}
