//! Layers of the `tower` crate around a Sender, and around the Commands of a server.
#![cfg(feature = "tower")]

mod client;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use cmd_stream::{Answer, Context, Failed, Json, Problem, Sender, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::ends::serve;
use testkit::wait::within;
use tokio::sync::Semaphore;

/// Is answered at once with its number.
#[derive(Clone, Serialize, Deserialize)]
struct Echo(u32);

/// Is answered when the gate lets it through.
#[derive(Clone, Serialize, Deserialize)]
struct Hold(u32);

/// Fails with this code.
#[derive(Clone, Serialize, Deserialize)]
struct Fail(u32);

/// Is not answered.
#[derive(Clone, Serialize, Deserialize)]
struct Note;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Number(u32);

protocol! {
    struct Site {
        commands { 0 => Echo -> Number, 1 => Hold -> Number, 2 => Fail -> Number, 3 => Note -> () }
        replies { 0 => Number, 1 => Problem }
        failure Problem
    }
}

#[derive(Clone)]
struct Service(Arc<Seen>);

struct Seen {
    gate: Semaphore,
    started: Semaphore,
    running: AtomicUsize,
    most_running: AtomicUsize,
    /// Commands whose future is gone, whether they came to their end or not.
    gone: Semaphore,
    notes: Semaphore,
}

impl Service {
    fn new() -> Self {
        let none = || Semaphore::new(0);
        let (running, most_running) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let seen = Seen { gate: none(), started: none(), running, most_running, gone: none(), notes: none() };
        Self(Arc::new(seen))
    }

    /// Waits until so many more Commands have started.
    async fn started(&self, commands: u32) {
        within(self.0.started.acquire_many(commands)).await.expect("it is open").forget();
    }

    /// Waits until so many more Commands are gone.
    async fn gone(&self, commands: u32) {
        within(self.0.gone.acquire_many(commands)).await.expect("it is open").forget();
    }

    fn open_gate(&self, commands: usize) {
        self.0.gate.add_permits(commands);
    }
}

struct Running<'a>(&'a Seen);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
        self.0.gone.add_permits(1);
    }
}

impl Answer<Service> for Echo {
    async fn answer(self, _: &Service, _: &Context<'_>) -> Result<Number, Failed> {
        Ok(Number(self.0))
    }
}

impl Answer<Service> for Hold {
    async fn answer(self, service: &Service, _: &Context<'_>) -> Result<Number, Failed> {
        let seen = &service.0;
        let running = seen.running.fetch_add(1, SeqCst) + 1;
        seen.most_running.fetch_max(running, SeqCst);
        let _running = Running(seen);
        seen.started.add_permits(1);
        seen.gate.acquire().await?.forget();
        Ok(Number(self.0))
    }
}

impl Answer<Service> for Fail {
    async fn answer(self, _: &Service, _: &Context<'_>) -> Result<Number, Failed> {
        Err(Problem::new(self.0, "as asked").into())
    }
}

impl Answer<Service> for Note {
    async fn answer(self, service: &Service, _: &Context<'_>) -> Result<(), Failed> {
        service.0.notes.add_permits(1);
        Ok(())
    }
}

type SiteSender = Sender<Site, Json>;

async fn connect<I: cmd_stream::Invoker<Site>>(
    server: cmd_stream::server::Builder<Site, Json, Service, I>,
) -> SiteSender {
    let handle = serve(server).await;
    within(Sender::connect(handle.local_addr(), Site, Json)).await.expect("the server greets")
}

/// Long, as nothing waits for its end; see `SOON`.
const LONG: Duration = Duration::from_secs(60);
/// Of layers whose time is to be over.
const SOON: Duration = Duration::from_millis(20);

async fn plain() -> (Service, SiteSender) {
    let service = Service::new();
    let sender = connect(Server::builder(Site, Json, service.clone())).await;
    (service, sender)
}
