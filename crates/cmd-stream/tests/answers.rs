//! A Command whose Reply is a return value, and what its Context tells it.

use std::time::Duration;

use cmd_stream::protocol::Protocol;
use cmd_stream::server::{Connection, Ended, Invocation, Scheduling};
use cmd_stream::{Answer, CallError, Client, Context, Failed, Failure, Invoker, Json, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::ends::both;
use testkit::wait::within;
use tokio::time::Instant;

struct Desk;

#[derive(Serialize, Deserialize)]
struct Ask {
    text: String,
}

/// What the Context says of an [`Ask`].
#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Known {
    text: String,
    seq: i64,
    peer: String,
    size: usize,
    is_fresh: bool,
    connection: u64,
    mark: Option<u32>,
    visits: usize,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Failure)]
struct Refused(String);

/// What the Invoker gives a Command.
struct Mark(u32);
/// What a connection keeps.
struct Visits(std::sync::atomic::AtomicUsize);

fn visit(connection: &Connection) -> usize {
    let visits = connection.get_or_insert_with(|| Visits(0.into()));
    visits.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1
}

impl Answer<Desk> for Ask {
    async fn answer(self, _: &Desk, context: &Context<'_>) -> Result<Known, Failed> {
        match self.text.as_str() {
            "fail" => return Err(Refused("as asked".into()).into()),
            "panic" => panic!("as asked"),
            _ => {}
        }
        Ok(Known {
            text: self.text,
            seq: context.seq().get(),
            peer: context.peer().to_string(),
            size: context.size(),
            is_fresh: context.received_at() <= Instant::now()
                && context.received_at().elapsed() < Duration::from_secs(20),
            connection: context.connection().id(),
            mark: context.extensions().get::<Mark>().map(|mark| mark.0),
            visits: visit(context.connection()),
        })
    }
}

protocol! {
    struct Office {
        commands { 0 => Ask -> Known }
        replies { 0 => Known, 1 => Refused }
        failure Refused
    }
}

struct Marks;

impl<P: Protocol> Invoker<P> for Marks {
    async fn invoke(&self, mut invocation: impl Invocation<P>) -> Result<Ended, Failed> {
        invocation.extensions().insert(Mark(7));
        invocation.run().await
    }
}

async fn ask(client: &Client<Office, Json>, text: &str) -> Result<Known, CallError<Refused>> {
    within(client.send(Ask { text: text.into() })).await
}

#[tokio::test]
async fn what_it_returns_is_the_reply_and_its_context_knows_the_command_and_its_connection() {
    let (client, _) =
        both(Server::builder(Office, Json, Desk).invoker(Marks), Client::builder(Office, Json)).await;
    let known = ask(&client, "hi").await.expect("a reply");
    let expected = Known {
        text: "hi".into(),
        seq: 1,
        peer: "memory".into(),
        size: 3 + r#"{"text":"hi"}"#.len(),
        is_fresh: true,
        connection: 1,
        mark: Some(7),
        visits: 1,
    };
    assert_eq!(known, expected);
    let again = ask(&client, "hi").await.expect("a reply");
    assert_eq!((again.seq, again.visits), (2, 2), "the connection keeps what was put into it");
}

#[tokio::test]
async fn an_error_is_the_failure_and_so_is_a_panic() {
    let (client, handle) = both(Server::builder(Office, Json, Desk), Client::builder(Office, Json)).await;
    assert!(matches!(ask(&client, "fail").await, Err(CallError::Failed(refused)) if refused.0 == "as asked"));
    assert!(
        matches!(ask(&client, "panic").await, Err(CallError::Failed(refused)) if refused.0 == "panic: as asked")
    );
    assert_eq!(ask(&client, "and on").await.expect("the connection goes on").mark, None);
    let counters = handle.counters();
    assert_eq!((counters.failed, counters.panicked), (2, 1));
}

/// Executed through `Execute`, as a server does it.
const fn scheduling<R, C: cmd_stream::Execute<R>>() -> Scheduling {
    C::SCHEDULING
}

struct Spawned;

#[derive(Serialize, Deserialize)]
struct Done;

impl cmd_stream::Command for Spawned {
    type Reply = Done;
    type Kind = cmd_stream::protocol::kind::Plain;
}

impl Answer<Desk> for Spawned {
    const SCHEDULING: Scheduling = Scheduling::Spawned;

    async fn answer(self, _: &Desk, _: &Context<'_>) -> Result<Done, Failed> {
        Ok(Done)
    }
}

#[test]
fn its_scheduling_is_that_of_the_command() {
    assert_eq!(scheduling::<Desk, Spawned>(), Scheduling::Spawned);
    assert_eq!(scheduling::<Desk, Ask>(), Scheduling::Adaptive);
}
