//! A service whose Commands start, wait and end as the test says, and a server of it that tells what it lost.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::sync::Arc;

use cmd_stream::client::Client;
use cmd_stream::server::{Counters, Handle, Limits, LostConnection, Scheduling, Served};
use cmd_stream::transport::{Accept, Connect, Peer};
use cmd_stream::{Answer, Context, Error, Execute, Failed, Json, Proxy, Reply, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::wait::within;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

/// The Receiver: what its Commands wait for, and what they did.
#[derive(Clone, Debug)]
pub(crate) struct Lab(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    gate: Semaphore,
    seen: watch::Sender<Seen>,
}

/// What the Commands of a lab did so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Seen {
    /// Commands that wait, or have waited, at the gate or for the end of their connection.
    pub(crate) started: usize,
    /// Those that have not ended yet, now and at most.
    pub(crate) running: usize,
    pub(crate) most_running: usize,
    pub(crate) ended: usize,
    /// Commands that saw their connection gone.
    pub(crate) saw_closed: usize,
    /// Replies of [`Count`] that were taken for output, and such that were refused.
    pub(crate) counted: usize,
    pub(crate) uncounted: usize,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner { gate: Semaphore::new(0), seen: watch::Sender::default() }))
    }

    /// Lets this many Commands through the gate.
    pub(crate) fn open_gate(&self, commands: usize) {
        self.0.gate.add_permits(commands);
    }

    pub(crate) fn seen(&self) -> Seen {
        *self.0.seen.borrow()
    }

    /// Waits until the Commands have done this.
    pub(crate) async fn until(&self, condition: impl Fn(&Seen) -> bool) -> Seen {
        let mut seen = self.0.seen.subscribe();
        *within(seen.wait_for(|seen| condition(seen))).await.expect("the lab is there")
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        self.0.seen.send_modify(change);
    }

    async fn pass_the_gate(&self) {
        self.0.gate.acquire().await.expect("the gate is never closed").forget();
    }

    /// Counts a Command that runs.
    fn begin(&self) -> Begun<'_> {
        self.note(|seen| {
            seen.started += 1;
            seen.running += 1;
            seen.most_running = seen.most_running.max(seen.running);
        });
        Begun(self)
    }
}

struct Begun<'a>(&'a Lab);

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.note(|seen| {
            seen.running -= 1;
            seen.ended += 1;
        });
    }
}

/// Answered with its text, in place.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Echo {
    pub(crate) text: String,
}

/// Answered with its text when the gate lets it through.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Hold {
    pub(crate) text: String,
}

/// Answered with the numbers from 1.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) to: u64,
}

/// Answered with a text of so many bytes, or with why that cannot be sent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Grow {
    pub(crate) bytes: usize,
}

/// Fails, in place.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Fail {}

/// Panics: at once, or after its connection is gone.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Boom {
    pub(crate) late: bool,
}

/// Waits for the end of its connection, then for the gate, and sends nothing.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Stay {}

/// Answered with itself, in place. As deep as its brackets.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Nest(Vec<Self>);

/// Answered with the text of its flag, in place.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Flag {
    pub(crate) on: bool,
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

impl Answer<Lab> for Echo {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn answer(self, _: &Lab, _: &Context<'_>) -> Result<Text, Failed> {
        Ok(Text(self.text))
    }
}

impl Execute<Lab> for Hold {
    async fn execute(self, lab: &Lab, proxy: Proxy<'_, Text>) -> Result<(), Failed> {
        // It runs until its Reply is in the output.
        let _begun = lab.begin();
        lab.pass_the_gate().await;
        proxy.send(Text(self.text)).await
    }
}

impl Execute<Lab> for Count {
    async fn execute(self, lab: &Lab, proxy: Proxy<'_, Number>) -> Result<(), Failed> {
        for value in 1..=self.to {
            if let Err(failed) = proxy.send(Number { value, last: value == self.to }).await {
                lab.note(|seen| seen.uncounted += 1);
                return Err(failed);
            }
            lab.note(|seen| seen.counted += 1);
        }
        Ok(())
    }
}

impl Execute<Lab> for Grow {
    async fn execute(self, _: &Lab, proxy: Proxy<'_, Text>) -> Result<(), Failed> {
        let Err(failed) = proxy.send(Text("x".repeat(self.bytes))).await else { return Ok(()) };
        let kind = failed.downcast_ref::<Error>().map(Error::kind);
        proxy.send(Text(format!("{kind:?}: {failed:#}"))).await
    }
}

impl Answer<Lab> for Fail {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn answer(self, _: &Lab, _: &Context<'_>) -> Result<Text, Failed> {
        Err(Failed::new("as it was asked to"))
    }
}

impl Answer<Lab> for Boom {
    async fn answer(self, lab: &Lab, context: &Context<'_>) -> Result<Text, Failed> {
        if self.late {
            let _begun = lab.begin();
            context.closed().await;
        }
        panic!("as it was asked to");
    }
}

impl Execute<Lab> for Stay {
    async fn execute(self, lab: &Lab, proxy: Proxy<'_, Text>) -> Result<(), Failed> {
        let _begun = lab.begin();
        proxy.closed().await;
        lab.note(|seen| seen.saw_closed += 1);
        lab.pass_the_gate().await;
        Ok(())
    }
}

impl Answer<Lab> for Nest {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn answer(self, _: &Lab, _: &Context<'_>) -> Result<Self, Failed> {
        Ok(self)
    }
}

impl Answer<Lab> for Flag {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn answer(self, _: &Lab, _: &Context<'_>) -> Result<Text, Failed> {
        Ok(Text(self.on.to_string()))
    }
}

protocol! {
    /// The lab's Commands. One that fails ends its connection, as in Go.
    pub(crate) struct Plain {
        commands {
            0 => Echo -> Text,
            1 => Hold -> Text,
            2 => Count -> Number,
            3 => Grow -> Text,
            4 => Fail -> Text,
            5 => Boom -> Text,
            6 => Stay -> Text,
            7 => Nest -> Nest,
            8 => Flag -> Text,
        }
        replies { 0 => Text, 1 => Number, 2 => Nest }
        failure close_connection
    }
}

/// An [`Echo`] and the Reply to it.
pub(crate) fn echo(text: &str) -> Echo {
    Echo { text: text.into() }
}

/// A [`Hold`].
pub(crate) fn hold(text: &str) -> Hold {
    Hold { text: text.into() }
}

/// A [`Text`].
pub(crate) fn text(text: &str) -> Text {
    Text(text.into())
}

/// A server of the Protocol [`Plain`], and what it tells.
pub(crate) struct World {
    pub(crate) lab: Lab,
    pub(crate) handle: Handle,
    pub(crate) serving: JoinHandle<Served>,
    pub(crate) losses: Losses,
}

/// A connection that a server has lost: what a [`LostConnection`] says of it.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    pub(crate) id: u64,
    pub(crate) peer: Peer,
    pub(crate) reason: Error,
    pub(crate) commands_left: usize,
}

impl Lost {
    fn of(lost: &LostConnection<'_>) -> Self {
        let LostConnection { connection, ref reason, commands_left, .. } = *lost;
        Self { id: connection.id(), peer: connection.peer().clone(), reason: reason.clone(), commands_left }
    }
}

/// The connections that a server has lost.
pub(crate) struct Losses(Mutex<mpsc::UnboundedReceiver<Lost>>);

impl Losses {
    /// What tells, and whom it is told.
    pub(crate) fn channel() -> (impl Fn(&LostConnection<'_>) + Send + Sync + 'static, Self) {
        let (lose, lost) = mpsc::unbounded_channel();
        (move |lost: &LostConnection<'_>| drop(lose.send(Lost::of(lost))), Self(Mutex::new(lost)))
    }

    /// The next one.
    pub(crate) async fn next(&self) -> Lost {
        within(async { self.0.lock().await.recv().await }).await.expect("the server is there")
    }
}

impl World {
    /// A server on any listener.
    pub(crate) fn over(listener: impl Accept, limits: Limits) -> Self {
        let (lab, (lose, losses)) = (Lab::new(), Losses::channel());
        let builder = Server::builder(Plain, Json, lab.clone()).limits(limits).on_connection_lost(lose);
        let server = builder.listen(listener).expect("it has an address");
        let handle = server.handle();
        Self { lab, handle, serving: tokio::spawn(server.serve()), losses }
    }

    /// A server on a TCP port of its own.
    pub(crate) async fn tcp(limits: Limits) -> Self {
        Self::over(TcpListener::bind("127.0.0.1:0").await.expect("a port is free"), limits)
    }

    pub(crate) fn address(&self) -> String {
        self.handle.local_addr().to_string()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.handle.counters()
    }

    /// A client over TCP, for one connection.
    pub(crate) async fn client(&self) -> Client<Plain, Json> {
        let client = Client::builder(Plain, Json).reconnect(false);
        within(client.connect(self.address())).await.expect("the server is there")
    }

    /// The next connection that it has lost.
    pub(crate) async fn lost(&self) -> Lost {
        self.losses.next().await
    }

    /// How it ended.
    pub(crate) async fn served(self) -> Served {
        within(self.serving).await.expect("serve does not panic")
    }
}

/// A client by any transport, for one connection.
pub(crate) async fn client_by(transport: &(impl Connect + Clone)) -> Client<Plain, Json> {
    let client = Client::builder(Plain, Json).reconnect(false);
    within(client.connect_by(transport.clone())).await.expect("the server is there")
}

/// A call in a task of its own, so that it goes on while the test does something else. `$call` is `client.send(..)`.
#[macro_export]
macro_rules! call {
    ($client:ident . $method:ident ( $($argument:expr),* )) => {{
        let client = $client.clone();
        tokio::spawn(async move { client.$method($($argument),*).await })
    }};
}

/// With a paused clock: all tasks run until each of them waits, as the clock moves only then.
pub(crate) async fn quiet() {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
}
