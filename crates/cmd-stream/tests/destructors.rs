//! Destructors that panic. Whatever of the application's a server drops, or the task of a client: the call is answered, the
//! connection goes on, and nobody else on it notices.

use std::fmt;
use std::future::Future;
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};

use cmd_stream::protocol::FailedReason;
use cmd_stream::protocol::kind::Plain;
use cmd_stream::server::{Builder, Cut, Direct, Ended, Handle, Invocation, Replied, Scheduling, Served};
use cmd_stream::{
    Answer, CallError, Client, Command, ErrorKind, Execute, Failed, Failure, Invoker, Json, Proxy, Reply,
    Server, protocol,
};
use serde::{Deserialize, Serialize};
use testkit::ends::{both, client_and_bytes, json_frame};
use testkit::wait::{until, within};
use tokio::sync::Semaphore;
use tokio::task::JoinError;

/// Panics when it is dropped. Not while the thread unwinds: that aborts the process.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a destructor panics");
    }
}

/// What is decoded has one.
#[expect(clippy::unnecessary_wraps, reason = "what is not decoded has none")]
fn armed() -> Option<Bomb> {
    Some(Bomb)
}

/// The destructor of this payload panics with another one, whose destructor panics.
struct Nested;

impl Drop for Nested {
    fn drop(&mut self) {
        panic_any(Bomb)
    }
}

/// Where the bomb is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Place {
    Nowhere,
    Payload,
    PayloadOfPayload,
    /// In the future of the Command, which has answered.
    Future,
    FutureThatFailed,
    FutureWithoutReply,
    FutureThatPanicked,
    /// In the Command, which has answered.
    Command,
    /// The same, and an Invoker refuses it.
    CommandThatIsRefused,
    Error,
    Failure,
    Reply,
    ConnectionValue,
    Extension,
    InvokerPayload,
    InvokerFuture,
    OnReply,
}

/// How the call ends, and how many panics the server counts.
const PLACES: [(Place, Result<(), &str>, u64); 17] = [
    (Place::Nowhere, Ok(()), 0),
    (Place::Payload, Err("panic"), 1),
    (Place::PayloadOfPayload, Err("panic"), 1),
    (Place::Future, Ok(()), 1),
    (Place::FutureThatFailed, Err("panic"), 1),
    (Place::FutureWithoutReply, Err("panic"), 1),
    (Place::FutureThatPanicked, Err("panic"), 1),
    (Place::Command, Ok(()), 1),
    (Place::CommandThatIsRefused, Err("panic"), 1),
    (Place::Error, Err("a bad error"), 0),
    (Place::Failure, Err("a bad failure"), 0),
    (Place::Reply, Ok(()), 1),
    (Place::ConnectionValue, Ok(()), 0),
    (Place::Extension, Ok(()), 1),
    (Place::InvokerPayload, Err("panic"), 1),
    (Place::InvokerFuture, Ok(()), 1),
    (Place::OnReply, Ok(()), 0),
];

/// `HOW`: in a task of its own, in place, or in place first.
#[derive(Serialize, Deserialize)]
struct Do<const HOW: u8> {
    place: Place,
    #[serde(skip, default = "armed")]
    bomb: Option<Bomb>,
}

#[derive(Serialize, Deserialize)]
struct Wait;

#[derive(Serialize, Deserialize)]
struct Done {
    #[serde(skip)]
    #[expect(dead_code, reason = "it is dropped")]
    bomb: Option<Bomb>,
}

impl Reply for Done {}

#[derive(Serialize, Deserialize)]
struct Trouble {
    text: String,
    #[serde(skip)]
    #[expect(dead_code, reason = "it is dropped")]
    bomb: Option<Bomb>,
}

/// An error, which may have a bomb. The failure that is made of the other one has it.
struct BadError(Option<Bomb>);

macro_rules! errors {
    ($($error:ty: $text:expr;)*) => {$(
        impl fmt::Debug for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text: fn(&$error) -> &str = $text;
                f.write_str(text(self))
            }
        }
        impl fmt::Display for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self, f)
            }
        }
        impl std::error::Error for $error {}
    )*};
}
errors! {
    Trouble: |trouble| &trouble.text;
    BadError: |error| if error.0.is_some() { "a bad error" } else { "a bad failure" };
}

impl Failure for Trouble {
    fn from_failed(failed: &Failed) -> Self {
        let has_bomb = failed.downcast_ref::<BadError>().is_some_and(|error| error.0.is_none());
        let text = if failed.reason() == FailedReason::Panic { "panic".into() } else { failed.to_string() };
        Self { text, bomb: has_bomb.then(|| Bomb) }
    }
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Failed>> + Send + 'a>>;

/// A future with something else in it, which is dropped with it, and not by it.
struct With<F, T>(F, T);

impl<F: Future + Unpin, T: Unpin> Future for With<F, T> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// The Receiver: what a `Wait` waits for.
#[derive(Clone)]
struct Gate(Arc<Semaphore>);

impl<const HOW: u8> Command for Do<HOW> {
    type Reply = Done;
    type Kind = Plain;
}

impl Command for Wait {
    type Reply = Done;
    type Kind = Plain;
}

impl Execute<Gate> for Wait {
    async fn execute(self, gate: &Gate, proxy: Proxy<'_, Done>) -> Result<(), Failed> {
        gate.0.acquire().await?.forget();
        proxy.send(Done { bomb: None }).await
    }
}

impl<const HOW: u8> Execute<Gate> for Do<HOW> {
    const SCHEDULING: Scheduling = if HOW == 0 { Scheduling::Spawned } else { Scheduling::InPlace };

    fn execute(
        mut self,
        _: &Gate,
        proxy: Proxy<'_, Done>,
    ) -> impl Future<Output = Result<(), Failed>> + Send {
        let place = self.place;
        let bomb = self.bomb.take();
        let command = (place == Place::Command).then(|| Self { place, bomb: Some(Bomb) });
        let runs: Running<'_> = Box::pin(async move {
            if HOW == 2 {
                tokio::task::yield_now().await;
            }
            let _command = command;
            match place {
                Place::Payload => panic_any(Bomb),
                Place::PayloadOfPayload => panic_any(Nested),
                Place::FutureThatPanicked => panic!("the poll panics"),
                Place::FutureThatFailed => Err(Failed::new("as asked")),
                Place::FutureWithoutReply => Ok(()),
                Place::Error => Err(Failed::new(BadError(Some(Bomb)))),
                Place::Failure => Err(Failed::new(BadError(None))),
                _ => {
                    if place == Place::ConnectionValue {
                        let _ = proxy.context().connection().insert(Bomb);
                    }
                    proxy.send(Done { bomb: (place == Place::Reply).then(|| Bomb) }).await
                }
            }
        });
        let in_future =
            [Place::Future, Place::FutureThatFailed, Place::FutureWithoutReply, Place::FutureThatPanicked];
        let runs: Running<'_> = if in_future.contains(&place) { Box::pin(With(runs, Bomb)) } else { runs };
        std::mem::forget(bomb);
        runs
    }
}

protocol! {
    struct Bombs {
        commands { 0 => Do<0> as Alone, 1 => Do<1> as InPlace, 2 => Do<2> as InPlaceFirst, 3 => Wait }
        replies { 0 => Done, 1 => Trouble }
        failure Trouble
    }
}

/// Has bombs for Commands whose place it is.
struct Trap;

impl Trap {
    fn place(command: BombsCommand<'_>) -> Place {
        match command {
            BombsCommand::Alone(command) => command.place,
            BombsCommand::InPlace(command) => command.place,
            BombsCommand::InPlaceFirst(command) => command.place,
            BombsCommand::Wait(_) => Place::Nowhere,
        }
    }
}

impl Invoker<Bombs> for Trap {
    const SEES_REPLIES: bool = true;

    fn invoke(
        &self,
        mut invocation: impl Invocation<Bombs>,
    ) -> impl Future<Output = Result<Ended, Failed>> + Send {
        let place = Self::place(invocation.command());
        let runs = Box::pin(async move {
            match place {
                Place::CommandThatIsRefused => return Err(Failed::new("refused")),
                Place::InvokerPayload => panic_any(Bomb),
                Place::OnReply => drop(invocation.extensions().insert(OnReply)),
                _ => {}
            }
            invocation.run().await
        });
        With(runs, (place == Place::InvokerFuture).then(|| Bomb))
    }

    fn on_reply(&self, reply: &Replied<'_>) {
        if reply.extension::<OnReply>().is_some() {
            panic_any(Bomb)
        }
    }
}

struct OnReply;

/// Inserts the value into the extensions. It is not told of Replies, so that these stay with the Command.
struct Inserts;

impl Invoker<Bombs> for Inserts {
    async fn invoke(&self, mut invocation: impl Invocation<Bombs>) -> Result<Ended, Failed> {
        if Trap::place(invocation.command()) == Place::Extension {
            invocation.extensions().insert(Bomb);
        }
        invocation.run().await
    }
}

/// A server without an Invoker.
type Alone = Builder<Bombs, Json, Gate, Direct>;

async fn answer<const HOW: u8>(client: &Client<Bombs, Json>, place: Place) -> Result<(), String>
where
    Do<HOW>: cmd_stream::protocol::CommandOf<Bombs> + Command<Reply = Done, Kind = Plain>,
{
    match within(client.send(Do::<HOW> { place, bomb: None })).await {
        Ok(_) => Ok(()),
        Err(CallError::Failed(trouble)) => Err(trouble.text.clone()),
        Err(CallError::Other(error)) => Err(format!("lost: {error:#}")),
    }
}

async fn try_all<const HOW: u8, I: Invoker<Bombs>>(
    with: fn(Alone) -> Builder<Bombs, Json, Gate, I>,
    but: &[Place],
) where
    Do<HOW>: cmd_stream::protocol::CommandOf<Bombs> + Command<Reply = Done, Kind = Plain>,
{
    for (place, expected, panics) in PLACES.into_iter().filter(|(place, ..)| !but.contains(place)) {
        let gate = Gate(Arc::new(Semaphore::new(0)));
        let server = with(Server::builder(Bombs, Json, gate.clone()));
        let (client, server): (_, Handle) = both(server, Client::builder(Bombs, Json)).await;
        let bystander = tokio::spawn({
            let client = client.clone();
            async move { client.send(Wait).await.is_ok() }
        });
        until(|| server.counters().started == 1).await;
        assert_eq!(answer::<HOW>(&client, place).await, expected.map_err(str::to_owned), "{place:?}, {HOW}");
        assert_eq!(answer::<HOW>(&client, Place::Nowhere).await, Ok(()), "after {place:?}, {HOW}");
        gate.0.add_permits(1);
        assert!(within(bystander).await.expect("no panic"), "beside {place:?}, {HOW}");
        until(|| server.counters().panicked == panics).await;
        drop(client);
        until(|| server.counters().open == 0).await;
    }
}

#[tokio::test]
async fn a_command_is_answered_wherever_a_destructor_panics() {
    // Where the extensions are kept for the Replies, their end is not that of the Command.
    let but = [Place::Extension];
    try_all::<0, _>(|server| server.invoker(Trap), &but).await;
    try_all::<1, _>(|server| server.invoker(Trap), &but).await;
    try_all::<2, _>(|server| server.invoker(Trap), &but).await;
}

#[tokio::test]
async fn the_same_with_an_invoker_that_is_not_told_of_replies() {
    let but = [Place::CommandThatIsRefused, Place::InvokerPayload, Place::InvokerFuture, Place::OnReply];
    try_all::<0, _>(|server| server.invoker(Inserts), &but).await;
    try_all::<1, _>(|server| server.invoker(Inserts), &but).await;
    try_all::<2, _>(|server| server.invoker(Inserts), &but).await;
}

#[tokio::test]
async fn the_same_without_an_invoker() {
    let but = [
        Place::CommandThatIsRefused,
        Place::Extension,
        Place::InvokerPayload,
        Place::InvokerFuture,
        Place::OnReply,
    ];
    try_all::<0, _>(|server| server, &but).await;
    try_all::<1, _>(|server| server, &but).await;
    try_all::<2, _>(|server| server, &but).await;
}

// The end of a server.

#[derive(Serialize, Deserialize)]
struct Greet;

/// A Receiver, or an Invoker.
struct Owner(#[expect(dead_code, reason = "it is dropped")] Option<Bomb>);

impl Answer<Owner> for Greet {
    async fn answer(self, _: &Owner, _: &cmd_stream::Context<'_>) -> Result<Done, Failed> {
        Ok(Done { bomb: None })
    }
}

impl Command for Greet {
    type Reply = Done;
    type Kind = Plain;
}

impl Invoker<Greeting> for Owner {
    async fn invoke(&self, invocation: impl Invocation<Greeting>) -> Result<Ended, Failed> {
        invocation.run().await
    }
}

protocol! {
    struct Greeting { commands { 0 => Greet } replies { 0 => Done } failure close_connection }
}

/// Serves a client, which is there until the end, or not. Returns how `serve` has ended.
async fn served_by<I: Invoker<Greeting>>(
    server: Builder<Greeting, Json, Owner, I>,
    is_there: bool,
) -> Result<Served, JoinError> {
    let server = server.bind("127.0.0.1:0").await.expect("a free port");
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());
    let client = Client::builder(Greeting, Json).reconnect(false).connect(handle.local_addr());
    let client = within(client).await.expect("it listens");
    within(client.send(Greet)).await.expect("a reply");
    if is_there {
        handle.shutdown();
        let reason = within(client.closed()).await;
        assert_eq!(reason.kind(), ErrorKind::Closed, "{reason:#}");
    } else {
        drop(client);
        until(|| handle.counters().open == 0).await;
        handle.shutdown();
    }
    within(serving).await
}

#[tokio::test]
async fn a_server_ends_as_usual_when_what_it_was_made_of_panics() {
    let builder = |bomb| Server::builder(Greeting, Json, Owner(bomb));
    let armed_callback = || {
        let bomb = armed();
        move || {
            let _ = &bomb;
        }
    };
    for is_there in [true, false] {
        let ended = [
            served_by(builder(armed()), is_there).await,
            served_by(builder(None).invoker(Owner(armed())), is_there).await,
            {
                let call = armed_callback();
                served_by(builder(None).on_connection_lost(move |_| call()), is_there).await
            },
            {
                let call = armed_callback();
                served_by(builder(None).on_connected(move |_| call()), is_there).await
            },
        ];
        for ended in ended {
            assert!(matches!(ended, Ok(Served::Shutdown(cut)) if cut == Cut::default()), "{ended:?}");
        }
    }
}

// The client.

#[derive(Serialize, Deserialize)]
struct Ask {
    #[serde(skip)]
    #[expect(dead_code, reason = "it is dropped")]
    bomb: Option<Bomb>,
}

/// Has a bomb when it is decoded.
#[derive(Serialize, Deserialize)]
struct Live {
    last: bool,
    #[serde(skip, default = "armed")]
    bomb: Option<Bomb>,
}

impl Live {
    fn disarm(mut self) {
        std::mem::forget(self.bomb.take());
    }
}

impl Reply for Live {
    fn is_last(&self) -> bool {
        self.last
    }
}

impl Command for Ask {
    type Reply = Live;
    type Kind = Plain;
}

protocol! {
    struct Mines { commands { 0 => Ask } replies { 0 => Live } failure close_connection }
}

fn ask(seq: u64) -> Vec<u8> {
    json_frame(seq, 0, "{}")
}

fn live(seq: u64, last: bool) -> Vec<u8> {
    json_frame(seq, 0, &format!(r#"{{"last":{last}}}"#))
}

#[tokio::test(start_paused = true)]
async fn a_client_goes_on_when_a_reply_that_nobody_takes_panics() {
    for calls_back in [false, true] {
        let unexpected = Arc::new(AtomicUsize::new(0));
        let mut client = Client::builder(Mines, Json);
        if calls_back {
            let unexpected = Arc::clone(&unexpected);
            client = client.on_unexpected_reply(move |_, reply: MinesReply| {
                unexpected.fetch_add(1, SeqCst);
                std::mem::forget(reply);
                panic_any(Nested)
            });
        }
        let (client, mut peer) = client_and_bytes(client, 1 << 16).await;
        let asks = async { within(client.send(Ask { bomb: None })).await.expect("a reply").disarm() };
        let serves = async {
            peer.expect(&ask(1)).await;
            peer.send(&[live(7, true), live(8, true), live(1, true)].concat()).await;
        };
        tokio::join!(asks, serves);
        assert_eq!(client.counters().unexpected, 2);
        assert_eq!(unexpected.load(SeqCst), if calls_back { 2 } else { 0 });

        // A call, and a stream, that are dropped when their Replies are there.
        let mut stream = within(client.stream(Ask { bomb: None })).await.expect("it is sent");
        let mut call = Box::pin(client.send(Ask { bomb: None }));
        assert!(futures_util::FutureExt::now_or_never(&mut call).is_none());
        peer.expect(&[ask(2), ask(3)].concat()).await;
        peer.send(&[live(2, false), live(2, false), live(3, true), live(2, false)].concat()).await;
        within(stream.next()).await.expect("one").expect("a reply").disarm();
        drop(call);
        drop(stream);
        assert_eq!(client.in_flight(), 0);

        let asks = async { within(client.send(Ask { bomb: None })).await.expect("a reply").disarm() };
        let serves = async {
            peer.expect(&ask(4)).await;
            peer.send(&live(4, true)).await;
        };
        tokio::join!(asks, serves);
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_destructor_panics_is_not_sent_and_fails_its_call() {
    let (client, mut peer) = client_and_bytes(Client::builder(Mines, Json), 1 << 16).await;
    let Err(error) = within(client.send(Ask { bomb: Some(Bomb) })).await else { panic!("it panics") };
    let CallError::Other(error) = error;
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Panic, false), "{error:#}");
    let asks = async { within(client.send(Ask { bomb: None })).await.expect("a reply").disarm() };
    let serves = async {
        peer.expect(&ask(1)).await;
        peer.send(&live(1, true)).await;
    };
    tokio::join!(asks, serves);
}
