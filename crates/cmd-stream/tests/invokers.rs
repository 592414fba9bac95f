//! How Commands ended, as the Invoker sees it, and several Invokers around each other.

use std::sync::{Arc, Mutex};

use cmd_stream::protocol::Protocol;
use cmd_stream::server::{Ended, Invocation};
use cmd_stream::{
    Answer, CallError, Client, Context, Execute, Failed, Invoker, Json, Problem, Proxy, Server, protocol,
};
use serde::{Deserialize, Serialize};
use testkit::ends::both;
use testkit::wait::within;

struct Service;

/// Does what its text says.
#[derive(Serialize, Deserialize)]
struct Act(String);
/// Panics at once.
#[derive(Serialize, Deserialize)]
struct Early;
/// Ends without a Reply.
#[derive(Serialize, Deserialize)]
struct Nothing;
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Done;

/// What an Invoker told a Command.
struct Trail(Vec<&'static str>);

impl Answer<Service> for Act {
    async fn answer(self, _: &Service, context: &Context<'_>) -> Result<Done, Failed> {
        if let Some(trail) = context.extensions().get::<Trail>() {
            assert_eq!(trail.0, ["outer", "middle", "inner"]);
        }
        match self.0.as_str() {
            "fail" => Err(Failed::new("as asked")),
            "overloaded" => Err(Failed::overloaded("as asked")),
            "panic" => panic!("as asked"),
            _ => Ok(Done),
        }
    }
}

/// Not an `async fn`: it panics before there is a future.
impl Execute<Service> for Early {
    #[expect(unreachable_code, unused_variables, reason = "the type of what it would return")]
    fn execute(self, _: &Service, proxy: Proxy<'_, Done>) -> impl Future<Output = Result<(), Failed>> + Send {
        panic!("as asked");
        proxy.send(Done)
    }
}

impl Execute<Service> for Nothing {
    async fn execute(self, _: &Service, _: Proxy<'_, Done>) -> Result<(), Failed> {
        Ok(())
    }
}

protocol! {
    struct Acts {
        commands { 0 => Act -> Done, 1 => Nothing -> Done, 2 => Early -> Done }
        replies { 0 => Done, 1 => Problem }
        failure Problem
    }
}

type Log = Arc<Mutex<Vec<String>>>;

/// Notes what it sees, under its name.
struct Note(&'static str, Log);

impl<P: Protocol> Invoker<P> for Note {
    async fn invoke(&self, mut invocation: impl Invocation<P>) -> Result<Ended, Failed> {
        let name = self.0;
        let mut trail = invocation.extensions().get::<Trail>().map_or(Vec::new(), |trail| trail.0.clone());
        trail.push(name);
        invocation.extensions().insert(Trail(trail));
        self.1.lock().expect("no panic").push(format!("{name} before {}", invocation.entry().name));
        let ended = invocation.run().await;
        let told = match &ended {
            Ok(ended) => format!("{ended:?}"),
            Err(failed) => format!("{:?}: {failed}", failed.reason()),
        };
        self.1.lock().expect("no panic").push(format!("{name} after {told}"));
        ended
    }
}

#[tokio::test]
async fn run_tells_how_the_command_ended_panics_included() {
    let log = Log::default();
    let server = Server::builder(Acts, Json, Service).invoker(Note("outer", Arc::clone(&log)));
    let server = server.invoker(Note("middle", Log::default())).invoker(Note("inner", Log::default()));
    let (client, _) = both(server, Client::builder(Acts, Json)).await;
    let code = |answer: Result<Done, CallError<Problem>>| match answer {
        Ok(Done) => 0,
        Err(CallError::Failed(problem)) => problem.code,
        Err(CallError::Other(error)) => panic!("{error:#}"),
    };
    let mut codes = Vec::new();
    for text in ["do", "fail", "overloaded", "panic"] {
        codes.push(code(within(client.send(Act(text.into()))).await));
    }
    codes.push(code(within(client.send(Nothing)).await));
    codes.push(code(within(client.send(Early)).await));
    assert_eq!(
        codes,
        [
            0,
            Problem::FAILED,
            Problem::OVERLOADED,
            Problem::PANICKED,
            Problem::NO_LAST_REPLY,
            Problem::PANICKED
        ]
    );
    let log = log.lock().expect("no panic").clone();
    let after: Vec<_> = log.iter().filter(|line| line.contains("after")).collect();
    assert_eq!(
        after,
        [
            "outer after Replied",
            "outer after Error: as asked",
            "outer after Overloaded: as asked",
            "outer after Panic: panic: as asked",
            "outer after NoLastReply: the command ended without a last reply",
            "outer after Panic: panic: as asked",
        ]
    );
}

#[tokio::test]
async fn a_panic_before_there_is_a_future_is_caught_inside_run_too() {
    let log = Log::default();
    let server = Server::builder(Acts, Json, Service).invoker(Note("only", Arc::clone(&log)));
    let (client, handle) = both(server, Client::builder(Acts, Json)).await;
    let answer = within(client.send(Early)).await;
    assert!(matches!(answer, Err(CallError::Failed(problem)) if problem.code == Problem::PANICKED));
    assert_eq!(*log.lock().expect("no panic"), ["only before Early", "only after Panic: panic: as asked"]);
    assert_eq!((handle.counters().failed, handle.counters().panicked), (1, 1));
}

#[tokio::test]
async fn the_first_invoker_is_the_outermost() {
    let log = Log::default();
    let server = Server::builder(Acts, Json, Service)
        .invoker(Note("outer", Arc::clone(&log)))
        .invoker(Note("middle", Arc::clone(&log)))
        .invoker(Note("inner", Arc::clone(&log)));
    let (client, _) = both(server, Client::builder(Acts, Json)).await;
    within(client.send(Act("do".into()))).await.expect("a reply");
    assert_eq!(
        *log.lock().expect("no panic"),
        [
            "outer before Act",
            "middle before Act",
            "inner before Act",
            "inner after Replied",
            "middle after Replied",
            "outer after Replied",
        ]
    );
}

/// Panics instead of running a Command.
struct Panics;

impl<P: Protocol> Invoker<P> for Panics {
    async fn invoke(&self, _: impl Invocation<P>) -> Result<Ended, Failed> {
        panic!("as asked")
    }
}

/// Runs nothing, and says that all is well.
struct Lies;

impl<P: Protocol> Invoker<P> for Lies {
    async fn invoke(&self, _: impl Invocation<P>) -> Result<Ended, Failed> {
        Ok(Ended::Replied)
    }
}

/// Runs the Command, and keeps what it failed with to itself.
struct Hides;

impl<P: Protocol> Invoker<P> for Hides {
    async fn invoke(&self, invocation: impl Invocation<P>) -> Result<Ended, Failed> {
        let _ = invocation.run().await;
        Ok(Ended::Replied)
    }
}

async fn code(
    server: cmd_stream::server::Builder<Acts, Json, Service, impl Invoker<Acts>>,
    text: &str,
) -> u32 {
    let (client, _) = both(server, Client::builder(Acts, Json)).await;
    match within(client.send(Act(text.into()))).await {
        Ok(Done) => 0,
        Err(CallError::Failed(problem)) => problem.code,
        Err(CallError::Other(error)) => panic!("{error:#}"),
    }
}

#[tokio::test]
async fn a_panic_of_an_invoker_is_seen_by_the_one_around_it_and_fails_the_command() {
    let log = Log::default();
    let server =
        Server::builder(Acts, Json, Service).invoker(Note("outer", Arc::clone(&log))).invoker(Panics);
    assert_eq!(code(server, "do").await, Problem::PANICKED);
    assert_eq!(log.lock().expect("no panic")[1], "outer after Panic: panic: as asked");
    assert_eq!(code(Server::builder(Acts, Json, Service).invoker(Panics), "do").await, Problem::PANICKED);
}

#[tokio::test]
async fn an_invoker_cannot_make_an_unanswered_command_an_answered_one() {
    assert_eq!(code(Server::builder(Acts, Json, Service).invoker(Lies), "do").await, Problem::NO_LAST_REPLY);
    assert_eq!(
        code(Server::builder(Acts, Json, Service).invoker(Hides), "fail").await,
        Problem::NO_LAST_REPLY
    );
    assert_eq!(code(Server::builder(Acts, Json, Service).invoker(Hides), "do").await, 0);
}

/// Fails a Command that has been answered.
struct TooLate;

impl<P: Protocol> Invoker<P> for TooLate {
    async fn invoke(&self, invocation: impl Invocation<P>) -> Result<Ended, Failed> {
        assert!(invocation.run().await.is_ok());
        Err(Failed::overloaded("too late"))
    }
}

#[tokio::test]
async fn an_invoker_that_fails_a_command_after_its_last_reply_is_only_counted() {
    let server = Server::builder(Acts, Json, Service).invoker(TooLate);
    let (client, handle) = both(server, Client::builder(Acts, Json)).await;
    within(client.send(Act("do".into()))).await.expect("it was answered before");
    testkit::wait::until(|| handle.counters().failed_after_last_reply == 1).await;
    assert_eq!(handle.counters().failed, 0);
}
