//! What bad bytes get: a typed error for their own connection and nobody else, and memory only for what has arrived.

#[path = "common/lab.rs"]
mod lab;
#[path = "common/largest.rs"]
mod largest;
#[path = "common/pipes.rs"]
mod pipes;
#[path = "common/wire.rs"]
mod wire;

use cmd_stream::client::Client;
use cmd_stream::proto::Seq;
use cmd_stream::server::{Counters, Limits};
use cmd_stream::{Error, ErrorKind, Json, Origin, Server, ServerInfo, client};
use lab::{Lab, Losses, Nest, Plain, PlainReply, World, echo, hold, text};
use largest::largest_allocation;
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::within;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use wire::{ENDLESS, announce, echo_frame, frame, head, hold_frame, nested, number, tag, text_frame};

/// Plays a script to a server: two Commands, then the bytes, all in one write. The two are answered; then the
/// connection ends, for the reason that this gives back. Another connection, with a Command in flight, goes on.
async fn server_gets(bytes: &[u8], counted: fn(&Counters) -> u64) -> Error {
    let world = World::tcp(Limits::default()).await;
    let other = world.client().await;
    let held = call!(other.send(hold("held")));
    world.lab.until(|seen| seen.started == 1).await;

    let mut peer = BytePeer::greeted(world.address()).await;
    peer.send(&[&echo_frame(1, "a"), &echo_frame(2, "b"), bytes].concat()).await;
    peer.expect(&[text_frame(1, "a"), text_frame(2, "b")].concat()).await;
    peer.expect_end().await;
    let lost = world.lost().await;
    assert_eq!(lost.reason.origin(), Origin::Remote);
    let counters = world.counters();
    assert_eq!((counted(&counters), counters.invalid + counters.over_frame_limit), (1, 1), "{}", lost.reason);

    assert_eq!(within(other.send(echo("goes on"))).await.unwrap(), text("goes on"));
    world.lab.open_gate(1);
    assert_eq!(held.await.unwrap().unwrap(), text("held"));
    assert!(largest_allocation() < ALLOCATION, "{} bytes were allocated", largest_allocation());
    lost.reason
}

/// Far more than these tests send in one piece, less than what they announce. (No test here may panic on purpose: to
/// print a backtrace takes more.)
const ALLOCATION: usize = 2 << 20;

/// The bytes are no Command.
async fn server_refuses(bytes: &[u8], kind: ErrorKind, says: &str) {
    assert_is(&server_gets(bytes, |counters| counters.invalid).await, kind, says);
}

fn assert_is(error: &Error, kind: ErrorKind, says: &str) {
    assert_eq!((error.kind(), error.origin()), (kind, Origin::Remote), "{error}");
    assert!(format!("{error:#}").contains(says), "\"{error:#}\" does not say \"{says}\"");
}

/// The same for a client with three calls in flight: the first two get their Replies, the third one this error.
async fn client_gets(bytes: &[u8]) -> Error {
    let (client, mut peer) = connected().await;
    let calls =
        async { tokio::join!(client.send(echo("a")), client.send(echo("b")), client.send(echo("c"))) };
    let script = async {
        peer.expect(&[echo_frame(1, "a"), echo_frame(2, "b"), echo_frame(3, "c")].concat()).await;
        peer.send(&[&text_frame(2, "b"), &text_frame(1, "a"), bytes].concat()).await;
        peer.expect_end().await;
    };
    let ((a, b, c), ()) = within(async { tokio::join!(calls, script) }).await;
    assert_eq!((a.unwrap(), b.unwrap()), (text("a"), text("b")));

    let (failure, reason) = (Error::from(c.unwrap_err()), within(client.closed()).await);
    assert!(failure.was_sent(), "the server had the command");
    assert_eq!((reason.kind(), format!("{reason:#}")), (failure.kind(), format!("{failure:#}")));
    let later = Error::from(client.send(echo("later")).await.unwrap_err());
    assert_eq!((later.kind(), later.was_sent()), (failure.kind(), false));
    assert!(largest_allocation() < ALLOCATION, "{} bytes were allocated", largest_allocation());
    failure
}

async fn client_refuses(bytes: &[u8], kind: ErrorKind, says: &str) {
    assert_is(&client_gets(bytes).await, kind, says);
}

async fn connected() -> (Client<Plain, Json>, BytePeer<TcpStream>) {
    connected_by(Client::builder(Plain, Json).reconnect(false)).await
}

async fn connected_by(builder: client::Builder<Plain, Json>) -> (Client<Plain, Json>, BytePeer<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (client, peer) = tokio::join!(builder.connect(address), BytePeer::accept_and_greet(&listener));
    (client.unwrap(), peer)
}

/// A frame of seq 3 with this tag, and a body of these bytes.
fn third(tag: i64, body: impl AsRef<[u8]>) -> Vec<u8> {
    frame(3, tag, body)
}

// What both sides refuse.

#[tokio::test]
async fn varint_that_is_too_long_is_refused() {
    for start in [vec![], number(3), head(3, 0)] {
        let bytes = [&start, ENDLESS].concat();
        server_refuses(&bytes, ErrorKind::Decode, "varint overflow").await;
        client_refuses(&bytes, ErrorKind::Decode, "varint overflow").await;
    }
}

#[tokio::test]
async fn varint_that_overflows_in_its_last_byte_is_refused() {
    let mut bytes = vec![0xff; 9];
    bytes.push(0x02);
    server_refuses(&bytes, ErrorKind::Decode, "varint overflow").await;
    client_refuses(&bytes, ErrorKind::Decode, "varint overflow").await;
}

#[tokio::test]
async fn negative_length_is_refused() {
    for length in [-1, i64::MIN] {
        let says = format!("negative length {length}");
        server_refuses(&announce(3, tag::ECHO, length), ErrorKind::Decode, &says).await;
        client_refuses(&announce(3, tag::TEXT, length), ErrorKind::Decode, &says).await;
    }
}

#[tokio::test]
async fn length_over_the_limit_allocates_nothing() {
    for length in [4 << 20, 1 << 30, 1 << 40, 1 << 62, i64::MAX] {
        let reason = server_gets(&announce(3, tag::ECHO, length), |counters| counters.over_frame_limit).await;
        assert_is(&reason, ErrorKind::Limit, "over the limit of 4194304");
        client_refuses(&announce(3, tag::TEXT, length), ErrorKind::Limit, "over the limit of 4194304").await;
    }
}

#[tokio::test]
async fn the_reason_names_the_command_that_is_invalid() {
    for (bytes, says) in [
        (third(tag::ECHO, "{"), "invalid command Echo with seq 3"),
        (announce(3, tag::FLAG, -1), "invalid command Flag with seq 3"),
        (announce(3, tag::NEST, 4 << 20), "invalid command Nest with seq 3"),
    ] {
        let reason = server_gets(&bytes, |counters| counters.invalid + counters.over_frame_limit).await;
        assert_eq!(reason.to_string(), says);
    }
    // Of no type.
    let reason = server_gets(&third(99, ""), |counters| counters.invalid).await;
    assert_eq!(reason.to_string(), "invalid command");
}

#[tokio::test]
async fn body_over_the_formats_own_limit_is_refused_at_its_length() {
    let (lose, losses) = Losses::channel();
    let server = Server::builder(Plain, Json.max_len(20), Lab::new()).on_connection_lost(lose);
    let server = server.bind("127.0.0.1:0").await.unwrap();
    let handle = server.handle();
    tokio::spawn(server.serve());
    let mut peer = BytePeer::greeted(handle.local_addr()).await;
    let (fits, over) = (echo_frame(1, "123456789"), announce(2, tag::ECHO, 21));
    assert_eq!(fits.len(), 3 + 20);
    peer.send(&[fits, over].concat()).await;
    peer.expect(&text_frame(1, "123456789")).await;
    peer.expect_end().await;
    assert_is(&losses.next().await.reason, ErrorKind::Limit, "length 21 is over the limit of 20");
    assert_eq!(handle.counters().over_frame_limit, 1);
}

#[tokio::test]
async fn bool_that_is_none_is_refused() {
    for body in [r#"{"on":1}"#, r#"{"on":"true"}"#, r#"{"on":null}"#] {
        server_refuses(&third(tag::FLAG, body), ErrorKind::Decode, "expected a boolean").await;
    }
    for body in [r#"{"value":1,"last":1}"#, r#"{"value":1,"last":2}"#] {
        client_refuses(&third(tag::NUMBER, body), ErrorKind::Decode, "expected a boolean").await;
    }
}

#[tokio::test]
async fn invalid_utf_8_is_refused() {
    for (body, says) in [
        (&b"{\"text\":\"\xff\"}"[..], "byte 9 of the body is not UTF-8"),
        // Also where nobody reads it.
        (b"{\"other\":\"a\xff\",\"text\":\"a\"}", "byte 11 of the body is not UTF-8"),
        (b"{\"text\":\"a\",\"\xff\":0}", "byte 13 of the body is not UTF-8"),
    ] {
        server_refuses(&third(tag::ECHO, body), ErrorKind::Decode, says).await;
    }
    let says = "byte 1 of the body is not UTF-8";
    client_refuses(&third(tag::TEXT, b"\"\xc3\x28\""), ErrorKind::Decode, says).await;
}

#[tokio::test]
async fn body_that_is_empty_cut_or_goes_on_after_its_value_is_refused() {
    for body in ["", "{", r#"{"text":"a"} {}"#] {
        server_refuses(&third(tag::ECHO, body), ErrorKind::Decode, "body cannot be decoded").await;
    }
    for body in ["", "\"", r#""a" "b""#] {
        client_refuses(&third(tag::TEXT, body), ErrorKind::Decode, "body cannot be decoded").await;
    }
}

#[tokio::test]
async fn undeclared_tag_is_refused_and_named() {
    // Nothing behind the tag is needed to refuse it.
    for tag in [9, 12_345, i64::MAX, -1] {
        server_refuses(&head(3, tag), ErrorKind::UnknownTag, &format!("unknown tag {tag}")).await;
        client_refuses(&head(3, tag), ErrorKind::UnknownTag, &format!("unknown tag {tag}")).await;
    }
}

#[tokio::test]
async fn nesting_of_128_levels_is_refused_and_of_127_accepted() {
    for levels in [128, 129, 100_000] {
        server_refuses(&third(tag::NEST, nested(levels)), ErrorKind::Decode, "recursion limit").await;
        server_refuses(&third(tag::NEST, "[".repeat(levels)), ErrorKind::Decode, "body cannot be decoded")
            .await;
        client_refuses(&third(tag::NESTED, nested(levels)), ErrorKind::Decode, "recursion limit").await;
    }

    let world = World::tcp(Limits::default()).await;
    let nest: Nest = serde_json::from_str(&nested(127)).unwrap();
    let reply = within(world.client().await.send(nest.clone())).await;
    assert_eq!(reply.unwrap(), nest);
}

#[tokio::test]
async fn nesting_in_a_field_that_is_ignored_does_no_harm() {
    let world = World::tcp(Limits::default()).await;
    let mut peer = BytePeer::greeted(world.address()).await;
    let body = format!(r#"{{"text":"a","unknown":{}}}"#, nested(100_000));
    peer.send(&frame(1, tag::ECHO, body)).await;
    peer.expect(&text_frame(1, "a")).await;
}

// What the server alone can see.

#[tokio::test]
async fn seq_of_a_command_in_flight_is_refused() {
    let bytes = [hold_frame(3, "a"), echo_frame(3, "b")].concat();
    server_refuses(&bytes, ErrorKind::Protocol, "seq 3 is in use").await;
}

#[tokio::test]
async fn seq_may_be_used_again_when_its_command_has_ended() {
    let world = World::tcp(Limits::default()).await;
    let mut peer = BytePeer::greeted(world.address()).await;
    peer.send(&[echo_frame(3, "a"), echo_frame(3, "b"), hold_frame(3, "c")].concat()).await;
    peer.expect(&[text_frame(3, "a"), text_frame(3, "b")].concat()).await;
    world.lab.open_gate(1);
    peer.expect(&text_frame(3, "c")).await;
}

#[tokio::test]
async fn negative_seq_is_refused() {
    for seq in [-1, i64::MIN] {
        server_refuses(&echo_frame(seq, "a"), ErrorKind::Protocol, &format!("negative seq {seq}")).await;
    }
}

#[tokio::test]
async fn command_refused_for_its_seq_does_not_run() {
    let world = World::tcp(Limits::default()).await;
    let mut peer = BytePeer::greeted(world.address()).await;
    peer.send(&hold_frame(-1, "a")).await;
    peer.expect_end().await;
    assert_eq!((world.lab.seen().started, world.counters().started), (0, 0));
    assert_eq!(world.lost().await.commands_left, 0);
}

// What the client alone can see.

#[tokio::test]
async fn reply_of_a_type_that_its_command_does_not_declare_is_refused() {
    let says = "the reply to command 3 is of a type that the command does not declare";
    client_refuses(&third(tag::NUMBER, r#"{"value":1,"last":true}"#), ErrorKind::Protocol, says).await;
}

#[tokio::test]
async fn reply_of_a_wrong_type_ends_a_stream_too() {
    let (client, mut peer) = connected().await;
    let mut stream = client.stream(lab::Count { to: 9 }).await.unwrap();
    peer.expect(&frame(1, tag::COUNT, r#"{"to":9}"#)).await;
    peer.send(&[wire::number_frame(1, 1, false), text_frame(1, "a")].concat()).await;
    assert_eq!(within(stream.next()).await.unwrap().unwrap().value, 1);
    let failure = Error::from(within(stream.next()).await.unwrap().unwrap_err());
    assert_is(&failure, ErrorKind::Protocol, "the reply to command 1");
    assert!(within(stream.next()).await.is_none());
}

#[tokio::test]
async fn reply_that_no_call_waits_for_goes_to_the_callback_and_the_connection_goes_on() {
    let (unexpected, mut replies) = mpsc::unbounded_channel();
    let builder = Client::builder(Plain, Json);
    let builder = builder.on_unexpected_reply(move |seq, reply| unexpected.send((seq, reply)).unwrap());
    let (client, mut peer) = connected_by(builder).await;
    let call = async { client.send(echo("a")).await };
    let script = async {
        peer.expect(&echo_frame(1, "a")).await;
        let late = [99, -1, 2, i64::MAX].map(|seq| text_frame(seq, "?")).concat();
        peer.send(&[late, text_frame(1, "a"), text_frame(1, "again")].concat()).await;
    };
    let (reply, ()) = within(async { tokio::join!(call, script) }).await;
    assert_eq!(reply.unwrap(), text("a"));
    for (seq, says) in [(99, "?"), (-1, "?"), (2, "?"), (i64::MAX, "?"), (1, "again")] {
        match within(replies.recv()).await.unwrap() {
            (got, PlainReply::Text(reply)) => assert_eq!((got, reply), (Seq::new(seq), text(says))),
            other => panic!("{other:?}"),
        }
    }
    let call = async { client.send(echo("b")).await };
    let script = async {
        peer.expect(&echo_frame(2, "b")).await;
        peer.send(&text_frame(2, "b")).await;
    };
    assert_eq!(within(async { tokio::join!(call, script) }).await.0.unwrap(), text("b"));
}

#[tokio::test]
async fn pongs_are_ignored() {
    let (client, mut peer) = connected().await;
    let call = async { client.send(echo("a")).await };
    let script = async {
        peer.send(&[0, 0x80, 0, 0]).await; // over-long, the second one
        peer.expect(&echo_frame(1, "a")).await;
        peer.send(&[&[0], &text_frame(1, "a")[..], &[0]].concat()).await;
    };
    assert_eq!(within(async { tokio::join!(call, script) }).await.0.unwrap(), text("a"));
}

// The ServerInfo.

/// What `connect` says to a server that sends these bytes, and then leaves or not.
async fn greeted_with(bytes: &[u8], leaves: bool) -> Error {
    greeted_by_address(bytes, leaves).await.0
}

/// The same, and the address of that server.
async fn greeted_by_address(bytes: &[u8], leaves: bool) -> (Error, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let script = async {
        let mut peer = BytePeer::accept(&listener).await;
        peer.send(bytes).await;
        if leaves {
            peer.finish().await;
        }
        peer.expect_end().await; // the client says nothing and hangs up
    };
    let (connected, ()) =
        within(async { tokio::join!(Client::connect(&address, Plain, Json), script) }).await;
    let error = connected.unwrap_err();
    assert!(!error.was_sent());
    assert!(largest_allocation() < ALLOCATION, "{} bytes were allocated", largest_allocation());
    (error, address)
}

#[tokio::test]
async fn server_info_that_differs_fails_connect() {
    for other in ["defaulu", "default ", "defaul", "DEFAULT", ""] {
        let greeting = [number(other.len() as i64), other.into()].concat();
        let (error, address) = greeted_by_address(&greeting, false).await;
        let says = format!("this client expects \"default\", {address} has \"{other}\"");
        assert_is(&error, ErrorKind::ServerInfoMismatch, &says);
    }
}

#[tokio::test]
async fn server_info_of_over_1024_bytes_is_refused_at_its_length() {
    for length in [1025, 1 << 62, i64::MAX] {
        assert_is(&greeted_with(&number(length), false).await, ErrorKind::Limit, "over the limit of 1024");
    }
}

#[tokio::test]
async fn server_info_of_1024_bytes_passes() {
    let info = ServerInfo::new([b'i'; 1024]).unwrap();
    let server =
        Server::builder(Plain, Json, Lab::new()).server_info(info.clone()).bind("127.0.0.1:0").await.unwrap();
    let address = server.handle().local_addr().to_string();
    tokio::spawn(server.serve());
    let client = Client::builder(Plain, Json).server_info(info).connect(address);
    let client = within(client).await.unwrap();
    assert_eq!(within(client.send(echo("a"))).await.unwrap(), text("a"));
    assert!(ServerInfo::new([b'i'; 1025]).is_err());
    assert!(ServerInfo::new([]).is_err(), "a server has one");
}

#[tokio::test]
async fn server_info_with_a_bad_length_fails_connect() {
    assert_is(&greeted_with(&number(-1), false).await, ErrorKind::Decode, "negative length -1");
    assert_is(&greeted_with(ENDLESS, false).await, ErrorKind::Decode, "varint overflow");
}

#[tokio::test]
async fn server_info_that_is_cut_fails_connect() {
    for cut in 1..GREETING.len() {
        let error = greeted_with(&GREETING[..cut], true).await;
        assert_is(&error, ErrorKind::UnexpectedEof, "in the middle of the server info");
    }
    assert_is(&greeted_with(&[], true).await, ErrorKind::Closed, "instead of greeting");
}

// Frames that begin and do not end.

#[tokio::test]
async fn half_a_frame_and_then_the_end_is_not_a_clean_close() {
    let whole = echo_frame(3, "c");
    for cut in 1..whole.len() {
        let world = World::tcp(Limits::default()).await;
        let mut peer = BytePeer::greeted(world.address()).await;
        peer.send(&[&echo_frame(1, "a"), &whole[..cut]].concat()).await;
        peer.finish().await;
        peer.expect(&text_frame(1, "a")).await;
        peer.expect_end().await;
        assert_is(&world.lost().await.reason, ErrorKind::UnexpectedEof, "in the middle of a frame");
    }
    let whole = text_frame(1, "a");
    for cut in 1..whole.len() {
        let (client, mut peer) = connected().await;
        let call = async { client.send(echo("a")).await };
        let script = async {
            peer.expect(&echo_frame(1, "a")).await;
            peer.send(&whole[..cut]).await;
            peer.finish().await;
        };
        let failure = Error::from(within(async { tokio::join!(call, script) }).await.0.unwrap_err());
        assert_is(&failure, ErrorKind::UnexpectedEof, "in the middle of a frame");
        assert_is(&within(client.closed()).await, ErrorKind::UnexpectedEof, "in the middle of a frame");
        assert!(failure.was_sent());
    }
}

#[tokio::test]
async fn end_between_frames_is_a_clean_close() {
    let world = World::tcp(Limits::default()).await;
    let mut peer = BytePeer::greeted(world.address()).await;
    peer.send(&[&echo_frame(1, "a")[..], &[0]].concat()).await;
    peer.finish().await;
    peer.expect(&[&text_frame(1, "a")[..], &[0]].concat()).await;
    peer.expect_end().await;
    assert_is(&world.lost().await.reason, ErrorKind::Closed, "the client closed the connection");

    let (client, mut peer) = connected().await;
    let call = async { client.send(echo("a")).await };
    let script = async {
        peer.expect(&echo_frame(1, "a")).await;
        peer.finish().await;
        peer.expect_end().await;
    };
    let failure = Error::from(within(async { tokio::join!(call, script) }).await.0.unwrap_err());
    assert_is(&failure, ErrorKind::Closed, "the server closed the connection");
    assert_is(&within(client.closed()).await, ErrorKind::Closed, "the server closed the connection");
}

#[tokio::test]
async fn reset_is_an_error_of_the_system() {
    let world = World::tcp(Limits::default()).await;
    BytePeer::greeted(world.address()).await.reset();
    let reason = world.lost().await.reason;
    assert_eq!((reason.kind(), reason.origin()), (ErrorKind::Io, Origin::System), "{reason}");

    let (client, peer) = connected().await;
    peer.reset();
    let reason = within(client.closed()).await;
    assert_eq!((reason.kind(), reason.origin()), (ErrorKind::Io, Origin::System), "{reason}");
}
