//! Connections of a server: what the application keeps with them, and how they are made.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cmd_stream::server::{Connection, Ended, Invocation, Limits, Served};
use cmd_stream::transport::{Accept, Establish, Peer};
use cmd_stream::{Answer, CallError, Client, Context, Failed, Invoker, Json, Problem, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::ends::{both, serve_in_memory};
use testkit::wait::{until, within};
use tokio::io::DuplexStream;
use tokio::sync::{Notify, mpsc};

struct Service;

/// Who a connection belongs to.
#[derive(Debug, PartialEq)]
struct User(String);

#[derive(Serialize, Deserialize)]
struct LogIn(String);
#[derive(Serialize, Deserialize)]
struct WhoAmI;
#[derive(Serialize, Deserialize)]
struct LogOut;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Name(String);

impl Answer<Service> for LogIn {
    async fn answer(self, _: &Service, context: &Context<'_>) -> Result<Name, Failed> {
        let before = context.connection().insert(User(self.0));
        Ok(Name(before.map_or(String::new(), |user| user.0.clone())))
    }
}

impl Answer<Service> for WhoAmI {
    async fn answer(self, _: &Service, context: &Context<'_>) -> Result<Name, Failed> {
        let user = context.connection().get::<User>().ok_or_else(|| Failed::new("nobody"))?;
        Ok(Name(user.0.clone()))
    }
}

impl Answer<Service> for LogOut {
    async fn answer(self, _: &Service, context: &Context<'_>) -> Result<Name, Failed> {
        let user = context.connection().remove::<User>();
        Ok(Name(user.map_or(String::new(), |user| user.0.clone())))
    }
}

protocol! {
    struct Accounts {
        commands { 0 => LogIn -> Name, 1 => WhoAmI -> Name, 2 => LogOut -> Name }
        replies { 0 => Name, 1 => Problem }
        failure Problem
    }
}

fn server() -> cmd_stream::server::Builder<Accounts, Json, Service> {
    Server::builder(Accounts, Json, Service)
}

fn client() -> cmd_stream::client::Builder<Accounts, Json> {
    Client::builder(Accounts, Json)
}

async fn who(client: &Client<Accounts, Json>) -> Option<String> {
    match within(client.send(WhoAmI)).await {
        Ok(Name(name)) => Some(name),
        Err(CallError::Failed(_)) => None,
        Err(CallError::Other(error)) => panic!("{error:#}"),
    }
}

#[tokio::test]
async fn a_client_logs_in_once_and_every_later_command_of_its_connection_knows_it() {
    let (connector, _) = serve_in_memory(server());
    let alice = within(client().connect_by(connector.clone())).await.expect("it greets");
    let bob = within(client().connect_by(connector)).await.expect("it greets");
    assert_eq!(who(&alice).await, None);
    assert_eq!(within(alice.send(LogIn("alice".into()))).await.expect("a reply").0, "");
    assert_eq!(within(bob.send(LogIn("bob".into()))).await.expect("a reply").0, "");
    assert_eq!((who(&alice).await, who(&bob).await), (Some("alice".into()), Some("bob".into())));
    assert_eq!(within(alice.send(LogIn("eve".into()))).await.expect("a reply").0, "alice");
    assert_eq!(within(alice.send(LogOut)).await.expect("a reply").0, "eve");
    assert_eq!((who(&alice).await, who(&bob).await), (None, Some("bob".into())));
}

/// Refuses whoever has not logged in, with the Protocol's failure.
struct Authorise;

impl Invoker<Accounts> for Authorise {
    async fn invoke(&self, invocation: impl Invocation<Accounts>) -> Result<Ended, Failed> {
        let is_log_in = matches!(invocation.command(), AccountsCommand::LogIn(_));
        if !is_log_in && invocation.connection().get::<User>().is_none() {
            return Err(Problem::new(Problem::UNAUTHENTICATED, "log in first").into());
        }
        invocation.run().await
    }
}

#[tokio::test]
async fn an_invoker_sees_it_and_may_refuse_with_the_failure_of_the_protocol() {
    let (client, _) = both(server().invoker(Authorise), client()).await;
    let refused = within(client.send(WhoAmI)).await.expect_err("nobody has logged in");
    let CallError::Failed(problem) = refused else { panic!("{refused:?}") };
    assert_eq!(problem, Problem::new(Problem::UNAUTHENTICATED, "log in first"));
    within(client.send(LogIn("alice".into()))).await.expect("a reply");
    assert_eq!(who(&client).await, Some("alice".into()));
}

#[tokio::test]
async fn callbacks_are_told_of_its_beginning_and_its_end_and_share_its_values() {
    let (told, mut events) = mpsc::unbounded_channel();
    let (connected, lost) = (told.clone(), told);
    let server = server()
        .on_connected(move |connection: &Connection| {
            connection.insert(User(format!("guest {}", connection.id())));
            let _ = connected.send(format!("{} {} is here", connection.id(), connection.peer()));
        })
        .on_connection_lost(move |gone| {
            let user = gone.connection.get::<User>().map_or(String::new(), |user| user.0.clone());
            let _ = lost.send(format!("{} {user} has left: {}", gone.connection.id(), gone.reason));
        });
    let (connector, _) = serve_in_memory(server);
    for n in 1..=2 {
        let client = within(client().connect_by(connector.clone())).await.expect("it greets");
        assert_eq!(within(events.recv()).await, Some(format!("{n} memory is here")));
        assert_eq!(who(&client).await, Some(format!("guest {n}")));
        drop(client);
        let left = format!("{n} guest {n} has left: the client closed the connection");
        assert_eq!(within(events.recv()).await, Some(left));
    }
}

#[tokio::test]
async fn a_callback_that_panics_harms_nobody() {
    let server = server().on_connected(|_| panic!("as asked")).on_connection_lost(|_| panic!("as asked"));
    let (client, handle) = both(server, client()).await;
    within(client.send(LogIn("alice".into()))).await.expect("a reply");
    drop(client);
    until(|| handle.counters().open == 0).await;
}

/// A value whose destructor tells, and panics if it is asked to.
struct Bomb(mpsc::UnboundedSender<&'static str>, bool);

impl Drop for Bomb {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
        assert!(!self.1, "as asked");
    }
}

#[tokio::test]
async fn its_values_are_dropped_with_it_and_a_destructor_that_panics_harms_nobody() {
    let (told, mut dropped) = mpsc::unbounded_channel();
    let server = server().on_connected(move |connection| {
        connection.insert(Bomb(told.clone(), true));
        connection.insert(User("alice".into()));
    });
    let (connector, handle) = serve_in_memory(server);
    for _ in 0..2 {
        let client = within(client().connect_by(connector.clone())).await.expect("the server goes on");
        assert_eq!(who(&client).await, Some("alice".into()));
        drop(client);
        assert_eq!(within(dropped.recv()).await, Some("dropped"));
        until(|| handle.counters().open == 0).await;
    }
}

#[tokio::test]
async fn a_value_that_is_missing_is_made_once() {
    let (told, mut seen) = mpsc::unbounded_channel();
    let server = server().on_connected(move |connection| {
        let first = connection.get_or_insert_with(|| User("first".into()));
        let second = connection.get_or_insert_with(|| panic!("there is one: {first:?}"));
        let _ = told.send((first, second));
    });
    let (client, _) = both(server, client()).await;
    let (first, second) = within(seen.recv()).await.expect("the callback was called");
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(who(&client).await, Some("first".into()));
}

/// A transport with a handshake: each stream says what becomes of it.
struct Slow(mpsc::UnboundedReceiver<Shaking>);

struct Shaking {
    stream: DuplexStream,
    peer: Peer,
    handshake: Handshake,
}

enum Handshake {
    When(Arc<Notify>),
    Fails,
    Panics,
    Never,
}

impl Accept for Slow {
    type Incoming = Shaking;

    async fn accept(&mut self) -> io::Result<Shaking> {
        match self.0.recv().await {
            Some(shaking) => Ok(shaking),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer::other("slow"))
    }
}

impl Establish for Shaking {
    type Io = DuplexStream;

    fn peer(&self) -> &Peer {
        &self.peer
    }

    async fn establish(self) -> io::Result<(DuplexStream, Peer)> {
        match self.handshake {
            Handshake::When(told) => told.notified().await,
            Handshake::Fails => return Err(io::Error::other("as asked")),
            Handshake::Panics => panic!("as asked"),
            Handshake::Never => std::future::pending().await,
        }
        Ok((self.stream, Peer::other("established")))
    }
}

/// A server over that transport, and how to connect to it.
fn slow(
    limits: Limits,
) -> (cmd_stream::server::Handle, tokio::task::JoinHandle<Served>, impl Fn(Handshake) -> DuplexStream) {
    let (dial, accept) = mpsc::unbounded_channel();
    let server = server().limits(limits).listen(Slow(accept)).expect("it has an address");
    let handle = server.handle();
    let connect = move |handshake| {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let shaking = Shaking { stream: theirs, peer: Peer::other("unknown"), handshake };
        assert!(dial.send(shaking).is_ok(), "the server is there");
        ours
    };
    (handle, tokio::spawn(server.serve()), connect)
}

#[tokio::test]
async fn a_handshake_that_takes_its_time_holds_up_nobody_else() {
    let (_, _, connect) = slow(Limits::default());
    let (first, second) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = connect(Handshake::When(Arc::clone(&first)));
    second.notify_one();
    let quick = connect(Handshake::When(second));
    let quick = within(client().over(quick, Peer::other("server"))).await.expect("it greets");
    assert_eq!(who(&quick).await, None);
    first.notify_one();
    within(client().over(slow, Peer::other("server"))).await.expect("it greets");
}

#[tokio::test]
async fn a_handshake_that_fails_or_takes_too_long_is_counted_and_ends_its_connection() {
    let (handle, _, connect) = slow(Limits::default().handshake(Duration::from_millis(20)));
    let failed = within(client().over(connect(Handshake::Fails), Peer::other("server"))).await;
    failed.expect_err("its handshake failed");
    assert_eq!((handle.counters().handshakes_failed, handle.counters().handshake_timeouts), (1, 0));
    let panicked = within(client().over(connect(Handshake::Panics), Peer::other("server"))).await;
    panicked.expect_err("its handshake panicked");
    assert_eq!((handle.counters().handshakes_failed, handle.counters().handshake_timeouts), (2, 0));
    let late = within(client().over(connect(Handshake::Never), Peer::other("server"))).await;
    late.expect_err("its handshake takes for ever");
    assert_eq!((handle.counters().handshakes_failed, handle.counters().handshake_timeouts), (2, 1));
    until(|| handle.counters().open == 0).await;
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_handshakes() {
    let (handle, serving, connect) = slow(Limits::default());
    let _stream = connect(Handshake::Never);
    until(|| handle.counters().open == 1).await;
    handle.shutdown();
    let Served::Shutdown(cut) = within(serving).await.expect("no panic") else { panic!("it was a shutdown") };
    assert_eq!(cut.connections, 0);
}

#[tokio::test]
async fn commands_see_the_peer_that_the_handshake_found() {
    let (told, mut peers) = mpsc::unbounded_channel();
    let (dial, accept) = mpsc::unbounded_channel();
    let server = server()
        .on_connected(move |connection| {
            let _ = told.send(connection.peer().to_string());
        })
        .listen(Slow(accept))
        .expect("it has an address");
    tokio::spawn(server.serve());
    let (_ours, theirs) = tokio::io::duplex(1 << 16);
    let done = Arc::new(Notify::new());
    done.notify_one();
    let shaking = Shaking { stream: theirs, peer: Peer::other("unknown"), handshake: Handshake::When(done) };
    assert!(dial.send(shaking).is_ok(), "the server is there");
    assert_eq!(within(peers.recv()).await, Some("established".into()));
}
