//! The golden vectors of whole connections, recorded between a Go client and a Go server. What the client said is played
//! to our server, and what the server said to our client; what ours answers is compared with the recording, frame by
//! frame. In memory and on a paused clock, so that the delays in the recordings cost nothing and cannot be missed.

use std::time::Duration;

use cmd_stream::format::Encode;
use cmd_stream::proto::{Decoded, varint};
use cmd_stream::protocol::CommandOf;
use cmd_stream::server::{Limits, LostConnection};
use cmd_stream::transport::{Accept as _, Connect as _, memory};
use cmd_stream::{Client, Command, ErrorKind, Json, Origin, Reply, Server, ServerInfo, protocol};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use testkit::peer::BytePeer;
use testkit::sample::{
    DelayCmd, DelayResult, EchoCmd, EchoResult, FailCmd, Sample, Service, StreamCmd, StreamResult, TraceCmd,
};
use testkit::wait::within;
use testkit::{hex, unhex};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

#[path = "support/bodies.rs"]
mod bodies;
#[path = "support/vectors.rs"]
mod vectors;

use bodies::{Body, is_same_json};
use vectors::{Layout, files_of};

/// What our client does not do yet in a session: it sends no pings. It must be seen not to, or this table is stale.
const CLIENT_WAITS_FOR_KEEP_ALIVE: [&str; 1] = ["keepalive_ping_pong"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Session {
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
    // Those of keepalive: when pings would be sent.
    #[serde(rename = "keepalive_interval_ms")]
    _keepalive_interval_ms: Option<u64>,
    #[serde(rename = "keepalive_time_ms")]
    _keepalive_time_ms: Option<u64>,
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

/// What one side said before the other said something.
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
    #[serde(default)]
    client_results: Vec<ClientResult>,
    #[serde(default)]
    client_unexpected_results: Vec<ClientResult>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientResult {
    /// A caller of ours does not see it.
    #[serde(rename = "bytes_read")]
    _bytes_read: Option<IgnoredAny>,
    last_one: Option<bool>,
    /// Absent where a sender hid it.
    seq: Option<String>,
    r#type: Option<String>,
    value: Option<Value>,
    error: Option<String>,
}

/// The kind and origin that an error has here, by what Go printed: the recordings have no code for it.
fn error_of(text: &str) -> (ErrorKind, Origin) {
    match text {
        "closed" => (ErrorKind::Closed, Origin::Local),
        "EOF" => (ErrorKind::Closed, Origin::Remote),
        "mus: overflow" => (ErrorKind::Decode, Origin::Remote),
        "cmdstream: server info mismatch" => (ErrorKind::ServerInfoMismatch, Origin::Remote),
        _ if text.contains("unrecognized DTM") => (ErrorKind::UnknownTag, Origin::Remote),
        _ if text.contains("failed to unmarshal value") => (ErrorKind::Decode, Origin::Remote),
        _ if text.ends_with("unexpected EOF") => (ErrorKind::UnexpectedEof, Origin::Remote),
        _ if text.ends_with("i/o timeout") => (ErrorKind::Timeout, Origin::Remote),
        _ => panic!("an error that no test knows: {text}"),
    }
}

fn kind_of(error: &cmd_stream::Error) -> (ErrorKind, Origin) {
    (error.kind(), error.origin())
}

fn sessions() -> Vec<Session> {
    let mut sessions = Vec::new();
    for (name, file) in files_of(Layout::Sessions) {
        assert_eq!(file["codec"], "json", "{name}: a codec that no test knows");
        for session in file["sessions"].as_array().expect("a list of sessions") {
            let session =
                Session::deserialize(session).unwrap_or_else(|error| panic!("{name}: {error}: {session}"));
            session.check_itself();
            sessions.push(session);
        }
    }
    sessions
}

impl Session {
    /// The same bytes stand in it up to three times.
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
    /// The frames in the order in which they went over the connection: as it was observed, or else as it must have
    /// been, first the greeting, then the client, then the server.
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

/// Receives a frame and compares it with a recorded one: seq and tag are to be the same bytes, the body the same JSON.
async fn expect_frame(peer: &mut BytePeer<DuplexStream>, recorded: &Frame, context: &str) {
    let expected = unhex(&recorded.hex);
    if matches!(recorded.frame, FrameKind::ServerInfo | FrameKind::Ping | FrameKind::Pong) {
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

#[tokio::test(start_paused = true)]
async fn our_server_answers_each_recorded_client_as_the_recorded_server_did() {
    for session in sessions().iter().filter(|session| !session.raw_server) {
        play_to_server(session).await;
    }
}

async fn play_to_server(session: &Session) {
    let name = &session.name;
    let (connector, listener) = memory::pair();
    let (lost, mut losses) = mpsc::unbounded_channel::<LostConnection>();
    let idle = session.server_options.cmd_receive_duration_ms.map(Duration::from_millis);
    let server = Server::builder(Sample, Json, Service)
        .server_info(session.server_info())
        .limits(Limits::default().idle(idle))
        .on_connection_lost(move |connection| drop(lost.send(connection.clone())))
        .listen(listener)
        .expect("it listens");
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());

    for connection in &session.connections {
        let mut peer = BytePeer::over(connector.connect().await.expect("it accepts").0);
        for (from, frame) in connection.steps() {
            match from {
                Side::Client => peer.send_hex(&frame.hex).await,
                Side::Server => expect_frame(&mut peer, &frame, name).await,
            }
        }
        match &*connection.closed_by {
            "client" => peer.finish().await,
            "server" => {}
            other => panic!("{name}: closed by what no test knows: {other}"),
        }
        peer.expect_end().await;
        let lost = within(losses.recv()).await.expect("the callback is called");
        let expected = session.outcome.server_conn_error.as_deref().expect("the real server's end");
        assert_eq!(kind_of(&lost.reason), error_of(expected), "{name}: {} for {expected}", lost.reason);
    }
    handle.close();
    within(serving).await.expect("serve does not panic");
    assert!(losses.recv().await.is_none(), "{name}: one call of the callback for each connection");
}

/// In Go any Reply can answer any Command. For our client that is said in the Protocol.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Any<C>(C);

impl<C: Command> Command for Any<C> {
    type Reply = AnyReply;
}

enum AnyReply {
    Echo(EchoResult),
    Stream(StreamResult),
    Delay(DelayResult),
}

protocol! {
    struct Recorded {
        commands {
            0 => Any<EchoCmd> as AnyEchoCmd,
            1 => Any<StreamCmd> as AnyStreamCmd,
            2 => Any<FailCmd> as AnyFailCmd,
            3 => Any<DelayCmd> as AnyDelayCmd,
            4 => Any<TraceCmd<EchoCmd>> as AnyTraceCmd,
        }
        replies { 0 => EchoResult, 1 => StreamResult, 2 => DelayResult }
        enum AnyReply { Echo(EchoResult), Stream(StreamResult), Delay(DelayResult) }
    }
}

/// What the application of our client sees.
enum Event {
    Reply { seq: String, body: Body, is_last: bool },
    Unexpected { seq: String, body: Body },
    Failed { seq: String, error: cmd_stream::Error },
}

/// Sends a Command, and reports all that comes back for it.
async fn call<C>(
    client: Client<Recorded, Json>,
    command: C,
    seq: String,
    events: mpsc::UnboundedSender<Event>,
) where
    Any<C>: CommandOf<Recorded, Reply = AnyReply>,
    Json: Encode<Any<C>>,
{
    let mut replies = client.stream(Any(command)).await.expect("the command is sent");
    drop(client);
    while let Some(reply) = replies.next().await {
        let seq = seq.clone();
        let event = match reply {
            Ok(AnyReply::Echo(reply)) => {
                Event::Reply { seq, is_last: reply.is_last(), body: Body::EchoResult(reply) }
            }
            Ok(AnyReply::Stream(reply)) => {
                Event::Reply { seq, is_last: reply.is_last(), body: Body::StreamResult(reply) }
            }
            Ok(AnyReply::Delay(reply)) => {
                Event::Reply { seq, is_last: reply.is_last(), body: Body::DelayResult(reply) }
            }
            Err(error) => Event::Failed { seq, error },
        };
        let _ = events.send(event);
    }
}

/// Starts the call of a recorded Command.
fn start_call(client: &Client<Recorded, Json>, frame: &Frame, events: &mpsc::UnboundedSender<Event>) {
    let (client, events) = (client.clone(), events.clone());
    let seq = frame.seq.clone().expect("a command has a seq");
    match body_of(frame.r#type.as_deref(), frame.value.as_ref()) {
        Body::EchoCmd(command) => drop(tokio::spawn(call(client, command, seq, events))),
        Body::StreamCmd(command) => drop(tokio::spawn(call(client, command, seq, events))),
        Body::FailCmd(command) => drop(tokio::spawn(call(client, command, seq, events))),
        Body::DelayCmd(command) => drop(tokio::spawn(call(client, command, seq, events))),
        Body::TraceEchoCmd(command) => drop(tokio::spawn(call(client, command, seq, events))),
        reply => panic!("no command: {reply:?}"),
    }
}

fn body_of(type_name: Option<&str>, value: Option<&Value>) -> Body {
    let (type_name, value) = (type_name.expect("a type"), value.expect("a value"));
    Body::of_vector(type_name, value).unwrap_or_else(|| panic!("a type that no test knows: {type_name}"))
}

/// What the recorded application saw must be what ours sees.
fn assert_same(seen: &Event, recorded: &ClientResult, context: &str) {
    let same_seq = |seq: &String| {
        assert!(recorded.seq.as_ref().is_none_or(|other| other == seq), "{context}: seq {seq}")
    };
    match seen {
        Event::Reply { seq, body, .. } | Event::Unexpected { seq, body } => {
            same_seq(seq);
            let expected = body_of(recorded.r#type.as_deref(), recorded.value.as_ref());
            assert_eq!(*body, expected, "{context}");
            if let Event::Reply { is_last, .. } = seen {
                assert!(recorded.last_one.is_none_or(|last| last == *is_last), "{context}: {body:?}");
            }
        }
        Event::Failed { seq, error } => {
            same_seq(seq);
            let text = recorded.error.as_deref().unwrap_or_else(|| panic!("{context}: {error}"));
            assert_eq!(kind_of(error), error_of(text), "{context}: {error} for {text}");
            assert!(error.was_sent(), "{context}: {error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn our_client_says_and_sees_what_each_recorded_client_did() {
    for session in sessions().iter().filter(|session| !session.raw_client) {
        play_to_client(session).await;
    }
}

async fn play_to_client(session: &Session) {
    let name = &session.name;
    let [connection] = &*session.connections else {
        panic!("{name}: no test knows a client that reconnects")
    };
    let (connector, mut listener) = memory::pair();
    let (events, mut seen) = mpsc::unbounded_channel();
    let info = session.client_options.server_info.as_ref().unwrap_or(&session.server_info);
    let builder = Client::builder(Recorded, Json)
        .server_info(ServerInfo::new(info.as_str()).expect("a server info"))
        .on_unexpected_reply({
            let events = events.clone();
            move |seq, reply| {
                let body = match reply {
                    RecordedReply::EchoResult(reply) => Body::EchoResult(reply),
                    RecordedReply::StreamResult(reply) => Body::StreamResult(reply),
                    RecordedReply::DelayResult(reply) => Body::DelayResult(reply),
                };
                let _ = events.send(Event::Unexpected { seq: seq.to_string(), body });
            }
        });
    let steps = connection.steps();
    let ((_, greeting), steps) = steps.split_first().expect("it begins with the greeting");
    let (client, mut peer) = tokio::join!(builder.connect_by(&connector), async {
        let mut peer = BytePeer::over(listener.accept().await.expect("it listens").0);
        peer.send_hex(&greeting.hex).await;
        peer
    });
    let client = match (client, &session.outcome.client_init_error) {
        (Ok(client), None) => client,
        (Err(error), Some(text)) => {
            assert_eq!(kind_of(&error), error_of(text), "{name}: {error} for {text}");
            return peer.expect_end().await;
        }
        (connected, expected) => panic!("{name}: {connected:?} for {expected:?}"),
    };

    let (mut results, mut unexpected) = (Vec::new(), Vec::new());
    let mut take = |event: Event| match event {
        Event::Unexpected { .. } => unexpected.push(event),
        event => results.push(event),
    };
    for (from, frame) in steps {
        match (from, frame.frame) {
            (Side::Client, FrameKind::Ping) if CLIENT_WAITS_FOR_KEEP_ALIVE.contains(&name.as_str()) => {
                let ping = timeout(Duration::from_secs(10), peer.receive(1)).await;
                assert!(
                    ping.is_err(),
                    "{name}: the client pings now, so that the table of exceptions is stale"
                );
            }
            (Side::Client, FrameKind::Ping) => expect_frame(&mut peer, frame, name).await,
            (Side::Client, FrameKind::Command) => {
                start_call(&client, frame, &events);
                expect_frame(&mut peer, frame, name).await;
            }
            (Side::Server, FrameKind::Result) => {
                peer.send_hex(&frame.hex).await;
                take(within(seen.recv()).await.expect("a reply is seen"));
            }
            (Side::Server, FrameKind::Pong | FrameKind::Undecodable) => peer.send_hex(&frame.hex).await,
            (from, kind) => panic!("{name}: no test knows a {kind:?} of the {from:?} here"),
        }
    }
    match &*connection.closed_by {
        "client" | "client (by the test)" => client.close(),
        "client (decode error)" => {}
        "server" => peer.finish().await,
        other => panic!("{name}: closed by what no test knows: {other}"),
    }
    let reason = within(client.closed()).await;
    if let Some(text) = &session.outcome.client_error {
        assert_eq!(kind_of(&reason), error_of(text), "{name}: {reason} for {text}");
    }
    peer.expect_end().await;
    drop((client, events));
    while let Some(event) = within(seen.recv()).await {
        take(event);
    }

    for (seen, recorded) in [
        (&results, &session.outcome.client_results),
        (&unexpected, &session.outcome.client_unexpected_results),
    ] {
        assert_eq!(seen.len(), recorded.len(), "{name}: how many are seen");
        seen.iter().zip(recorded).for_each(|(seen, recorded)| assert_same(seen, recorded, name));
    }
}

#[test]
fn the_table_of_exceptions_names_sessions_that_exist() {
    let sessions = sessions();
    for name in CLIENT_WAITS_FOR_KEEP_ALIVE {
        let session = sessions.iter().find(|session| session.name == name).expect(name);
        let pings = |frame: &Frame| frame.frame == FrameKind::Ping;
        assert!(
            session.connections.iter().any(|connection| connection.client_to_server_frames.iter().any(pings))
        );
    }
}

/// The players themselves must be able to fail: each change of a good session is noticed.
#[tokio::test(start_paused = true)]
async fn a_session_that_does_not_hold_fails() {
    type Change = fn(&mut Session);
    let changes: [(&str, &str, Change, [bool; 2]); 12] = [
        ("nothing", "server_streaming", |_| {}, [true, true]),
        (
            "ours greets with another info",
            "handshake_only",
            |s| s.server_info = "other".into(),
            [false, false],
        ),
        ("a result fewer", "server_streaming", |s| drop(s.outcome.client_results.pop()), [true, false]),
        (
            "results in another order",
            "pipelined_out_of_order",
            |s| s.outcome.client_results.swap(0, 2),
            [true, false],
        ),
        (
            "another value",
            "server_streaming",
            |s| s.outcome.client_results[5].value.as_mut().expect("a value")["Int64"] = 7.into(),
            [true, false],
        ),
        (
            "a last one more",
            "server_streaming",
            |s| s.outcome.client_results[0].last_one = Some(true),
            [true, false],
        ),
        (
            "a command more",
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
            "pipelined_out_of_order",
            |s| s.connections[0].server_to_client_frames.swap(1, 3),
            [false, false],
        ),
        (
            "the server's error",
            "bad_body",
            |s| s.outcome.server_conn_error = Some("EOF".into()),
            [false, true],
        ),
        ("no timeout", "receive_timeout", |s| s.server_options.cmd_receive_duration_ms = None, [false, true]),
        (
            "the client's error",
            "client_conn_lost_mid_frame",
            |s| s.outcome.client_error = Some("EOF".into()),
            [true, false],
        ),
        (
            "nothing unexpected",
            "client_result_after_last",
            |s| s.outcome.client_unexpected_results.clear(),
            [true, false],
        ),
    ];
    for (change, name, apply, [server_passes, client_passes]) in changes {
        let changed = move || {
            let mut session = sessions().into_iter().find(|session| session.name == name).expect(name);
            apply(&mut session);
            session
        };
        let server = tokio::spawn(async move {
            let session = changed();
            if !session.raw_server {
                play_to_server(&session).await;
            }
        });
        assert_eq!(server.await.is_ok(), server_passes, "{change} in {name}, played to the server");
        let client = tokio::spawn(async move {
            let session = changed();
            if !session.raw_client {
                play_to_client(&session).await;
            }
        });
        assert_eq!(client.await.is_ok(), client_passes, "{change} in {name}, played to the client");
    }
}
