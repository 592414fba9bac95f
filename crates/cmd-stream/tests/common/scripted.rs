//! A Sender over servers that the test plays, in memory: a Protocol whose Commands may or may not be executed twice, a Format
//! that counts, and the other end of each member's connections.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cmd_stream::client::Link;
use cmd_stream::format::{Decode, Encode, EncodeError, Format};
use cmd_stream::group::endpoints::List;
use cmd_stream::group::{Members, Strategy};
use cmd_stream::hooks::{Hooks, NoHooks};
use cmd_stream::proto::Decoded;
use cmd_stream::protocol::Metadata;
use cmd_stream::sender::Builder;
use cmd_stream::transport::{Connect, Peer};
use cmd_stream::{Command, Error, ErrorKind, Json, Origin, Problem, Reply, Sender, protocol};
use serde::{Deserialize, Serialize};
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::within;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};

use crate::wire::{frame, text_frame};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);

/// May be executed twice, and carries data of hooks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Get {
    pub(crate) text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) data: Vec<(String, String)>,
}

impl Command for Get {
    type Reply = Text;
    type Kind = cmd_stream::protocol::kind::Plain;

    const IDEMPOTENT: bool = true;

    fn metadata(&mut self) -> Option<&mut dyn Metadata> {
        Some(self)
    }
}

impl Metadata for Get {
    fn set(&mut self, name: &str, value: &str) {
        self.data.push((name.into(), value.into()));
    }
}

/// Must not be executed twice.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Put {
    pub(crate) text: String,
}

/// May be executed twice. Answered with numbers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Watch {
    pub(crate) to: u64,
}

/// May be executed twice. Never answered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) text: String,
}

/// Cannot be encoded.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct Odd {}

impl Serialize for Odd {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it is odd"))
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Text(pub(crate) String);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Number {
    pub(crate) value: u64,
    pub(crate) last: bool,
}

impl Reply for Number {
    fn is_last(&self) -> bool {
        self.last
    }
}

protocol! {
    pub(crate) struct Store {
        commands {
            0 => Get,
            1 => Put -> Text,
            2 => Watch -> Number,
            3 => Note -> (),
            4 => Odd -> Text,
        }
        replies { 0 => Text, 1 => Number, 2 => Problem }
        idempotent { Watch, Note }
        failure Problem
    }
}

pub(crate) fn get(text: &str) -> Get {
    Get { text: text.into(), data: Vec::new() }
}

pub(crate) fn put(text: &str) -> Put {
    Put { text: text.into() }
}

pub(crate) fn text(text: &str) -> Text {
    Text(text.into())
}

pub(crate) fn note(text: &str) -> Note {
    Note { text: text.into() }
}

pub(crate) fn get_frame(seq: i64, text: &str) -> Vec<u8> {
    frame(seq, 0, format!(r#"{{"text":"{text}"}}"#))
}

pub(crate) fn put_frame(seq: i64, text: &str) -> Vec<u8> {
    frame(seq, 1, format!(r#"{{"text":"{text}"}}"#))
}

pub(crate) fn watch_frame(seq: i64, to: u64) -> Vec<u8> {
    frame(seq, 2, format!(r#"{{"to":{to}}}"#))
}

pub(crate) fn note_frame(seq: i64, text: &str) -> Vec<u8> {
    frame(seq, 3, format!(r#"{{"text":"{text}"}}"#))
}

/// The failure of the Protocol.
pub(crate) fn problem_frame(seq: i64, code: u32) -> Vec<u8> {
    frame(seq, 2, format!(r#"{{"code":{code},"message":"no"}}"#))
}

/// As a server answers that sheds load.
pub(crate) fn shed_frame(seq: i64) -> Vec<u8> {
    problem_frame(seq, Problem::OVERLOADED)
}

/// JSON. It counts the Commands that it encodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counting {
    json: Json,
    encoded: Arc<AtomicUsize>,
}

impl Counting {
    pub(crate) fn encoded(&self) -> usize {
        self.encoded.load(Relaxed)
    }
}

impl Format for Counting {
    const NAME: &'static str = "counting json";
    type Progress = <Json as Format>::Progress;
}

impl<T> Encode<T> for Counting
where
    Json: Encode<T>,
{
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.encoded.fetch_add(1, Relaxed);
        self.json.encode(value, out)
    }
}

impl<T> Decode<T> for Counting
where
    Json: Decode<T>,
{
    fn decode(&self, bytes: &[u8], progress: &mut Self::Progress) -> Decoded<T> {
        self.json.decode(bytes, progress)
    }
}

/// The member with the lowest number that is available.
pub(crate) struct First;

impl Strategy for First {
    fn pick(&self, members: &Members<'_>) -> Option<usize> {
        (0..members.len()).find(|&member| members.is_available(member))
    }
}

type Answer = io::Result<DuplexStream>;

/// Dials one address as a client does.
pub(crate) struct Dialer {
    address: String,
    attempts: mpsc::UnboundedSender<Attempt>,
}

/// An attempt to connect, which the test answers.
pub(crate) struct Attempt {
    address: String,
    answer: oneshot::Sender<Answer>,
}

impl Dialer {
    pub(crate) fn new(address: impl Into<String>, attempts: mpsc::UnboundedSender<Attempt>) -> Self {
        Self { address: address.into(), attempts }
    }
}

impl Connect for Dialer {
    type Outgoing = (DuplexStream, Peer);

    async fn connect(&self) -> io::Result<(DuplexStream, Peer)> {
        let (answer, answered) = oneshot::channel();
        let attempt = Attempt { address: self.address.clone(), answer };
        self.attempts.send(attempt).map_err(|_| io::Error::from(io::ErrorKind::NotConnected))?;
        let stream = answered.await.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok((stream?, Peer::other(&self.address)))
    }

    fn address(&self) -> String {
        self.address.clone()
    }
}

/// A connection of a member, as its server sees it.
pub(crate) type Server = BytePeer<DuplexStream>;

/// How many bytes of each direction a connection holds, unless a test says otherwise.
pub(crate) const WIDE: usize = 1 << 20;

/// The attempts to connect.
pub(crate) struct Dials {
    attempts: mpsc::UnboundedReceiver<Attempt>,
    /// The addresses of the members, in their order.
    addresses: Vec<String>,
}

impl Dials {
    /// Connects the next attempt, and greets. Returns the member that has made it.
    pub(crate) async fn accept(&mut self) -> (usize, Server) {
        let attempt = within(self.attempts.recv()).await.expect("the sender is there");
        let member = self.addresses.iter().position(|address| *address == attempt.address);
        (member.expect("a member has it"), attempt.accept(WIDE).await)
    }
}

impl Attempt {
    pub(crate) async fn accept(self, bytes: usize) -> Server {
        let (ours, theirs) = duplex(bytes);
        let mut server = BytePeer::over(theirs);
        server.send(GREETING).await;
        self.answer.send(Ok(ours)).expect("the attempt goes on");
        server
    }
}

pub(crate) fn builder() -> Builder<Store, Counting> {
    Sender::builder(Store, Counting::default())
}

/// A Sender, its servers in the order of its members, and all further attempts to connect. Calls go to the member with the
/// lowest number.
pub(crate) async fn connected<H: Hooks<Store>, const N: usize>(
    builder: Builder<Store, Counting, H, List>,
) -> (Sender<Store, Counting, H>, [Server; N], Dials) {
    connected_by(builder, WIDE).await
}

pub(crate) async fn connected_by<H: Hooks<Store>, const N: usize>(
    builder: Builder<Store, Counting, H, List>,
    bytes: usize,
) -> (Sender<Store, Counting, H>, [Server; N], Dials) {
    let (send, mut attempts) = mpsc::unbounded_channel();
    let addresses: Vec<_> = (0..N).map(|n| format!("server {n}")).collect();
    let builder = builder.endpoints(addresses).strategy(First).minimum(N);
    let connecting = builder.connect_by(move |address| Dialer::new(address.to_string(), send.clone()));
    let accepting = async {
        let mut servers = Vec::new();
        for _ in 0..N {
            let attempt = attempts.recv().await.expect("the sender is there");
            servers.push((attempt.address.clone(), attempt.accept(bytes).await));
        }
        servers
    };
    let (sender, mut servers) = within(async { tokio::join!(connecting, accepting) }).await;
    let sender = sender.expect("all are there");
    let mut addresses = Vec::new();
    for member in sender.group().members() {
        let Link::Up(peer) = member.link() else { panic!("it has no connection") };
        addresses.push(peer.to_string());
    }
    servers.sort_by_key(|(address, _)| addresses.iter().position(|one| one == address));
    let servers = servers.into_iter().map(|(_, server)| server).collect::<Vec<_>>();
    let Ok(servers) = servers.try_into() else { panic!("there is one for each member") };
    (sender, servers, Dials { attempts, addresses })
}

/// With a paused clock: all tasks run until each of them waits, as the clock moves only then.
pub(crate) async fn quiet() {
    tokio::time::sleep(MILLISECOND).await;
}

/// What an error says of itself.
pub(crate) fn told(error: impl Into<Error>) -> (ErrorKind, Origin, bool) {
    let error = error.into();
    (error.kind(), error.origin(), error.was_sent())
}

/// A call in a task of its own, so that it goes on while the test does something else. `$call` is `sender.send(..)`.
#[macro_export]
macro_rules! call {
    ($sender:ident . $method:ident ( $($argument:expr),* ) $($more:tt)*) => {{
        let (sender, command) = ($sender.clone(), ($($argument),*));
        tokio::spawn(async move { sender.$method(command) $($more)* .await })
    }};
}

/// What hooks were told, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what.into());
    }

    /// Takes all that was told since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// No hooks.
pub(crate) type Plain = Sender<Store, Counting, NoHooks>;

/// Answers a Get or a Put.
pub(crate) async fn answer(server: &mut Server, seq: i64, said: &str) {
    server.send(&text_frame(seq, said)).await;
}
