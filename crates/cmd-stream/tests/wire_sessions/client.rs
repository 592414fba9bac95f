//! Plays the recorded servers to our client.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::time::Duration;

use crate::bodies::{Body as _, Codec, for_each_codec, with_codec};
use crate::{
    ClientOptions, ClientResult, Connection, Frame, FrameKind, Session, Side, error_of, expect_frame,
    kind_of, sessions,
};
use cmd_stream::client::Keepalive;
use cmd_stream::format::{Decode, Encode, EncodeError, Format};
use cmd_stream::proto::{Decoded, Tag};
use cmd_stream::protocol::kind::Plain;
use cmd_stream::protocol::{ClientProtocol, CommandOf, Protocol, ReplyOf};
use cmd_stream::transport::{Accept as _, memory};
use cmd_stream::{CallError, Client, Command, ErrorKind, ServerInfo, protocol};
use serde_json::Value;
use testkit::peer::BytePeer;
use testkit::wait::within;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// In Go, any Reply can answer any Command. The Protocol of these tests allows it: each Command is answered with `R`,
/// an enum of all Replies.
struct Any<T, R>(T, PhantomData<fn() -> R>);

impl<T: Command, R: Send + 'static> Command for Any<T, R> {
    type Reply = R;
    type Kind = Plain;
}

/// A Format that encodes an [`Any`] like the Command in it.
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
    /// The enum of its Replies.
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

/// What the application sees of our client.
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
    /// Sends the Command and reports everything that comes back for it.
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

/// Checks that our application sees what the recorded one saw.
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

/// Go reports that the client is closed; ours reports why.
fn assert_not_sent(error: &cmd_stream::Error, text: &str) {
    assert_eq!(
        (error.kind(), error_of(text).0, error.was_sent()),
        (ErrorKind::Closed, ErrorKind::Closed, false)
    );
}

#[tokio::test(start_paused = true)]
async fn our_client_sends_and_sees_what_each_recorded_client_did() {
    for session in sessions().iter().filter(|session| !session.raw_client) {
        play(session).await;
    }
}

/// Plays a session to our client, in the Format that the session is in.
pub(crate) async fn play(session: &Session) {
    with_codec!(session.codec, C => play_to_client::<C>(session).await);
}

async fn play_to_client<C: Played>(session: &Session) {
    let name = &session.name;
    let (connector, mut listener) = memory::pair();
    let (events, mut seen) = mpsc::unbounded_channel();
    let info = session.client_options.server_info.as_ref().unwrap_or(&session.server_info);
    // Go's client ends for good with its first error, unless it reconnects; and then it still does with most errors.
    let ends_by_itself = session.outcome.client_error.as_ref().is_some_and(|error| error != "closed");
    let builder = Client::builder(C::Recorded::default(), Transparent(C::FORMAT))
        .server_info(ServerInfo::new(info.as_str()).expect("a server info"))
        .keepalive(keepalive(&session.client_options))
        .reconnect(!ends_by_itself)
        .on_unexpected_reply({
            let events = events.clone();
            move |seq, reply| {
                let body = C::body(reply);
                let _ = events.send(Event::Unexpected { seq: seq.to_string(), body });
            }
        });
    let (connection, next_connections) = session.connections.split_first().expect("a connection");
    let (client, mut peer) =
        tokio::join!(builder.connect_by(connector), accept_and_greet(&mut listener, connection));
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
    let start = |frame: &Frame, seq: String| {
        let call = Call { client: client.clone(), seq, events: events.clone() };
        C::start(call, body_of::<C>(frame.r#type.as_deref(), frame.value.as_ref()));
    };
    let mut connection = connection;
    let mut next_connections = next_connections.iter();
    let closed_by = loop {
        let mut last_frame = Instant::now();
        for (from, frame) in &connection.steps()[1..] {
            match (from, frame.frame) {
                (Side::Client, FrameKind::Ping) => {
                    expect_frame::<C>(&mut peer, frame, name).await;
                    assert_eq!(
                        last_frame.elapsed().as_millis(),
                        pings_after(&session.client_options),
                        "{name}"
                    );
                }
                (Side::Client, FrameKind::Command) => {
                    start(frame, frame.seq.clone().expect("a command has a seq"));
                    expect_frame::<C>(&mut peer, frame, name).await;
                }
                (Side::Server, FrameKind::Result) => {
                    peer.send_hex(&frame.hex).await;
                    take(within(seen.recv()).await.expect("a reply is seen"));
                }
                (Side::Server, FrameKind::Pong | FrameKind::Undecodable) => peer.send_hex(&frame.hex).await,
                (from, kind) => panic!("{name}: no test knows a {kind:?} of the {from:?} here"),
            }
            last_frame = Instant::now();
        }
        let closed_by = &*connection.closed_by;
        let Some(next) = next_connections.next() else { break closed_by };
        assert_eq!(closed_by, "server", "{name}: why else would there be another connection?");
        peer.finish().await;
        peer.expect_end().await;
        connection = next;
        peer = accept_and_greet(&mut listener, connection).await;
    };
    match closed_by {
        "client" | "client (by the test)" => client.close(),
        "client (decode error)" => {}
        "server" => peer.finish().await,
        other => panic!("{name}: closed by what no test knows: {other}"),
    }
    let reason = within(client.closed()).await;
    if let Some(text) = &session.outcome.client_error {
        assert_eq!(kind_of(&reason), error_of(text), "{name}: {reason:#} for {text}");
    }
    peer.expect_end().await;
    if let Some(text) = &session.outcome.client_send_error {
        let steps = connection.steps();
        let Some((_, frame)) = steps.iter().find(|(from, _)| *from == Side::Client) else { panic!("{name}") };
        start(frame, "another".into());
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

    let recorded = session.outcome.client_results.iter().collect::<Vec<_>>();
    let unexpected_recorded = session.outcome.client_unexpected_results.iter().collect();
    for (seen, recorded) in [(&results, recorded), (&unexpected, unexpected_recorded)] {
        assert_eq!(seen.len(), recorded.len(), "{name}: how many are seen");
        seen.iter().zip(recorded).for_each(|(seen, recorded)| assert_same::<C>(seen, recorded, name));
    }
}

/// The next connection of the client, to which the greeting of the recorded one was sent.
async fn accept_and_greet(
    listener: &mut memory::Listener,
    connection: &Connection,
) -> BytePeer<DuplexStream> {
    let (_, greeting) = connection.steps().swap_remove(0);
    let mut peer = BytePeer::over(within(listener.accept()).await.expect("it listens").0);
    peer.send_hex(&greeting.hex).await;
    peer
}

/// Go sends the first ping some time after the last Command, and then one per interval. Ours sends each one the same time
/// after whatever was sent last.
fn keepalive(options: &ClientOptions) -> Keepalive {
    match options.keepalive_time_ms {
        Some(time) => Keepalive::default().idle(Duration::from_millis(time)),
        None => Keepalive::OFF,
    }
}

/// After how many milliseconds without a frame a ping is expected, be it the first one or not.
fn pings_after(options: &ClientOptions) -> u128 {
    let time = options.keepalive_time_ms.expect("pings are recorded, so keepalive is on");
    assert_eq!(options.keepalive_interval_ms, Some(time), "ours pings at no other interval");
    time.into()
}
