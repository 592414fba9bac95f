//! Runs each example as a user does: both ends, only the server, only the client. And the bytes that the servers speak,
//! so that nothing but Rust is needed to see that they are those of the Go examples.

use std::path::PathBuf;
use std::time::Duration;

use testkit::peer::BytePeer;
use testkit::process::Process;
use testkit::wait::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::Instant;

/// Each example, and what its client prints.
const EXAMPLES: [(&str, &[&str]); 15] = [
    (
        "auth",
        &[
            "before: log in first",
            "wrong password: the name or the password is wrong",
            "logged in as alice",
            "alice has 1 note: water the plants",
            "another connection: log in first",
        ],
    ),
    ("calc_json", &["Result: 5", "Result: 4"]),
    ("calc_protobuf", &["Result: 5", "Result: 4"]),
    ("echo", &["Result: one two three"]),
    ("group", &["served by A, B, C", "served by A, C", "served by A, B, C", "every call was answered"]),
    ("hello_world", &["Hello world", "Hello incredible world"]),
    (
        "keepalive",
        &[r#"Sending "one"... Result: "one""#, "Ping-Pong time...", r#"Sending "two"... Result: "two""#],
    ),
    (
        "probes",
        &[
            "2 + 3 = 5",
            "the server says: serving; /livez: 200 alive; /readyz: 200 serving",
            "the server says: not serving: the database does not answer; /livez: 200 alive; \
             /readyz: 503 not serving: the database does not answer",
            "the server says: serving; /livez: 200 alive; /readyz: 200 serving",
            "cmd_stream_server_commands_total 4",
            "the server says: draining; /livez: 200 alive; /readyz: 503 draining",
        ],
    ),
    ("reconnect", &[SENT]),
    ("resilient", &RESILIENT),
    ("rpc", &[r#"Result: "Hello world""#]),
    ("server_streaming", &["Hello", "incredible", "world"]),
    ("testing", &["the cheapest is the kettle, for 3495"]),
    ("tls", &[r#"Sending "message"... Result: "message""#]),
    ("tower", &TOWER),
];

/// What `tower` prints.
const TOWER: [&str; 4] = [
    "refused: 1 of 2",
    "patient cat: small cat",
    "patient dog: small dog",
    "patient huge: request timed out",
];

/// Those that can be talked to in bytes.
fn without_tls() -> impl Iterator<Item = &'static str> {
    EXAMPLES.into_iter().map(|(name, _)| name).filter(|name| *name != "tls")
}

/// What `resilient` prints.
const RESILIENT: [&str; 8] = [
    r#"Sending "message1"... Result: "message1""#,
    r#"Sending "message2"... Error: no member of the group has a connection"#,
    "Circuit breaker state changed to: Open",
    r#"Sending "message3"... Error: no member of the group has a connection"#,
    r#"Sending "message4"... Error: a hook refuses the command: the circuit breaker is open"#,
    "Circuit breaker state changed to: HalfOpen",
    "Circuit breaker state changed to: Closed",
    r#"Sending "message5"... Result: "message5""#,
];

/// What the client of `reconnect` prints for each Command that is answered.
const SENT: &str = r#"Sending "message"... Result: "message""#;

/// And for each that it sends again.
const SENT_AGAIN: &str = r#"Sending "message"... lost, sending it again"#;

const ANY_PORT: &str = "127.0.0.1:0";

#[test]
fn every_example_is_run_here() {
    let files = std::fs::read_dir(env!("CARGO_MANIFEST_DIR")).expect("the folder of the examples");
    let files = files.map(|file| file.expect("a file").path());
    let mut found: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .map(|file| file.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    found.sort();
    assert_eq!(found, EXAMPLES.map(|(name, _)| name));
}

#[tokio::test]
async fn without_arguments_both_ends_run_and_end_by_themselves() {
    for (name, prints) in EXAMPLES {
        start(name, &[]).expect_success(prints).await;
    }
}

#[tokio::test]
async fn either_end_runs_alone_and_the_server_serves_one_client_after_another() {
    let certs = Certs::new("either-end");
    // The client of `resilient` waits for the end of its server: see below.
    for (name, prints) in EXAMPLES.into_iter().filter(|(name, _)| *name != "resilient") {
        let (server, address) = start_server_with(name, &certs.args(name)).await;
        let (served, no_time) = (format!("served by {address}"), ["--seconds", "0"]);
        let of_group = [&*served, "every call was answered"];
        let (options, prints): (&[&str], &[&str]) = match name {
            "group" => (&no_time, &of_group),
            "probes" => (&[], &["the server says: serving"]),
            "reconnect" => (&no_time, prints),
            _ => (&[], prints),
        };
        for _ in 0..2 {
            let args = [&["--connect", &address], options, &certs.args(name)[..]].concat();
            start(name, &args).expect_success(prints).await;
        }
        drop(server);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_signal_ends_the_server_with_0_after_it_closed_its_connections() {
    for signal in ["TERM", "INT"] {
        for name in without_tls() {
            let (server, address) = start_server(name).await;
            let mut client = BytePeer::greeted(&address).await;
            server.signal(signal);
            client.expect_end().await;
            server.expect_success(&[]).await;
        }
    }
}

#[tokio::test]
async fn a_client_of_nobody_waits_for_5_seconds_and_fails() {
    // Bound, so that nobody else gets the port, and not listening.
    let nobody = TcpSocket::new_v4().expect("a socket");
    nobody.bind(ANY_PORT.parse().expect("an address")).expect("a free port");
    let address = nobody.local_addr().expect("it is bound").to_string();

    let before = Instant::now();
    let certs = Certs::new("nobody");
    let clients =
        EXAMPLES.map(|(name, _)| start(name, &[&["--connect", &address], &certs.args(name)[..]].concat()));
    for client in clients {
        let ended = client.end().await;
        assert!(before.elapsed() >= Duration::from_secs(5), "{ended:?}");
        assert_eq!((ended.code, &ended.lines[..]), (Some(1), &[][..]), "{ended:?}");
        assert!(ended.complaints.contains(&format!("cannot connect to {address}: ")), "{ended:?}");
    }
}

#[tokio::test]
async fn a_client_whose_call_fails_exits_with_1() {
    // These send it again instead: see below.
    for name in without_tls().filter(|name| !["group", "probes", "reconnect"].contains(name)) {
        let listener = tokio::net::TcpListener::bind(ANY_PORT).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let client = start(name, &["--connect", &address]);
        let mut server = BytePeer::accept_and_greet(&listener).await;
        server.expect(&[1]).await; // seq of the first Command
        drop(server);
        let ended = client.end().await;
        assert_eq!((ended.code, &ended.lines[..]), (Some(1), &[][..]), "{ended:?}");
    }
}

#[tokio::test]
async fn an_unknown_command_line_is_answered_with_the_usage() {
    for (name, _) in EXAMPLES {
        for wrong in [&["--listen"][..], &["sing"], &["--listen", ANY_PORT, "--connect", ANY_PORT]] {
            let ended = start(name, wrong).end().await;
            assert_eq!((ended.code, &ended.lines[..]), (Some(1), &[][..]), "{ended:?}");
            if name == "tls" && ended.complaints.contains("an end alone needs --certs DIR") {
                continue; // it looks for them first
            }
            assert!(ended.complaints.contains("usage: [--listen ADDRESS | --connect ADDRESS]"), "{ended:?}");
            assert_eq!(ended.complaints.contains(" [--certs DIR]"), name == "tls", "{ended:?}");
        }
    }
}

#[tokio::test]
async fn an_address_in_use_fails_the_server() {
    let certs = Certs::new("in-use");
    for (name, _) in EXAMPLES {
        let (_server, address) = start_server_with(name, &certs.args(name)).await;
        let ended = start(name, &[&["--listen", &address], &certs.args(name)[..]].concat()).end().await;
        assert_eq!((ended.code, &ended.lines[..]), (Some(1), &[][..]), "{ended:?}");
        assert!(ended.complaints.contains(&format!("cannot listen on {address}: ")), "{ended:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn probes_are_answered_over_http_and_say_that_a_server_drains_before_it_ends() {
    let (mut server, address) = start_server_with("probes", &["--http", ANY_PORT]).await;
    let http = server.line().await;
    let http = http.strip_prefix("probes on http://").expect("it says where").to_owned();
    let get = async |path: &str| {
        let mut stream = tokio::net::TcpStream::connect(&http).await.expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut response = String::new();
        within(stream.read_to_string(&mut response)).await.expect("it answers");
        response
    };
    assert!(get("/livez").await.starts_with("HTTP/1.1 200 "));
    assert!(get("/readyz").await.ends_with("\r\n\r\nserving"));
    assert!(get("/nothing").await.starts_with("HTTP/1.1 404 "));
    let mut client = BytePeer::greeted(&address).await;
    client.send(b"\x01\x01\x02{}").await;
    client.expect(b"\x01\x01\x17{\"state\":1,\"reason\":\"\"}").await;
    let metrics = get("/metrics").await;
    assert!(metrics.contains("content-type: text/plain; version=0.0.4\r\n"), "{metrics}");
    assert!(metrics.contains("# TYPE cmd_stream_server_commands_total counter\n"), "{metrics}");
    assert!(metrics.contains("\ncmd_stream_server_commands_total 1\n"), "{metrics}");
    assert!(metrics.contains("\ncmd_stream_server_connections 1\n"), "{metrics}");
    server.signal("TERM");
    let ready = within(async {
        loop {
            let ready = get("/readyz").await;
            if !ready.starts_with("HTTP/1.1 200 ") {
                return ready;
            }
        }
    });
    let ready = ready.await;
    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.ends_with("\r\n\r\ndraining"), "{ready}");
    // It still serves.
    client.send(b"\x02\x00\x05[2,3]").await;
    client.expect(b"\x02\x00\x015").await;
    client.expect_end().await;
    server.expect_success(&[]).await;
}

#[tokio::test]
async fn calc_json_has_the_tags_and_names_of_the_go_example() {
    let (_server, address) = start_server("calc_json").await;
    let mut client = BytePeer::greeted(&address).await;
    client.send(b"\x01\x00\x0d{\"A\":2,\"B\":3}").await;
    client.expect(b"\x01\x00\x015").await;
    client.send(b"\x02\x01\x0d{\"A\":8,\"B\":4}").await;
    client.expect(b"\x02\x00\x014").await;
}

#[tokio::test]
async fn calc_json_answers_an_overflow_with_its_failure_and_goes_on() {
    let (_server, address) = start_server("calc_json").await;
    let mut client = BytePeer::greeted(&address).await;
    client.send(b"\x01\x00\x1f{\"A\":9223372036854775807,\"B\":1}").await;
    client.expect(b"\x01\x01\x16{\"message\":\"overflow\"}").await;
    client.send(b"\x02\x00\x0d{\"A\":2,\"B\":3}").await;
    client.expect(b"\x02\x00\x015").await;
}

#[tokio::test]
async fn calc_protobuf_has_the_tags_and_field_numbers_of_the_go_example() {
    let (_server, address) = start_server("calc_protobuf").await;
    let mut client = BytePeer::greeted(&address).await;
    client.send(b"\x01\x00\x04\x08\x02\x10\x03").await;
    client.expect(b"\x01\x00\x02\x08\x05").await;
    client.send(b"\x02\x01\x04\x08\x08\x10\x04").await;
    client.expect(b"\x02\x00\x02\x08\x04").await;
    // Zeros are not written.
    client.send(b"\x03\x00\x00").await;
    client.expect(b"\x03\x00\x00").await;
}

#[tokio::test]
async fn calc_protobuf_answers_an_overflow_with_a_problem_and_goes_on() {
    let (_server, address) = start_server("calc_protobuf").await;
    let mut client = BytePeer::greeted(&address).await;
    // -2^63 - 1
    let least = [&[0x80; 9][..], &[1]].concat();
    client.send(&[b"\x01\x01\x0d\x08", &least[..], b"\x10\x01"].concat()).await;
    client.expect(b"\x01\x01\x0d\x08\xe8\x07\x12\x08overflow").await;
    client.send(b"\x02\x00\x04\x08\x02\x10\x03").await;
    client.expect(b"\x02\x00\x02\x08\x05").await;
}

#[tokio::test]
async fn echo_is_a_string_after_its_length_and_nothing_else() {
    let (_server, address) = start_server("echo").await;
    let mut client = BytePeer::greeted(&address).await;
    client.send(b"\x01\x05hello").await;
    client.expect(b"\x01\x05hello").await;
    client.send(b"\x02\x00").await;
    client.expect(b"\x02\x00").await;
    // A length of two bytes, in pieces.
    let mut long = b"\x03\xac\x02".to_vec();
    long.extend([b'x'; 300]);
    client.send_bytewise(&long).await;
    client.expect(&long).await;
}

#[tokio::test]
async fn hello_world_has_the_tags_of_the_go_example_and_its_maximum_of_1000_bytes() {
    let (_server, address) = start_server("hello_world").await;
    let mut client = BytePeer::greeted(&address).await;
    client.send(b"\x01\x01\x03you").await;
    client.expect(b"\x01\x01\x09Hello you").await;
    client.send(b"\x02\x02\x03you").await;
    client.expect(b"\x02\x01\x14Hello incredible you").await;
    let name = [b'x'; 1000];
    client.send(&[b"\x03\x01\xe8\x07", &name[..]].concat()).await;
    client.expect(&[b"\x03\x01\xee\x07Hello ", &name[..]].concat()).await;
    // 1001: its length alone is refused.
    client.send(b"\x04\x01\xe9\x07").await;
    client.expect_end().await;
}

#[tokio::test]
async fn rpc_is_hello_world_on_the_wire() {
    let (_server, address) = start_server("rpc").await;
    let mut client = BytePeer::greeted(&address).await;
    client.send(b"\x01\x01\x03you").await;
    client.expect(b"\x01\x01\x09Hello you").await;
    client.send(b"\x02\x02\x03you").await;
    client.expect(b"\x02\x01\x14Hello incredible you").await;
    // 1001 bytes are too many.
    client.send(b"\x03\x01\xe9\x07").await;
    client.expect_end().await;
}

#[tokio::test]
async fn server_streaming_has_the_tags_of_the_go_example() {
    let (_server, address) = start_server("server_streaming").await;
    let mut client = BytePeer::greeted(&address).await;
    client.send(b"\x01\x01\x03you").await;
    client.expect(b"\x01\x01\x05Hello\x00").await;
    client.expect(b"\x01\x01\x0aincredible\x00").await;
    client.expect(b"\x01\x01\x03you\x01").await;
}

#[tokio::test]
async fn tls_keeps_the_certificates_it_made_and_refuses_those_of_others() {
    let (ours, theirs) = (Certs::new("ours"), Certs::new("theirs"));
    let (_server, address) = start_server_with("tls", &ours.args("tls")).await;
    let made = std::fs::read(ours.0.join("server.pem")).expect("it was made");
    let connect = async |certs: &Certs| {
        start("tls", &[&["--connect", &address], &certs.args("tls")[..]].concat()).end().await
    };
    let ended = connect(&ours).await;
    assert_eq!((ended.code, ended.lines.len()), (Some(0), 1), "{ended:?}");
    assert_eq!(std::fs::read(ours.0.join("server.pem")).expect("it is there"), made);
    let ended = connect(&theirs).await;
    assert_eq!((ended.code, &ended.lines[..]), (Some(1), &[][..]), "{ended:?}");
    assert!(
        ended
            .complaints
            .contains("the server's certificate is not signed by the known authority that it names"),
        "{ended:?}"
    );
    // A server alone without them could have no client.
    let ended = start("tls", &["--listen", ANY_PORT]).end().await;
    assert!(ended.complaints.contains("an end alone needs --certs DIR"), "{ended:?}");
}

#[tokio::test]
async fn tls_refuses_a_directory_with_only_some_of_its_files() {
    let certs = Certs::new("incomplete");
    testkit::certs::write_all(&certs.0).expect("a temporary directory");
    for missing in ["ca.pem", "client.key"] {
        std::fs::remove_file(certs.0.join(missing)).expect("it was made");
        let ended = start("tls", &certs.args("tls")).end().await;
        assert_eq!((ended.code, &ended.lines[..]), (Some(1), &[][..]), "{ended:?}");
        assert!(ended.complaints.contains(" is incomplete: all five files or none"), "{ended:?}");
        assert!(ended.complaints.contains(missing), "{ended:?}");
    }
    std::fs::remove_dir_all(&certs.0).expect("it is there");
    std::fs::create_dir(&certs.0).expect("it was removed");
    std::fs::write(certs.0.join("notes.txt"), "").expect("it is a directory");
    let ended = start("tls", &certs.args("tls")).end().await;
    assert!(ended.complaints.contains(" has other files"), "{ended:?}");
}

#[tokio::test]
async fn keepalive_pings_in_silence_and_is_cut_off_without_pings() {
    let listener = tokio::net::TcpListener::bind(ANY_PORT).await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let client = start("keepalive", &["--connect", &address]);
    let mut server = BytePeer::accept_and_greet(&listener).await;
    server.expect(b"\x01\x00\x05\"one\"").await;
    server.send(b"\x01\x00\x05\"one\"").await;
    for _ in 0..3 {
        server.expect(b"\0").await;
        server.send(b"\0").await;
    }
    drop(client);

    let (_server, address) = start_server("keepalive").await;
    BytePeer::greeted(&address).await.expect_end().await;
}

#[tokio::test]
async fn reconnect_sends_a_string_in_json_and_sends_it_again_when_the_connection_is_lost() {
    let listener = tokio::net::TcpListener::bind(ANY_PORT).await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let client = start("reconnect", &["--connect", &address, "--seconds", "0"]);
    let mut server = BytePeer::accept_and_greet(&listener).await;
    server.expect(b"\x01\x00\x09\"message\"").await;
    drop(server);
    let mut server = BytePeer::accept_and_greet(&listener).await;
    server.expect(b"\x02\x00\x09\"message\"").await;
    server.send(b"\x02\x00\x09\"message\"").await;
    let ended = client.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let calls: Vec<_> = ended.lines.iter().filter(|line| !line.starts_with("connection ")).collect();
    assert_eq!(calls, [SENT_AGAIN, SENT], "{ended:?}");
}

#[tokio::test]
async fn reconnect_says_when_the_connection_is_lost_and_back_and_every_command_is_answered() {
    let (mut server, address) = start_server("reconnect").await;
    let mut client = start("reconnect", &["--connect", &address, "--seconds", "2"]);
    client.expect_line(SENT).await;
    server.kill();
    let lost = next_about_the_connection(&mut client).await;
    assert!(lost.starts_with("connection lost: "), "{lost}");
    let _server = Process::restart_server(built("reconnect"), &["--listen", &address], &address).await;
    assert_eq!(next_about_the_connection(&mut client).await, format!("connection back: {address}"));
    let ended = client.end().await;
    assert_eq!((ended.code, ended.lines.last().map(String::as_str)), (Some(0), Some(SENT)), "{ended:?}");
}

#[tokio::test]
async fn reconnect_waits_for_at_least_10_seconds_and_then_exits_with_1() {
    let listener = tokio::net::TcpListener::bind(ANY_PORT).await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let client = start("reconnect", &["--connect", &address, "--seconds", "0"]);
    let mut server = BytePeer::accept_and_greet(&listener).await;
    server.expect(&[1]).await;
    drop((server, listener));
    let lost_at = Instant::now();
    let ended = client.end().await;
    assert!(lost_at.elapsed() >= Duration::from_secs(10), "{ended:?}");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(!ended.lines.iter().any(|line| line == SENT), "{ended:?}");
}

#[tokio::test]
async fn resilient_gets_over_an_outage_and_its_breaker_refuses_meanwhile() {
    let (mut server, address) = start_server("resilient").await;
    let mut client = start("resilient", &["--connect", &address]);
    client.expect_line(RESILIENT[0]).await;
    server.kill();
    for line in &RESILIENT[1..5] {
        client.expect_line(line).await;
    }
    let _server = Process::restart_server(built("resilient"), &["--listen", &address], &address).await;
    client.expect_success(&RESILIENT[5..]).await;
}

#[tokio::test]
async fn resilient_sends_a_string_in_json() {
    let (_server, address) = start_server("resilient").await;
    let mut client = BytePeer::greeted(&address).await;
    client.send(b"\x01\x00\x09\"message\"").await;
    client.expect(b"\x01\x00\x09\"message\"").await;
}

#[cfg(unix)]
#[tokio::test]
async fn group_answers_what_a_server_has_begun_when_a_signal_ends_it() {
    let (server, address) = start_server("group").await;
    let mut client = BytePeer::greeted(&address).await;
    let commands: Vec<u8> = (1..=100).flat_map(|seq| [seq, 0, 1, b'2']).collect();
    client.send(&commands).await;
    let first = client.receive(4).await; // so all have arrived
    server.signal("TERM");
    let mut replies = [first, client.rest().await].concat();
    replies.as_chunks_mut::<4>().0.sort_unstable();
    let expected: Vec<u8> = (1..=100).flat_map(|seq| [seq, 0, 1, b'4']).collect();
    assert_eq!(replies, expected);
    server.expect_success(&[]).await;
}

#[cfg(unix)]
#[tokio::test]
async fn group_loses_no_call_when_servers_are_killed_or_end_by_a_signal_under_load() {
    let ((first, address), (mut second, other)) = (start_server("group").await, start_server("group").await);
    let mut client = start("group", &["--connect", &format!("{address},{other}"), "--seconds", "3"]);
    let (mut both, args) = ([&*address, &*other], ["--listen", &*address]);
    both.sort_unstable();
    let both = format!("served by {}", both.join(", "));
    while client.line().await != both {} // at first it may be only one

    first.signal("TERM");
    first.expect_success(&[]).await;
    client.expect_line(&format!("served by {other}")).await;
    let _first = Process::restart_server(built("group"), &args, &address).await;
    client.expect_line(&both).await;
    second.kill();
    client.expect_line(&format!("served by {address}")).await;
    client.expect_success(&["every call was answered"]).await;
}

/// The next line that is not about a Command.
async fn next_about_the_connection(client: &mut Process) -> String {
    loop {
        let line = client.line().await;
        if line != SENT && line != SENT_AGAIN {
            return line;
        }
    }
}

fn start(name: &str, args: &[&str]) -> Process {
    Process::start(built(name), args)
}

async fn start_server(name: &str) -> (Process, String) {
    start_server_with(name, &[]).await
}

async fn start_server_with(name: &str, args: &[&str]) -> (Process, String) {
    Process::start_server(built(name), &[&["--listen", ANY_PORT], args].concat()).await
}

/// A directory for the certificates of the example `tls`. It does not exist yet, and is removed in the end.
struct Certs(PathBuf);

impl Certs {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("cmd-stream-example-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    /// The options that an example needs to be one end.
    fn args(&self, name: &str) -> Vec<&str> {
        let path = self.0.to_str().expect("it is text");
        if name == "tls" { vec!["--certs", path] } else { vec![] }
    }
}

impl Drop for Certs {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Where cargo puts an example: `examples/NAME`, beside `deps/` with the tests.
fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of the test");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("a test is in `deps/`").join("examples");
    let example = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(example.exists(), "{} is not built: `cargo test -p examples` does that", example.display());
    example
}
