//! The golden vectors of whole connections, recorded between a Go client and a Go server. The bytes of the client are
//! played to our server, and those of the server to our client. The answers are compared with the recording, frame by
//! frame, in each Format. All runs in memory with a paused clock, so delays in the recordings take no time.

#[path = "../support/bodies.rs"]
mod bodies;
mod client;
mod server;

use bodies::{Codec, is_same_json};
use cmd_stream::proto::{Decoded, varint};
use cmd_stream::{ErrorKind, Origin, ServerInfo};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use testkit::peer::BytePeer;
use testkit::vectors::{Layout, files_of};
use testkit::{hex, unhex};
use tokio::io::DuplexStream;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Session {
    /// The Format of the session, named by the file.
    #[serde(skip)]
    codec: String,
    name: String,
    #[serde(rename = "description")]
    _description: String,
    server_info: String,
    #[serde(default)]
    client_options: ClientOptions,
    #[serde(default)]
    server_options: ServerOptions,
    #[serde(default)]
    raw_client: bool,
    #[serde(default)]
    raw_server: bool,
    connections: Vec<Connection>,
    outcome: Outcome,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ClientOptions {
    server_info: Option<String>,
    /// From one ping to the next.
    keepalive_interval_ms: Option<u64>,
    /// From the last Command to the first ping.
    keepalive_time_ms: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct ServerOptions {
    cmd_receive_duration_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Connection {
    client_to_server: String,
    server_to_client: String,
    client_to_server_frames: Vec<Frame>,
    server_to_client_frames: Vec<Frame>,
    #[serde(default)]
    exchange: Vec<Chunk>,
    closed_by: String,
}

/// What one side sent before the other side sent something.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chunk {
    from: Side,
    hex: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Side {
    Client,
    Server,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame {
    #[serde(rename = "offset")]
    _offset: usize,
    hex: String,
    frame: FrameKind,
    seq: Option<String>,
    r#type: Option<String>,
    value: Option<Value>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FrameKind {
    ServerInfo,
    Command,
    Result,
    Ping,
    Pong,
    Undecodable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outcome {
    server_conn_error: Option<String>,
    client_error: Option<String>,
    client_init_error: Option<String>,
    /// The error of a Command that was sent after the connection had ended.
    client_send_error: Option<String>,
    #[serde(default)]
    client_results: Vec<ClientResult>,
    #[serde(default)]
    client_unexpected_results: Vec<ClientResult>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientResult {
    /// Our callers do not see it.
    #[serde(rename = "bytes_read")]
    _bytes_read: Option<IgnoredAny>,
    last_one: Option<bool>,
    /// Absent where a Go sender hid it.
    seq: Option<String>,
    r#type: Option<String>,
    value: Option<Value>,
    error: Option<String>,
}

/// Returns the kind and origin of our error for the text that Go printed. The recordings have no codes for errors.
fn error_of(text: &str) -> (ErrorKind, Origin) {
    match text {
        "closed" => (ErrorKind::Closed, Origin::Local),
        "EOF" => (ErrorKind::Closed, Origin::Remote),
        "mus: overflow" => (ErrorKind::Decode, Origin::Remote),
        "cmdstream: server info mismatch" => (ErrorKind::ServerInfoMismatch, Origin::Remote),
        "intentional failure" => (ErrorKind::Execution, Origin::Local),
        "codecmuss: mus: wrong format" => (ErrorKind::Decode, Origin::Remote),
        _ if text.contains("unrecognized DTM") || text.contains("unexpected DTM") => {
            (ErrorKind::UnknownTag, Origin::Remote)
        }
        _ if text.contains("failed to unmarshal value") => (ErrorKind::Decode, Origin::Remote),
        _ if text.starts_with("codec") && text.ends_with("EOF") => (ErrorKind::UnexpectedEof, Origin::Remote),
        _ if text.ends_with("i/o timeout") => (ErrorKind::Timeout, Origin::Remote),
        _ => panic!("an error that no test knows: {text}"),
    }
}

fn kind_of(error: &cmd_stream::Error) -> (ErrorKind, Origin) {
    (error.kind(), error.origin())
}

fn sessions() -> Vec<Session> {
    let mut sessions = Vec::new();
    for file in files_of(Layout::Sessions) {
        let name = &file.name;
        let codec = file.content["codec"].as_str().unwrap_or_else(|| panic!("{name} does not say its codec"));
        for session in &file.vectors {
            let mut session =
                Session::deserialize(session).unwrap_or_else(|error| panic!("{name}: {error}: {session}"));
            session.codec = codec.to_owned();
            session.check_itself();
            sessions.push(session);
        }
    }
    sessions
}

impl Session {
    /// Checks that the copies of the same bytes in a session agree.
    fn check_itself(&self) {
        let name = &self.name;
        for connection in &self.connections {
            let joined = |frames: &[Frame]| frames.iter().map(|frame| &*frame.hex).collect::<String>();
            assert_eq!(joined(&connection.client_to_server_frames), connection.client_to_server, "{name}");
            assert_eq!(joined(&connection.server_to_client_frames), connection.server_to_client, "{name}");
            for side in [Side::Client, Side::Server] {
                let chunks = connection.exchange.iter().filter(|chunk| chunk.from == side);
                let said: String = chunks.map(|chunk| &*chunk.hex).collect();
                let whole = match side {
                    Side::Client => &connection.client_to_server,
                    Side::Server => &connection.server_to_client,
                };
                assert!(connection.exchange.is_empty() || said == *whole, "{name}: {side:?}");
            }
        }
    }

    fn server_info(&self) -> ServerInfo {
        ServerInfo::new(self.server_info.as_str()).expect("a server info")
    }
}

impl Connection {
    /// Returns the frames in the order in which they were sent. If the order was not recorded, it is the greeting, then
    /// the frames of the client, then those of the server.
    fn steps(&self) -> Vec<(Side, Frame)> {
        let (mut client, mut server) =
            (self.client_to_server_frames.iter(), self.server_to_client_frames.iter());
        let mut steps = Vec::new();
        for chunk in &self.exchange {
            let mut left = chunk.hex.as_str();
            while !left.is_empty() {
                let next = if chunk.from == Side::Client { client.next() } else { server.next() };
                let frame = next.expect("a chunk has frames");
                left = left.strip_prefix(frame.hex.as_str()).expect("a chunk ends where a frame ends");
                steps.push((chunk.from, frame.clone()));
            }
        }
        steps.extend(server.next().map(|greeting| (Side::Server, greeting.clone())));
        steps.extend(client.map(|frame| (Side::Client, frame.clone())));
        steps.extend(server.map(|frame| (Side::Server, frame.clone())));
        assert!(
            steps.first().is_some_and(|(_, frame)| frame.frame == FrameKind::ServerInfo),
            "the server greets first"
        );
        steps
    }
}

/// Receives a frame and compares it with the recorded one: bytes with bytes, but JSON bodies by their values.
async fn expect_frame<C: Codec>(peer: &mut BytePeer<DuplexStream>, recorded: &Frame, context: &str) {
    let expected = unhex(&recorded.hex);
    let has_body = !matches!(recorded.frame, FrameKind::ServerInfo | FrameKind::Ping | FrameKind::Pong);
    if !has_body || !C::IS_JSON {
        peer.expect(&expected).await;
        return;
    }
    let mut head = receive_number(peer).await.0;
    head.extend(receive_number(peer).await.0);
    let (_, length) = receive_number(peer).await;
    let body = peer.receive(length.try_into().expect("a short body")).await;
    assert!(expected.starts_with(&head), "{context}: {} instead of {}", hex(&head), recorded.hex);
    let Decoded::Value(length, taken) = varint::decode_length(&expected[head.len()..]) else {
        panic!("{context}: {}", recorded.hex)
    };
    let expected = &expected[head.len() + taken..];
    assert_eq!(length, expected.len() as u64, "{context}: {}", recorded.hex);
    assert!(
        is_same_json(&body, expected),
        "{context}: {} instead of {}",
        body.escape_ascii(),
        expected.escape_ascii()
    );
}

async fn receive_number(peer: &mut BytePeer<DuplexStream>) -> (Vec<u8>, u64) {
    let mut bytes = Vec::new();
    loop {
        bytes.extend(peer.receive(1).await);
        match varint::decode::<u64>(&bytes) {
            Decoded::Value(number, _) => return (bytes, number),
            Decoded::Incomplete(_) => {}
            Decoded::Invalid(error) => panic!("{error}"),
        }
    }
}

/// What is seldom recorded is among the sessions, in each Format that has it.
#[test]
fn there_are_sessions_with_pings_and_sessions_with_two_connections() {
    let sessions = sessions();
    let pings = |session: &&Session| {
        let mut frames =
            session.connections.iter().flat_map(|connection| &connection.client_to_server_frames);
        frames.any(|frame| frame.frame == FrameKind::Ping)
    };
    let reconnects = |session: &&Session| session.connections.len() > 1;
    assert!(sessions.iter().filter(|session| !session.raw_client).filter(pings).count() >= 3);
    assert!(sessions.iter().filter(|session| !session.raw_client).filter(reconnects).count() >= 2);
}

/// Shows that the players can fail: each change to a good session is noticed.
#[tokio::test(start_paused = true)]
async fn a_session_that_was_changed_fails() {
    type Change = fn(&mut Session);
    let changes: [(&str, &str, &str, Change, [bool; 2]); 23] = [
        ("nothing", "json", "server_streaming", |_| {}, [true, true]),
        (
            "ours greets with another info",
            "json",
            "handshake_only",
            |s| s.server_info = "other".into(),
            [false, false],
        ),
        (
            "a result fewer",
            "json",
            "server_streaming",
            |s| drop(s.outcome.client_results.pop()),
            [true, false],
        ),
        (
            "results in another order",
            "json",
            "pipelined_out_of_order",
            |s| s.outcome.client_results.swap(0, 2),
            [true, false],
        ),
        (
            "another value",
            "json",
            "server_streaming",
            |s| s.outcome.client_results[5].value.as_mut().expect("a value")["Int64"] = 7.into(),
            [true, false],
        ),
        (
            "a last one more",
            "json",
            "server_streaming",
            |s| s.outcome.client_results[0].last_one = Some(true),
            [true, false],
        ),
        (
            "a command more",
            "json",
            "trace_cmd",
            |s| {
                let steps = &mut s.connections[0];
                steps.exchange.clear();
                steps.client_to_server_frames.push(steps.client_to_server_frames[0].clone());
            },
            [false, false],
        ),
        (
            "frames of the server in another order",
            "json",
            "pipelined_out_of_order",
            |s| s.connections[0].server_to_client_frames.swap(1, 3),
            [false, false],
        ),
        (
            "the server's error",
            "json",
            "bad_body",
            |s| s.outcome.server_conn_error = Some("EOF".into()),
            [false, true],
        ),
        (
            "no timeout",
            "json",
            "receive_timeout",
            |s| s.server_options.cmd_receive_duration_ms = None,
            [false, true],
        ),
        (
            "the client's error",
            "json",
            "client_conn_lost_mid_frame",
            |s| s.outcome.client_error = Some("EOF".into()),
            [true, false],
        ),
        (
            "nothing unexpected",
            "json",
            "client_result_after_last",
            |s| s.outcome.client_unexpected_results.clear(),
            [true, false],
        ),
        ("nothing", "protobuf", "unary_echo_twice", |_| {}, [true, true]),
        (
            "another value",
            "protobuf",
            "unary_echo_twice",
            |s| s.outcome.client_results[1].value.as_mut().expect("a value")["R"] = "6".into(),
            [true, false],
        ),
        (
            "another byte of the client",
            "protobuf",
            "client_unexpected_seq",
            |s| s.connections[0].client_to_server_frames[0].hex.replace_range(8.., "0b"),
            [true, false],
        ),
        (
            "another error of the server",
            "mus",
            "failing_command",
            |s| s.outcome.server_conn_error = Some("closed".into()),
            [false, true],
        ),
        (
            "another error of a later call",
            "mus",
            "failing_command",
            |s| s.outcome.client_send_error = Some("mus: overflow".into()),
            [true, false],
        ),
        (
            "another value",
            "mus",
            "trace_cmd",
            |s| s.outcome.client_results[0].value.as_mut().expect("a value")["Int64"] = 7.into(),
            [true, false],
        ),
        ("nothing", "json", "keepalive_ping_pong", |_| {}, [true, true]),
        (
            "no keepalive",
            "json",
            "keepalive_ping_pong",
            |s| s.client_options = ClientOptions::default(),
            [true, false],
        ),
        ("nothing", "mus", "reconnect", |_| {}, [true, true]),
        (
            "the seq begins anew on the second connection",
            "mus",
            "reconnect",
            |s| {
                let steps = &mut s.connections[1];
                steps.exchange.clear();
                steps.client_to_server_frames[0].hex.replace_range(..2, "01");
            },
            [false, false],
        ),
        (
            "no second connection",
            "mus",
            "reconnect",
            |s| {
                s.outcome.client_error = Some("EOF".into());
                s.connections.truncate(1);
            },
            [true, false],
        ),
    ];
    for (change, codec, name, apply, [server_passes, client_passes]) in changes {
        let changed = move || {
            let is_it = |session: &Session| session.codec == codec && session.name == name;
            let mut session = sessions().into_iter().find(is_it).expect(name);
            apply(&mut session);
            session
        };
        let server = tokio::spawn(async move {
            let session = changed();
            if !session.raw_server {
                server::play(&session).await;
            }
        });
        assert_eq!(server.await.is_ok(), server_passes, "{change} in {codec}, {name}, played to the server");
        let client = tokio::spawn(async move {
            let session = changed();
            if !session.raw_client {
                client::play(&session).await;
            }
        });
        assert_eq!(client.await.is_ok(), client_passes, "{change} in {codec}, {name}, played to the client");
    }
}
