//! The examples, with either end in Go. The clients print the same, whatever the other end is.

use testkit::process::Process;

use crate::support::{go_client, go_server, restart_go_server};
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
async fn keepalive_prints_the_same_with_either_end_in_go() {
    let prints = [SENT_ONE, "Ping-Pong time...", SENT_TWO];
    either_end_in_go(env!("CARGO_BIN_EXE_keepalive"), "keepalive", "json", &prints).await;
}

#[tokio::test]
async fn reconnect_prints_the_same_with_either_end_in_go() {
    let (ours, only_once) = (env!("CARGO_BIN_EXE_reconnect"), ["--seconds", "0"]);
    either_end_in_go_with(ours, "reconnect", "json", &only_once, &[SENT_MESSAGE]).await;
}

#[tokio::test]
async fn reconnect_gets_over_a_kill_of_the_go_server() {
    let (mut server, address) = go_server("reconnect", &[]).await;
    let ours = env!("CARGO_BIN_EXE_reconnect");
    let mut client = Process::start(ours, &["--connect", &address, "--seconds", "2"]);
    client.expect_line(SENT_MESSAGE).await;
    server.kill();
    let _server = restart_go_server("reconnect", &address, &[]).await;
    let ended = client.end().await;
    assert_eq!(
        (ended.code, ended.lines.last().map(String::as_str)),
        (Some(0), Some(SENT_MESSAGE)),
        "{ended:?}"
    );
    assert!(ended.lines.contains(&format!("connection back: {address}")), "{ended:?}");
}

#[tokio::test]
async fn the_go_client_of_reconnect_gets_over_a_kill_of_our_server() {
    let ours = env!("CARGO_BIN_EXE_reconnect");
    let (mut server, address) = Process::start_server(ours, &["--listen", "127.0.0.1:0"]).await;
    let mut client = go_client("reconnect", &address, &["--seconds", "2"]);
    client.expect_line(SENT_MESSAGE).await;
    server.kill();
    let _server = Process::restart_server(ours, &["--listen", &address], &address).await;
    let ended = client.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.lines.iter().all(|line| line == SENT_MESSAGE), "{ended:?}");
}

#[tokio::test]
async fn resilient_is_refused_by_its_breaker_until_the_go_server_is_back() {
    let (mut server, address) = go_server("resilient", &[]).await;
    let mut client = Process::start(env!("CARGO_BIN_EXE_resilient"), &["--connect", &address]);
    client.expect_line(r#"Sending "message1"... Result: "message1""#).await;
    server.kill();
    for line in [
        r#"Sending "message2"... Error: no member of the group has a connection"#,
        "Circuit breaker state changed to: Open",
        r#"Sending "message3"... Error: no member of the group has a connection"#,
        r#"Sending "message4"... Error: a hook refuses the command: the circuit breaker is open"#,
    ] {
        client.expect_line(line).await;
    }
    let _server = restart_go_server("resilient", &address, &[]).await;
    client
        .expect_success(&[
            "Circuit breaker state changed to: HalfOpen",
            "Circuit breaker state changed to: Closed",
            r#"Sending "message5"... Result: "message5""#,
        ])
        .await;
}

#[tokio::test]
async fn the_go_client_of_resilient_is_refused_by_its_breaker_until_our_server_is_back() {
    let ours = env!("CARGO_BIN_EXE_resilient");
    let (mut server, address) = Process::start_server(ours, &["--listen", "127.0.0.1:0"]).await;
    let mut client = go_client("resilient", &address, &[]);
    client.expect_line(r#"Sending "message1"... Result: "message1""#).await;
    server.kill();
    let fails = |line: &str, text: &str| line.starts_with(&format!("Sending {text:?}... Error: "));
    let line = client.line().await;
    assert!(fails(&line, "message2"), "{line}");
    client.expect_line("Circuit breaker state changed to: Open").await;
    let line = client.line().await;
    assert!(fails(&line, "message3"), "{line}");
    client.expect_line(r#"Sending "message4"... Error: not allowed"#).await;
    let _server = Process::restart_server(ours, &["--listen", &address], &address).await;
    let ended = client.end().await;
    // The breaker may have let a trial through before the server was back.
    let lines = ended.lines.join("\n").replace(FAILED_TRIAL, "");
    let back = "Circuit breaker state changed to: HalfOpen\nCircuit breaker state changed to: Closed\n\
                Sending \"message5\"... Result: \"message5\"";
    assert_eq!((ended.code, &*lines), (Some(0), back), "{ended:?}");
}

const FAILED_TRIAL: &str =
    "Circuit breaker state changed to: HalfOpen\nCircuit breaker state changed to: Open\n";

#[tokio::test]
async fn rpc_prints_the_same_with_either_end_in_go() {
    either_end_in_go(env!("CARGO_BIN_EXE_rpc"), "rpc", "mus", &[r#"Result: "Hello world""#]).await;
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

const SENT_ONE: &str = r#"Sending "one"... Result: "one""#;
const SENT_TWO: &str = r#"Sending "two"... Result: "two""#;
const SENT_MESSAGE: &str = r#"Sending "message"... Result: "message""#;

/// `ours` is the example, and `theirs` is the service of the Go peer, which has several formats.
async fn either_end_in_go(ours: &str, theirs: &str, format: &str, prints: &[&str]) {
    either_end_in_go_with(ours, theirs, format, &[], prints).await;
}

/// `ours` is the example, and `theirs` is the service of the Go peer, which has several formats.
/// `options` are those of both clients.
async fn either_end_in_go_with(ours: &str, theirs: &str, format: &str, options: &[&str], prints: &[&str]) {
    let args = ["--format", format];
    let (mut go, address) = go_server(theirs, &args).await;
    Process::start(ours, &[&["--connect", &address], options].concat()).expect_success(prints).await;
    go.expect_line("lost: EOF").await;
    go_client(theirs, &address, &[&args, options].concat()).expect_success(prints).await;

    let (server, address) = Process::start_server(ours, &["--listen", "127.0.0.1:0"]).await;
    go_client(theirs, &address, &[&args, options].concat()).expect_success(prints).await;
    Process::start(ours, &[&["--connect", &address], options].concat()).expect_success(prints).await;
    server.signal("TERM");
    server.expect_success(&[]).await;
}
