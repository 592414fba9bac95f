//! The MUS Format: its settings, what it refuses on either side and what that costs, and frames that arrive in pieces.
//! (What it makes of the golden vectors: `wire_vectors/`; what an attacker announces: `hostile.rs`.)

mod frame_limit;
mod pieces;
mod refused;
mod settings;

use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;

use cmd_stream::proto::varint;
use cmd_stream::transport::Connect as _;
use cmd_stream::{
    Answer, CallError, Client, Context, Error, Execute, Failed, Mus, Proxy, Server, client, protocol, server,
};
use mus_format::{Mus, to_vec};
use testkit::ends::{client_and_bytes, serve_in_memory};
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

/// Nested to any depth, one level each.
#[derive(Clone, PartialEq, Debug, Mus)]
struct Nest(Vec<Self>);

/// Answered with its text when the gate lets it through.
#[derive(Clone, PartialEq, Debug, Mus)]
struct Hold(String);

/// Answered with this text, or with the kind of the error if the text is too long.
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

/// A value of this many levels.
fn nest(levels: usize) -> Nest {
    (1..levels).fold(Nest(Vec::new()), |inner, _| Nest(vec![inner]))
}

/// A list of elements without bytes.
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

/// Returns the error of a call. The Protocol declares no failure.
fn error_of<T: Debug>(result: Result<T, CallError<Infallible>>) -> Error {
    let CallError::Other(error) = result.expect_err("it fails");
    error
}

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

/// Returns why a server ends a connection that sends these bytes after a good Command. Checks that another connection
/// is not affected.
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
    assert_eq!(handle.counters().started, 3, "none of the refused one");
    handle.close();
    reason
}

/// Returns how a call fails when its client receives these bytes.
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
