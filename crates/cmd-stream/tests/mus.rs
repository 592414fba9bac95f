//! The MUS Format: its settings, what it refuses on either side and what that costs, and frames that arrive in pieces.
//! (What it makes of the golden vectors: `wire_vectors.rs`; what an attacker announces: `hostile.rs`.)

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;

use cmd_stream::format::{Decode, Encode};
use cmd_stream::proto::{DecodeError, Decoded, Fault, varint};
use cmd_stream::transport::Connect as _;
use cmd_stream::{
    Answer, CallError, Client, Context, Error, ErrorKind, Execute, Failed, Mus, Origin, Proxy, Server,
    client, protocol, server,
};
use mus_format::{Mus, Progress, to_vec};
use testkit::ends::{both, client_and_bytes, serve_in_memory};
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::within;
use tokio::io::DuplexStream;
use tokio::sync::{Semaphore, mpsc};

/// The Receiver: what [`Hold`] waits for.
#[derive(Clone, Debug)]
struct Gate(Arc<Semaphore>);

#[derive(Clone, PartialEq, Debug, Mus)]
struct Text(String);

#[derive(Clone, PartialEq, Debug, Mus)]
struct Words(Vec<String>);

/// At most 8 bytes.
#[derive(Clone, PartialEq, Debug, Mus)]
struct Short(#[mus(max_len = 8)] String);

/// Elements without bytes.
#[derive(Clone, PartialEq, Debug, Mus)]
struct Empty(Vec<()>);

/// As deep as one likes: a level each.
#[derive(Clone, PartialEq, Debug, Mus)]
struct Nest(Vec<Self>);

/// Answered with its text when the gate lets it through.
#[derive(Clone, PartialEq, Debug, Mus)]
struct Hold(String);

/// Answered with this text, or with the kind of the error if it is too long.
#[derive(Clone, PartialEq, Debug, Mus)]
struct Stretch(String);

/// Commands that are answered with themselves.
macro_rules! mirrored {
    ($($command:ident),+) => {$(
        impl Answer<Gate> for $command {
            async fn answer(self, _: &Gate, _: &Context<'_>) -> Result<Self, Failed> {
                Ok(self)
            }
        }
    )+};
}
mirrored! { Text, Words, Short, Empty, Nest }

impl Answer<Gate> for Hold {
    async fn answer(self, gate: &Gate, _: &Context<'_>) -> Result<Text, Failed> {
        gate.0.acquire().await?.forget();
        Ok(Text(self.0))
    }
}

impl Execute<Gate> for Stretch {
    async fn execute(self, _: &Gate, proxy: Proxy<'_, Short>) -> Result<(), Failed> {
        let Err(failed) = proxy.send(Short(self.0)).await else { return Ok(()) };
        let kind = failed.downcast_ref::<Error>().map(Error::kind);
        proxy.send(Short(kind.map(|kind| format!("{kind:?}")).unwrap_or_default())).await
    }
}

protocol! {
    struct Mirror {
        commands {
            1 => Text -> Text,
            2 => Words -> Words,
            3 => Short -> Short,
            4 => Empty -> Empty,
            5 => Nest -> Nest,
            6 => Hold -> Text,
            7 => Stretch -> Short,
        }
        replies { 1 => Text, 2 => Words, 3 => Short, 4 => Empty, 5 => Nest }
        failure close_connection
    }
}

fn gate() -> Gate {
    Gate(Arc::new(Semaphore::new(0)))
}

/// A server, with default limits.
fn server(format: Mus) -> server::Builder<Mirror, Mus, Gate> {
    Server::builder(Mirror, format, gate())
}

fn client(format: Mus) -> client::Builder<Mirror, Mus> {
    Client::builder(Mirror, format)
}

fn text(text: &str) -> Text {
    Text(text.into())
}

/// So many levels.
fn nest(levels: usize) -> Nest {
    (1..levels).fold(Nest(Vec::new()), |inner, _| Nest(vec![inner]))
}

/// Values without bytes.
fn empty(elements: usize) -> Empty {
    Empty(vec![(); elements])
}

/// A frame, in either direction.
fn frame(seq: u64, tag: u64, value: &impl mus_format::Encode) -> Vec<u8> {
    frame_of(seq, tag, &to_vec(value).expect("it can be written"))
}

fn frame_of(seq: u64, tag: u64, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    varint::encode(seq, &mut frame);
    varint::encode(tag, &mut frame);
    frame.extend_from_slice(body);
    frame
}

// The settings, without a connection.

fn encode<T: Debug>(format: Mus, value: &T) -> Result<Vec<u8>, String>
where
    Mus: Encode<T>,
{
    let mut out = b"before".to_vec();
    let encoded = format.encode(value, &mut out);
    assert!(encoded.is_ok() || out == b"before", "an error leaves nothing behind");
    encoded.map(|()| out.split_off(6)).map_err(|error| error.to_string())
}

/// Decodes a value with other bytes behind it.
fn decode<T>(format: Mus, bytes: &[u8]) -> Result<T, String>
where
    Mus: Decode<T, Progress = Progress>,
{
    let followed = [bytes, &[0xff; 20]].concat();
    match format.decode(&followed, &mut Progress::default()) {
        Decoded::Value(value, taken) => {
            assert_eq!(taken, bytes.len());
            Ok(value)
        }
        Decoded::Invalid(DecodeError { fault: Fault::Body(error), at, .. }) => {
            assert!(at <= bytes.len(), "known by its own bytes");
            Err(error.to_string())
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
}

/// A level is the content of an `Option`, and another one that of the `Box` in it.
#[derive(PartialEq, Debug, Mus)]
struct Link(Option<Box<Self>>);

#[derive(PartialEq, Debug, Mus)]
struct Tree(BTreeMap<u8, Self>);

/// The value of `levels` is read and written under that limit, and neither under one less.
fn check_depth<T: Debug + PartialEq>(levels: usize, value: &T)
where
    Mus: Encode<T> + Decode<T, Progress = Progress>,
{
    let format = Mus.depth(levels);
    let bytes = encode(format, value).expect("it is at the limit");
    assert_eq!(decode::<T>(format, &bytes).as_ref(), Ok(value));
    let said = format!("nested deeper than {}", levels - 1);
    let format = Mus.depth(levels - 1);
    assert_eq!(encode(format, value), Err(said.clone()));
    let refused = decode::<T>(format, &bytes).expect_err("it is one over the limit");
    assert!(refused.contains(&said), "{refused}");
}

#[test]
fn values_are_read_and_written_up_to_the_depth_that_is_set_and_not_past_it() {
    for levels in [2, 16, 128, 200] {
        check_depth(levels, &nest(levels));
        check_depth(levels, &(0..levels / 2).fold(Link(None), |inner, _| Link(Some(Box::new(inner)))));
        check_depth(levels, &(1..levels).fold(Tree([].into()), |inner, n| Tree([(n as u8, inner)].into())));
    }
    assert!(encode(Mus, &nest(128)).is_ok() && encode(Mus, &nest(129)).is_err(), "it is 128 unless set");
}

/// Takes no bytes on the wire, and 4 in memory: it counts as 4.
#[derive(Clone, Copy, PartialEq, Debug, Mus)]
struct Silent {
    #[mus(skip)]
    _number: u32,
}

#[test]
fn elements_without_bytes_are_read_up_to_the_number_that_is_set_and_not_past_it() {
    fn check<T: Debug + PartialEq>(most: usize, value: &T)
    where
        Mus: Encode<T> + Decode<T, Progress = Progress>,
    {
        let bytes = encode(Mus, value).expect("it can be written");
        assert_eq!(decode::<T>(Mus.empty_elements(most), &bytes).as_ref(), Ok(value));
        let refused =
            decode::<T>(Mus.empty_elements(most - 1), &bytes).expect_err("it is one over the limit");
        assert!(
            refused.contains(&format!("elements without bytes exceed the limit of {}", most - 1)),
            "{refused}"
        );
    }
    for most in [1, 1000] {
        check(most, &vec![(); most]);
        check(4 * most, &vec![Silent { _number: 0 }; most]);
        // One number for the whole value.
        check(3 * most, &vec![vec![(); most]; 3]);
        check(2 * most, &(vec![(); most], [((), most as u64)], Some(vec![(); most])));
    }
    check(4 << 20, &vec![(); 4 << 20]);
    let refused = decode::<Vec<()>>(Mus, &to_vec(&((4_u64 << 20) + 1)).expect("a number")).expect_err("over");
    assert!(refused.contains("exceed the limit of 4194304"), "it is 4 Mi unless set: {refused}");
}

#[test]
fn settings_are_part_of_the_value() {
    assert_eq!(Mus, Mus::default());
    assert_eq!(Mus.depth(128).empty_elements(4 << 20), Mus);
    assert!(Mus.depth(127) != Mus && Mus.empty_elements(1) != Mus);
}

// What cannot be written.

/// The error of a call: its Protocol has no failure to answer with.
fn error_of<T: Debug>(result: Result<T, CallError<Infallible>>) -> Error {
    let CallError::Other(error) = result.expect_err("it fails");
    error
}

#[tokio::test(start_paused = true)]
async fn text_over_its_maximum_fails_its_own_call_and_the_connection_goes_on() {
    let (client, handle) = both(server(Mus), client(Mus)).await;
    let longest = Short("é".repeat(4));
    assert_eq!(client.send(longest.clone()).await.expect("8 bytes"), longest);

    let error = error_of(client.send(Short("9 letters".into())).await);
    assert_eq!((error.kind(), error.origin(), error.was_sent()), (ErrorKind::Encode, Origin::Local, false));
    assert!(format!("{error:#}").contains("length 9 is over the limit of 8"), "{error:#}");

    // The same for a Reply: the Command learns of it, and may send another.
    assert_eq!(client.send(Stretch("9 letters".into())).await.expect("a reply"), Short("Encode".into()));
    assert_eq!(client.send(Stretch("8 letter".into())).await.expect("a reply"), Short("8 letter".into()));
    assert_eq!((client.in_flight(), handle.counters().commands), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_nested_too_deep_fails_its_own_call() {
    let (client, _handle) = both(server(Mus), client(Mus.depth(4))).await;
    let error = error_of(client.send(nest(5)).await);
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Encode, false), "{error:#}");
    assert_eq!(client.send(nest(4)).await.expect("4 levels"), nest(4));
}

// What cannot be read, whole or byte by byte.

/// How a peer sends its bytes.
#[derive(Clone, Copy, Debug)]
enum Sent {
    Whole,
    Bytewise,
}

const WAYS: [Sent; 2] = [Sent::Whole, Sent::Bytewise];

impl Sent {
    async fn send(self, peer: &mut BytePeer<DuplexStream>, bytes: &[u8]) {
        match self {
            Self::Whole => peer.send_until_closed(bytes).await,
            Self::Bytewise => peer.send_bytewise(bytes).await,
        }
    }
}

/// Why a server ends the connection on which these bytes come, behind a good Command. Another connection goes on.
async fn server_refuses(settings: server::Builder<Mirror, Mus, Gate>, way: Sent, bytes: &[u8]) -> Error {
    let (reason, mut reasons) = mpsc::unbounded_channel();
    let settings = settings.on_connection_lost(move |lost| drop(reason.send(lost.reason.clone())));
    let (connector, handle) = serve_in_memory(settings);
    let bystander = within(client(Mus).connect_by(connector.clone())).await.expect("it is served");
    assert_eq!(within(bystander.send(text("before"))).await.expect("a reply"), text("before"));

    let mut peer = BytePeer::over(within(connector.connect()).await.expect("it is served").0);
    peer.expect(GREETING).await;
    peer.send(&frame(1, 1, &text("a"))).await;
    peer.expect(&frame(1, 1, &text("a"))).await;
    way.send(&mut peer, bytes).await;
    peer.expect_end().await;
    let reason = within(reasons.recv()).await.expect("the callback is called");

    assert_eq!(within(bystander.send(text("after"))).await.expect("a reply"), text("after"));
    assert_eq!(handle.counters().commands, 3, "none of the refused one");
    handle.close();
    reason
}

/// How the call of a client fails that gets these bytes.
async fn client_refuses(settings: client::Builder<Mirror, Mus>, way: Sent, bytes: &[u8]) -> Error {
    let (client, mut peer) = client_and_bytes(settings, 1 << 16).await;
    let script = async {
        peer.expect(&frame(1, 1, &text("a"))).await;
        way.send(&mut peer, bytes).await;
        peer.expect_end().await;
    };
    let (failed, ()) = within(async { tokio::join!(client.send(text("a")), script) }).await;
    let reason = within(client.closed()).await;
    let failed = error_of(failed);
    assert_eq!((failed.kind(), format!("{failed:#}")), (reason.kind(), format!("{reason:#}")));
    reason
}

/// Both ends refuse the body of a frame with this tag, for this reason.
async fn both_refuse(tag: u64, body: &[u8], kind: ErrorKind, says: &str) {
    for way in WAYS {
        let server = server_refuses(server(Mus), way, &frame_of(2, tag, body)).await;
        let client = client_refuses(client(Mus), way, &frame_of(1, tag, body)).await;
        for error in [server, client] {
            assert_eq!((error.kind(), error.origin()), (kind, Origin::Remote), "{error:#}");
            assert!(format!("{error:#}").contains(says), "{way:?}: \"{error:#}\" does not say \"{says}\"");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nesting_over_the_limit_is_refused_and_the_stack_of_a_worker_holds() {
    both_refuse(5, &[1; 129], ErrorKind::Decode, "nested deeper than 128").await;
    // As deep as the limit of a frame lets it be.
    let deepest = vec![1; (4 << 20) - 2];
    for error in [
        server_refuses(server(Mus), Sent::Whole, &frame_of(2, 5, &deepest)).await,
        client_refuses(client(Mus), Sent::Whole, &frame_of(1, 5, &deepest)).await,
    ] {
        assert_eq!(error.kind(), ErrorKind::Decode, "{error:#}");
        assert!(format!("{error:#}").contains("nested deeper than 128"), "{error:#}");
    }
    let (client, _handle) = both(server(Mus), client(Mus)).await;
    let deep = within(client.send(nest(128))).await.expect("128 levels");
    assert_eq!(deep, nest(128));
}

#[tokio::test(start_paused = true)]
async fn elements_without_bytes_over_the_limit_are_refused() {
    for elements in [(4 << 20) + 1, 1 << 40, i64::MAX as u64] {
        let body = to_vec(&elements).expect("a number");
        both_refuse(4, &body, ErrorKind::Decode, "elements without bytes exceed the limit of 4194304").await;
    }
    let (client, _handle) = both(server(Mus), client(Mus)).await;
    assert_eq!(client.send(empty(4 << 20)).await.expect("as many as are allowed"), empty(4 << 20));
}

#[tokio::test(start_paused = true)]
async fn the_settings_of_a_format_are_those_of_its_end() {
    let deep = frame(2, 5, &nest(5));
    let error = server_refuses(server(Mus.depth(4)), Sent::Whole, &deep).await;
    assert!(format!("{error:#}").contains("nested deeper than 4"), "{error:#}");
    let error = client_refuses(client(Mus.depth(4)), Sent::Whole, &deep).await;
    assert!(format!("{error:#}").contains("nested deeper than 4"), "{error:#}");
    let many = frame(2, 4, &empty(101));
    let error = server_refuses(server(Mus.empty_elements(100)), Sent::Whole, &many).await;
    assert!(format!("{error:#}").contains("exceed the limit of 100"), "{error:#}");
}

#[tokio::test(start_paused = true)]
async fn text_that_is_not_utf_8_is_refused() {
    both_refuse(1, b"\x02\xc3\x28", ErrorKind::Decode, "text is not UTF-8").await;
    // Among others, in a frame that has been scanned.
    let mut words = to_vec(&Words(vec!["word".into(); 1000])).expect("it can be written");
    words[2503] = 0xff;
    both_refuse(2, &words, ErrorKind::Decode, "text is not UTF-8").await;
}

#[tokio::test(start_paused = true)]
async fn a_text_over_its_maximum_is_refused_at_its_length() {
    both_refuse(3, &[9], ErrorKind::Limit, "length 9 is over the limit of 8").await;
    both_refuse(3, b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f", ErrorKind::Limit, "over the limit of 8").await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_tag_is_refused_and_named() {
    both_refuse(99, &[], ErrorKind::UnknownTag, "99").await;
    both_refuse(0, &[], ErrorKind::UnknownTag, "0").await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_its_command_does_not_declare_is_refused() {
    let error = client_refuses(client(Mus), Sent::Whole, &frame(1, 4, &empty(1))).await;
    assert_eq!((error.kind(), error.origin()), (ErrorKind::Protocol, Origin::Remote), "{error:#}");
}

// The limit of a whole frame, of which nothing on the wire says how long it is.

const LIMIT: usize = 1000;

/// Frames of a Command with seq 2 of this many bytes: one text, and many.
fn frames_of(bytes: usize) -> [Vec<u8>; 2] {
    let one = frame(2, 1, &text(&"x".repeat(bytes - 4)));
    let many = frame(2, 2, &Words(vec![String::new(); bytes - 4]));
    assert_eq!((one.len(), many.len()), (bytes, bytes));
    [one, many]
}

#[tokio::test(start_paused = true)]
async fn a_frame_at_the_limit_is_read_and_one_over_it_is_refused_at_its_length() {
    let limits = || server::Limits::default().frame(LIMIT);
    for whole in frames_of(LIMIT) {
        let (connector, _handle) = serve_in_memory(server(Mus).limits(limits()));
        for way in WAYS {
            let mut peer = BytePeer::over(within(connector.connect()).await.expect("it is served").0);
            peer.expect(GREETING).await;
            way.send(&mut peer, &whole).await;
            peer.expect(&whole).await;
        }
    }
    for whole in frames_of(LIMIT + 1) {
        for way in WAYS {
            // Seq, tag, and two bytes of the length, or of the count, of what is not sent.
            let error = server_refuses(server(Mus).limits(limits()), way, &whole[..4]).await;
            assert_eq!(error.kind(), ErrorKind::Limit, "{error:#}");
            assert!(format!("{error:#}").contains("over the limit of 1000"), "{error:#}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_client_holds_to_its_limit_in_both_directions() {
    let limits = client::Limits::default().frame(LIMIT);
    let (client, _handle) = both(server(Mus), client(Mus).limits(limits.clone())).await;
    for (len, fits) in [(LIMIT - 4, true), (LIMIT - 3, false)] {
        let sent = client.send(text(&"x".repeat(len))).await;
        assert_eq!(sent.is_ok(), fits, "{len}: {sent:?}");
        if !fits {
            let error = error_of(sent);
            assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Limit, false), "{error:#}");
        }
    }
    for way in WAYS {
        let reply = frame_of(1, 1, &to_vec(&(LIMIT as u64 - 3)).expect("a number"));
        let error = client_refuses(self::client(Mus).limits(limits.clone()), way, &reply).await;
        assert_eq!(error.kind(), ErrorKind::Limit, "{error:#}");
    }
}

// Frames in pieces.

/// Words of all lengths, about 100 KB.
fn many_words() -> Words {
    Words((0..1000).map(|n| "ж".repeat(n % 101)).collect())
}

#[tokio::test(start_paused = true)]
async fn a_command_arrives_byte_by_byte_while_others_are_answered() {
    let gate = gate();
    let (connector, _handle) = serve_in_memory(Server::builder(Mirror, Mus, gate.clone()));
    let other = within(client(Mus).connect_by(connector.clone())).await.expect("it is served");
    let mut peer = BytePeer::over(within(connector.connect()).await.expect("it is served").0);
    peer.expect(GREETING).await;
    peer.send(&[frame(1, 6, &text("held")), frame(2, 1, &text("quick"))].concat()).await;
    peer.expect(&frame(2, 1, &text("quick"))).await;

    let words = frame(3, 2, &many_words());
    let (half, rest) = words.split_at(words.len() / 2);
    peer.send_bytewise(half).await;
    // In the middle of that frame: a Command before it is answered, and so is one of another connection.
    gate.0.add_permits(1);
    peer.expect(&frame(1, 1, &text("held"))).await;
    assert_eq!(within(other.send(text("meanwhile"))).await.expect("a reply"), text("meanwhile"));
    peer.send_bytewise(rest).await;
    peer.expect(&frame(3, 2, &many_words())).await;
}

#[tokio::test(start_paused = true)]
async fn a_large_reply_arrives_in_pieces_of_any_size() {
    let large = Words((0..50_000).map(|n| format!("{n:060}")).collect());
    let (client, mut peer) = client_and_bytes(client(Mus), 1 << 16).await;
    for (seq, piece) in [(1, 1 << 14), (3, 4093), (5, 61), (7, 1 << 22)] {
        let script = async {
            peer.expect(&[frame(seq, 2, &Words(vec![])), frame(seq + 1, 1, &text("b"))].concat()).await;
            let replies = [frame(seq, 2, &large), frame(seq + 1, 1, &text("b"))].concat();
            for piece in replies.chunks(piece) {
                peer.send(piece).await;
            }
        };
        let calls = async { tokio::join!(client.send(Words(vec![])), client.send(text("b"))) };
        let ((words, after), ()) = within(async { tokio::join!(calls, script) }).await;
        assert!(words.expect("a reply") == large, "in pieces of {piece} bytes");
        assert_eq!(after.expect("a reply"), text("b"));
    }
    assert_eq!(client.in_flight(), 0);
}
