//! Owned Proxies, which outlive `execute`: sending, waiting for room, and the end of connections and servers.

mod across_tasks;
mod after_execute;
mod going_away;
mod room;

use std::sync::atomic::{AtomicUsize, Ordering};

use cmd_stream::server::{OwnedProxy, Scheduling};
use cmd_stream::{Client, Execute, Failed, Json, Problem, Proxy, Reply, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::wait::within;
use tokio::sync::{Semaphore, mpsc};

type Handed = OwnedProxy<Part>;

/// The Receiver: hands owned Proxies to the test.
struct Desk(mpsc::UnboundedSender<Handed>);

/// Hands its Proxy over, then does what its text says.
#[derive(Serialize, Deserialize)]
struct HandOver(String);

/// Answers with this many parts from a blocking thread.
#[derive(Serialize, Deserialize)]
struct Blocking(usize);

/// Answers when the server goes away.
#[derive(Serialize, Deserialize)]
struct Watch;

/// Passes the gate, waits for room, and sends a Reply of this many bytes.
#[derive(Serialize, Deserialize)]
struct Ready(usize);

/// Sends this many parts from a worker thread of the runtime, inside `block_in_place`.
#[derive(Serialize, Deserialize)]
struct InPlace(usize);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Part {
    text: String,
    last: bool,
}

impl Reply for Part {
    fn is_last(&self) -> bool {
        self.last
    }
}

fn part(text: &str) -> Part {
    Part { text: text.into(), last: false }
}

fn last(text: &str) -> Part {
    Part { text: text.into(), last: true }
}

impl Execute<Desk> for HandOver {
    async fn execute(self, desk: &Desk, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        if self.0 == "send first" {
            proxy.send(part("first")).await?;
        }
        let handed = proxy.into_owned();
        assert!(desk.0.send(handed).is_ok(), "the test is there");
        match self.0.as_str() {
            "fail" => Err(Failed::new("as asked")),
            "answer" => proxy.send(last("from execute")).await,
            "wait" => {
                proxy.closed().await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Execute<Desk> for Blocking {
    async fn execute(self, _: &Desk, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        let proxy = proxy.into_owned();
        tokio::task::spawn_blocking(move || {
            for n in 1..=self.0 {
                let reply = Part { text: "x".repeat(1000), last: n == self.0 };
                proxy.send_blocking(reply).expect("the client reads");
            }
        });
        Ok(())
    }
}

impl Execute<Desk> for Watch {
    async fn execute(self, _: &Desk, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        proxy.send(part("watching")).await?;
        proxy.going_away().await;
        proxy.send(last("going away")).await
    }
}

static GATE: Semaphore = Semaphore::const_new(0);
static MADE: AtomicUsize = AtomicUsize::new(0);

impl Execute<Desk> for Ready {
    async fn execute(self, _: &Desk, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        GATE.acquire().await?.forget();
        proxy.ready().await?;
        MADE.fetch_add(1, Ordering::Relaxed);
        proxy.send(Part { text: "x".repeat(self.0), last: true }).await
    }
}

impl Execute<Desk> for InPlace {
    // So that `send` does not yield, and its wake-up is due at the end of this poll.
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn execute(self, _: &Desk, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        tokio::task::yield_now().await; // from here on it has a task of its own
        proxy.send(Part { text: "x".repeat(1000), last: false }).await?;
        let proxy = proxy.into_owned();
        tokio::task::block_in_place(|| {
            for n in 2..=self.0 {
                proxy.send_blocking(Part { text: "x".repeat(1000), last: n == self.0 })?;
            }
            Ok(())
        })
    }
}

protocol! {
    struct Office {
        commands {
            0 => HandOver -> Part,
            1 => Blocking -> Part,
            2 => Watch -> Part,
            3 => Ready -> Part,
            4 => InPlace -> Part,
        }
        replies { 0 => Part, 1 => Problem }
        failure Problem
    }
}

fn desk() -> (Desk, mpsc::UnboundedReceiver<Handed>) {
    let (hand, handed) = mpsc::unbounded_channel();
    (Desk(hand), handed)
}

async fn next(handed: &mut mpsc::UnboundedReceiver<Handed>) -> Handed {
    within(handed.recv()).await.expect("the server is there")
}

fn server(desk: Desk) -> cmd_stream::server::Builder<Office, Json, Desk> {
    Server::builder(Office, Json, desk)
}

fn client() -> cmd_stream::client::Builder<Office, Json> {
    Client::builder(Office, Json)
}
