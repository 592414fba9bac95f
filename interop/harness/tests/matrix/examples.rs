//! The examples, with either end in Go. The clients print the same, whatever the other end is.

use testkit::process::Process;

use crate::support::{go_client, go_server};
use crate::tls::Certs;

#[tokio::test]
async fn calc_in_json_prints_the_same_with_either_end_in_go() {
    either_end_in_go(env!("CARGO_BIN_EXE_calc_json"), "calc", "json", &["Result: 5", "Result: 4"]).await;
}

#[tokio::test]
async fn calc_in_protobuf_prints_the_same_with_either_end_in_go() {
    either_end_in_go(env!("CARGO_BIN_EXE_calc_protobuf"), "calc", "protobuf", &["Result: 5", "Result: 4"])
        .await;
}

#[tokio::test]
async fn echo_prints_the_same_with_either_end_in_go() {
    either_end_in_go(env!("CARGO_BIN_EXE_echo"), "echo", "its own", &["Result: one two three"]).await;
}

#[tokio::test]
async fn hello_world_prints_the_same_with_either_end_in_go() {
    let prints = ["Hello world", "Hello incredible world"];
    either_end_in_go(env!("CARGO_BIN_EXE_hello_world"), "hello_world", "mus", &prints).await;
}

#[tokio::test]
async fn server_streaming_prints_the_same_with_either_end_in_go() {
    let prints = ["Hello", "incredible", "world"];
    either_end_in_go(env!("CARGO_BIN_EXE_server_streaming"), "server_streaming", "mus", &prints).await;
}

#[tokio::test]
async fn tls_prints_the_same_with_either_end_in_go() {
    let certs = Certs::new("example");
    let path = |name| certs.path(name);
    let server =
        ["--tls-ca", &path("ca.pem"), "--tls-cert", &path("server.pem"), "--tls-key", &path("server.key")];
    let client =
        ["--tls-ca", &path("ca.pem"), "--tls-cert", &path("client.pem"), "--tls-key", &path("client.key")];
    let (ours, prints) = (env!("CARGO_BIN_EXE_tls"), &[r#"Sending "message"... Result: "message""#][..]);
    let directory = ["--certs", certs.directory()];

    let (_go, address) = go_server("message", &server).await;
    Process::start(ours, &[&["--connect", &address], &directory[..]].concat()).expect_success(prints).await;
    go_client("message", &address, &client).expect_success(prints).await;

    let (_server, address) =
        Process::start_server(ours, &[&["--listen", "127.0.0.1:0"], &directory[..]].concat()).await;
    go_client("message", &address, &client).expect_success(prints).await;
    Process::start(ours, &[&["--connect", &address], &directory[..]].concat()).expect_success(prints).await;
}

/// `ours` is the example, and `theirs` is the service of the Go peer, which has several formats.
async fn either_end_in_go(ours: &str, theirs: &str, format: &str, prints: &[&str]) {
    let args = ["--format", format];
    let (mut go, address) = go_server(theirs, &args).await;
    Process::start(ours, &["--connect", &address]).expect_success(prints).await;
    go.expect_line("lost: EOF").await;
    go_client(theirs, &address, &args).expect_success(prints).await;

    let (server, address) = Process::start_server(ours, &["--listen", "127.0.0.1:0"]).await;
    go_client(theirs, &address, &args).expect_success(prints).await;
    Process::start(ours, &["--connect", &address]).expect_success(prints).await;
    server.signal("TERM");
    server.expect_success(&[]).await;
}
