//! The golden vectors of whole connections, recorded between a Go client and a Go server. What the client said is played
//! to our server, and what the server said to our client; what ours answers is compared with the recording, frame by
//! frame, in each Format. In memory and on a paused clock, so that the delays in the recordings cost nothing and cannot be missed.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::time::Duration;

use cmd_stream::format::{Decode, Encode, EncodeError, Format};
use cmd_stream::proto::Tag;
use cmd_stream::proto::{Decoded, varint};
use cmd_stream::protocol::kind::Plain;
use cmd_stream::protocol::{ClientProtocol, CommandOf, Protocol, ReplyOf};
use cmd_stream::server::Limits;
use cmd_stream::transport::{Accept as _, Connect as _, memory};
use cmd_stream::{CallError, Client, Command, ErrorKind, Origin, Server, ServerInfo, protocol};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use testkit::peer::BytePeer;
use testkit::sample::Service;
use testkit::wait::within;
use testkit::{hex, unhex};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

#[path = "support/bodies.rs"]
mod bodies;
#[path = "support/vectors.rs"]
mod vectors;

use bodies::{Body as _, Codec, for_each_codec, is_same_json, with_codec};
use vectors::{Layout, files_of};

/// What our client does not do yet in a session: it sends no pings. It must be seen not to, or this table is stale.
const CLIENT_WAITS_FOR_KEEP_ALIVE: [&str; 1] = ["keepalive_ping_pong"];

/// Nor does it connect again. Only the first connection of these is played to it.
const CLIENT_WAITS_FOR_RECONNECTING: [&str; 1] = ["reconnect"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Session {
    /// Which Format it is in; said by the file.
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
    /// That of a Command that was sent when the connection had ended.
    client_send_error: Option<String>,
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
    for (name, file) in files_of(Layout::Sessions) {
        let codec = file["codec"].as_str().unwrap_or_else(|| panic!("{name} does not say its codec"));
        for session in file["sessions"].as_array().expect("a list of sessions") {
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

/// Receives a frame and compares it with a recorded one: it is to be the same bytes, but for the body if that is JSON,
/// which is to be the same value.
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

#[tokio::test(start_paused = true)]
async fn our_server_answers_each_recorded_client_as_the_recorded_server_did() {
    for session in sessions().iter().filter(|session| !session.raw_server) {
        with_codec!(session.codec, C => play_to_server::<C>(session).await);
    }
}

async fn play_to_server<C: Codec>(session: &Session) {
    let name = &session.name;
    let (connector, listener) = memory::pair();
    let (reason, mut reasons) = mpsc::unbounded_channel();
    let idle = session.server_options.cmd_receive_duration_ms.map(Duration::from_millis);
    let server = Server::builder(C::Protocol::default(), C::FORMAT, Service)
        .server_info(session.server_info())
        .limits(Limits::default().idle(idle))
        .on_connection_lost(move |lost| drop(reason.send(lost.reason.clone())))
        .listen(listener)
        .expect("it listens");
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());

    for connection in &session.connections {
        let mut peer = BytePeer::over(connector.connect().await.expect("it accepts").0);
        for (from, frame) in connection.steps() {
            match from {
                Side::Client => peer.send_hex(&frame.hex).await,
                Side::Server => expect_frame::<C>(&mut peer, &frame, name).await,
            }
        }
        let expected = session.outcome.server_conn_error.as_deref().expect("the real server's end");
        match &*connection.closed_by {
            "client" => peer.finish().await,
            // It was cut between the two, and the server saw its client leave.
            "server" if expected == "EOF" => peer.finish().await,
            "server" => {}
            other => panic!("{name}: closed by what no test knows: {other}"),
        }
        peer.expect_end().await;
        let reason = within(reasons.recv()).await.expect("the callback is called");
        assert_eq!(kind_of(&reason), error_of(expected), "{name}: {reason:#} for {expected}");
    }
    handle.close();
    within(serving).await.expect("serve does not panic");
    assert!(reasons.recv().await.is_none(), "{name}: one call of the callback for each connection");
}

/// In Go any Reply can answer any Command. For our client that is said in a Protocol of its own, in which each Command
/// is answered with `R`, an enum over all Replies.
struct Any<T, R>(T, PhantomData<fn() -> R>);

impl<T: Command, R: Send + 'static> Command for Any<T, R> {
    type Reply = R;
    type Kind = Plain;
}

/// A Format in which an [`Any`] stands as what is in it.
#[derive(Clone, Copy, Debug)]
struct Transparent<F>(F);

impl<F: Format> Format for Transparent<F> {
    const NAME: &str = F::NAME;
    type Progress = F::Progress;

    fn encode_tag(&self, tag: Tag, out: &mut Vec<u8>) {
        self.0.encode_tag(tag, out);
    }

    fn decode_tag(&self, bytes: &[u8]) -> Decoded<Tag> {
        self.0.decode_tag(bytes)
    }
}

impl<F: Encode<T>, T, R> Encode<Any<T, R>> for Transparent<F> {
    fn encode(&self, value: &Any<T, R>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.0.encode(&value.0, out)
    }
}

impl<F: Decode<T>, T> Decode<T> for Transparent<F> {
    fn decode(&self, bytes: &[u8], progress: &mut F::Progress) -> Decoded<T> {
        self.0.decode(bytes, progress)
    }
}

/// The client's side of the sample service in a Format.
trait Played: Codec {
    /// The Protocol in which any Reply can answer any Command.
    type Recorded: ClientProtocol<Transparent<Self::Format>, Failure = Infallible> + Default;
    /// An enum over its Replies.
    type AnyReply: ReplyOf<Self::Recorded>;

    /// The value of a Reply.
    fn body(reply: <Self::Recorded as Protocol>::Reply) -> Self::Body;
    /// Starts the call of a Command.
    fn start(call: Call<Self>, command: Self::Body);
}

macro_rules! played {
    (
        $module:ident: $format:ident, $($sample:ident)::+,
        commands { $( $command_tag:literal => $command:ty as $command_name:ident ),+ $(,)? }
        replies { $( $reply_tag:literal => $reply:ident ),+ $(,)? }
    ) => {
        mod $module {
            use $($sample)::+::*;

            use super::*;
            use crate::bodies::$module::{Body, Codec};

            protocol! {
                pub(super) struct Recorded {
                    commands { $( $command_tag => Any<$command, AnyReply> as $command_name ),+ }
                    replies { $( $reply_tag => $reply ),+ }
                    enum AnyReply { $( $reply($reply) ),+ }
                    failure close_connection
                }
            }

            #[allow(clippy::enum_variant_names, reason = "named after the Replies")]
            pub(super) enum AnyReply {
                $( $reply($reply) ),+
            }

            impl Played for Codec {
                type Recorded = Recorded;
                type AnyReply = AnyReply;

                fn body(reply: RecordedReply) -> Body {
                    match reply {
                        $( RecordedReply::$reply(reply) => Body::$reply(reply), )+
                    }
                }

                fn start(call: Call<Self>, command: Body) {
                    match command {
                        $( Body::$command_name(command) => drop(tokio::spawn(call.run(command))), )+
                        reply => panic!("no command: {reply:?}"),
                    }
                }
            }
        }
    };
}
for_each_codec!(played);

/// What the application of our client sees.
enum Event<B> {
    Reply { seq: String, body: B, is_last: bool },
    Unexpected { seq: String, body: B },
    Failed { seq: String, error: cmd_stream::Error },
    NotSent { error: cmd_stream::Error },
}

/// A call of a Command.
struct Call<C: Played + ?Sized> {
    client: Client<C::Recorded, Transparent<C::Format>>,
    seq: String,
    events: mpsc::UnboundedSender<Event<C::Body>>,
}

impl<C: Played> Call<C> {
    /// Sends the Command, and reports all that comes back for it.
    async fn run<T>(self, command: T)
    where
        Any<T, C::AnyReply>: CommandOf<C::Recorded, Reply = C::AnyReply, Kind = Plain>,
        C::Format: Encode<T>,
    {
        let Self { client, seq, events } = self;
        let replies = client.stream(Any(command, PhantomData)).await;
        drop(client);
        let mut replies = match replies {
            Ok(replies) => replies,
            Err(error) => return drop(events.send(Event::NotSent { error })),
        };
        while let Some(reply) = replies.next().await {
            let seq = seq.clone();
            let event = match reply {
                Ok(reply) => {
                    let reply = reply.into_reply().expect("the command is not one-way");
                    let is_last = C::Recorded::is_last(&reply);
                    Event::Reply { seq, body: C::body(reply), is_last }
                }
                Err(CallError::Other(error)) => Event::Failed { seq, error },
            };
            let _ = events.send(event);
        }
    }
}

fn body_of<C: Codec>(type_name: Option<&str>, value: Option<&Value>) -> C::Body {
    let (type_name, value) = (type_name.expect("a type"), value.expect("a value"));
    C::Body::of_vector(type_name, value).unwrap_or_else(|| panic!("a type that no test knows: {type_name}"))
}

/// What the recorded application saw must be what ours sees.
fn assert_same<C: Codec>(seen: &Event<C::Body>, recorded: &ClientResult, context: &str) {
    let same_seq = |seq: &String| {
        assert!(recorded.seq.as_ref().is_none_or(|other| other == seq), "{context}: seq {seq}")
    };
    match seen {
        Event::Reply { seq, body, .. } | Event::Unexpected { seq, body } => {
            same_seq(seq);
            let expected = body_of::<C>(recorded.r#type.as_deref(), recorded.value.as_ref());
            assert_eq!(*body, expected, "{context}");
            if let Event::Reply { is_last, .. } = seen {
                assert!(recorded.last_one.is_none_or(|last| last == *is_last), "{context}: {body:?}");
            }
        }
        Event::Failed { seq, error } => {
            same_seq(seq);
            let text = recorded.error.as_deref().unwrap_or_else(|| panic!("{context}: {error:#}"));
            assert_eq!(kind_of(error), error_of(text), "{context}: {error:#} for {text}");
            assert!(error.was_sent(), "{context}: {error:#}");
        }
        Event::NotSent { error } => panic!("{context}: {error:#}"),
    }
}

/// Go says that the client is closed, ours why it is.
fn assert_not_sent(error: &cmd_stream::Error, text: &str) {
    assert_eq!(
        (error.kind(), error_of(text).0, error.was_sent()),
        (ErrorKind::Closed, ErrorKind::Closed, false)
    );
}

#[tokio::test(start_paused = true)]
async fn our_client_says_and_sees_what_each_recorded_client_did() {
    for session in sessions().iter().filter(|session| !session.raw_client) {
        with_codec!(session.codec, C => play_to_client::<C>(session).await);
    }
}

async fn play_to_client<C: Played>(session: &Session) {
    let name = &session.name;
    let waits_for_reconnecting = CLIENT_WAITS_FOR_RECONNECTING.contains(&name.as_str());
    let connection = match &*session.connections {
        [connection] => connection,
        [connection, ..] if waits_for_reconnecting => connection,
        _ => panic!("{name}: no test knows a client that reconnects"),
    };
    let (connector, mut listener) = memory::pair();
    let (events, mut seen) = mpsc::unbounded_channel();
    let info = session.client_options.server_info.as_ref().unwrap_or(&session.server_info);
    let builder = Client::builder(C::Recorded::default(), Transparent(C::FORMAT))
        .server_info(ServerInfo::new(info.as_str()).expect("a server info"))
        .on_unexpected_reply({
            let events = events.clone();
            move |seq, reply| {
                let body = C::body(reply);
                let _ = events.send(Event::Unexpected { seq: seq.to_string(), body });
            }
        });
    let steps = connection.steps();
    let ((_, greeting), steps) = steps.split_first().expect("it begins with the greeting");
    let (client, mut peer) = tokio::join!(builder.connect_by(connector), async {
        let mut peer = BytePeer::over(listener.accept().await.expect("it listens").0);
        peer.send_hex(&greeting.hex).await;
        peer
    });
    let client = match (client, &session.outcome.client_init_error) {
        (Ok(client), None) => client,
        (Err(error), Some(text)) => {
            assert_eq!(kind_of(&error), error_of(text), "{name}: {error:#} for {text}");
            return peer.expect_end().await;
        }
        (connected, expected) => panic!("{name}: {connected:?} for {expected:?}"),
    };

    let (mut results, mut unexpected) = (Vec::new(), Vec::new());
    let mut take = |event: Event<C::Body>| match event {
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
            (Side::Client, FrameKind::Ping) => expect_frame::<C>(&mut peer, frame, name).await,
            (Side::Client, FrameKind::Command) => {
                let seq = frame.seq.clone().expect("a command has a seq");
                let call = Call { client: client.clone(), seq, events: events.clone() };
                C::start(call, body_of::<C>(frame.r#type.as_deref(), frame.value.as_ref()));
                expect_frame::<C>(&mut peer, frame, name).await;
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
    if waits_for_reconnecting {
        assert_eq!(kind_of(&reason), error_of("EOF"), "{name}: {reason:#}");
        let again = timeout(Duration::from_secs(10), listener.accept()).await;
        assert!(
            again.is_err(),
            "{name}: the client connects again now, so that the table of exceptions is stale"
        );
    } else if let Some(text) = &session.outcome.client_error {
        assert_eq!(kind_of(&reason), error_of(text), "{name}: {reason:#} for {text}");
    }
    peer.expect_end().await;
    if let Some(text) = &session.outcome.client_send_error {
        let Some((_, frame)) = steps.iter().find(|(from, _)| *from == Side::Client) else { panic!("{name}") };
        let call = Call { client: client.clone(), seq: "another".into(), events: events.clone() };
        C::start(call, body_of::<C>(frame.r#type.as_deref(), frame.value.as_ref()));
        loop {
            match within(seen.recv()).await.expect("the call ends") {
                Event::NotSent { error } => break assert_not_sent(&error, text),
                Event::Reply { body, .. } => panic!("{name}: {body:?} on a connection that has ended"),
                before => take(before),
            }
        }
    }
    drop((client, events));
    while let Some(event) = within(seen.recv()).await {
        take(event);
    }

    let mut recorded = session.outcome.client_results.iter().collect::<Vec<_>>();
    if waits_for_reconnecting {
        let sent = |seq: &str| {
            connection.client_to_server_frames.iter().any(|frame| frame.seq.as_deref() == Some(seq))
        };
        recorded.retain(|result| result.seq.as_deref().is_some_and(sent));
    }
    let unexpected_recorded = session.outcome.client_unexpected_results.iter().collect();
    for (seen, recorded) in [(&results, recorded), (&unexpected, unexpected_recorded)] {
        assert_eq!(seen.len(), recorded.len(), "{name}: how many are seen");
        seen.iter().zip(recorded).for_each(|(seen, recorded)| assert_same::<C>(seen, recorded, name));
    }
}

#[test]
fn the_tables_of_exceptions_name_sessions_that_exist() {
    let sessions = sessions();
    let assert_named = |name: &str, holds: &dyn Fn(&Session) -> bool| {
        let mut named = sessions.iter().filter(|session| session.name == name).peekable();
        assert!(named.peek().is_some() && named.all(holds), "{name}");
    };
    for name in CLIENT_WAITS_FOR_KEEP_ALIVE {
        let pings = |frame: &Frame| frame.frame == FrameKind::Ping;
        assert_named(name, &|session| {
            session.connections.iter().any(|connection| connection.client_to_server_frames.iter().any(pings))
        });
    }
    for name in CLIENT_WAITS_FOR_RECONNECTING {
        assert_named(name, &|session| session.connections.len() > 1);
    }
}

/// The players themselves must be able to fail: each change of a good session is noticed.
#[tokio::test(start_paused = true)]
async fn a_session_that_does_not_hold_fails() {
    type Change = fn(&mut Session);
    let changes: [(&str, &str, &str, Change, [bool; 2]); 18] = [
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
                with_codec!(session.codec, C => play_to_server::<C>(&session).await);
            }
        });
        assert_eq!(server.await.is_ok(), server_passes, "{change} in {codec}, {name}, played to the server");
        let client = tokio::spawn(async move {
            let session = changed();
            if !session.raw_client {
                with_codec!(session.codec, C => play_to_client::<C>(&session).await);
            }
        });
        assert_eq!(client.await.is_ok(), client_passes, "{change} in {codec}, {name}, played to the client");
    }
}
