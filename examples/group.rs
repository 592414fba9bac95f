//! Several servers behind one Sender, and a live table of who serves what.
//!
//! ```text
//! cargo run --example group
//! ```
//!
//! Three servers and a Sender with a connection to each. Eight tasks call without a break. One server is cut off as if it had
//! been killed, and comes back. No call fails: those that were not sent go to another server, and those that may have been
//! executed are sent again, because the Command says that it may be executed twice. In a terminal the table is drawn ten times
//! per second; otherwise what changes is printed, a line each.
//!
//! `cargo run --example group -- --listen 127.0.0.1:9001` is one server, until SIGTERM or Ctrl-C. It ends gracefully: what it
//! has begun is answered. `--connect 127.0.0.1:9001,127.0.0.1:9002` is a client of those servers, for 10 s or for
//! `--seconds N`. Kill servers meanwhile and start them again! It exits with 0 if every call was answered.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stdout};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cmd_stream::client::{Backoff, Link};
use cmd_stream::hooks::{About, Hooks, Refused};
use cmd_stream::protocol::{CommandOf, Entry};
use cmd_stream::server::{Handle, Served};
use cmd_stream::{Answer, Context, Error, Failed, Json, Sender, Server, protocol};
use examples::BoxError;
use serde::{Deserialize, Serialize};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

// The service: work that takes a while.

struct Service;

#[derive(Serialize, Deserialize)]
struct Square(u32);

#[derive(Serialize, Deserialize)]
struct Squared(u64);

impl Answer<Service> for Square {
    async fn answer(self, _: &Service, _: &Context<'_>) -> Result<Squared, Failed> {
        sleep(Duration::from_millis(20)).await;
        Ok(Squared(u64::from(self.0) * u64::from(self.0)))
    }
}

protocol! {
    struct Squares {
        commands { 0 => Square -> Squared }
        replies { 0 => Squared }
        idempotent { Square } // without harm it may be executed twice
        failure close_connection
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => three_servers().await,
        ["--listen", address] => listen(address.into()).await,
        _ => examples::run_with(&["--seconds N"], server, client).await,
    }
}

async fn server(address: String) -> Result<Server<Squares, Json, Service>, Error> {
    Server::bind(address, Squares, Json, Service).await
}

/// One server, until a signal asks it to end.
async fn listen(address: String) -> Result<(), BoxError> {
    let server = server(address).await?;
    let handle = server.handle();
    // SIGTERM or SIGINT. Caught from here on: whoever reads the next line may send one.
    let signal = examples::signal()?;
    println!("listening on {}", handle.local_addr());
    tokio::spawn(async move {
        signal.await;
        // Nobody new is let in, and connections are closed as soon as they are idle. `serve` returns when all are, or after
        // `Limits::drain`: 30 s by default, and orchestrators often kill a process that takes longer.
        handle.shutdown();
    });
    match server.serve().await {
        Served::Shutdown(cut) if cut.connections == 0 && cut.commands == 0 => Ok(()),
        served => Err(format!("not all could be ended in time: {served:?}").into()),
    }
}

/// All in one process. The servers have the names A, B and C.
async fn three_servers() -> Result<(), BoxError> {
    let start = async |address: &str| {
        let server = server_on_port(address).await?;
        let handle = server.handle();
        Ok::<_, Error>((handle, tokio::spawn(server.serve())))
    };
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(start("127.0.0.1:0").await?);
    }
    let addresses: Vec<_> = servers.iter().map(|(handle, _)| handle.local_addr().to_string()).collect();
    let names = addresses.iter().cloned().zip(["A", "B", "C"].map(String::from)).collect();

    let load = Load::start(connect(&addresses, 3).await?, names);
    load.show_until(|up| up == ["A", "B", "C"]).await?;

    let (handle, serving): (Handle, JoinHandle<Served>) = servers.remove(1);
    handle.close(); // all its connections at once, with whatever it was executing
    serving.await?;
    load.show_until(|up| up == ["A", "C"]).await?;

    servers.push(start(&addresses[1]).await?);
    load.show_until(|up| up == ["A", "B", "C"]).await?;
    load.end().await?;

    for (handle, serving) in servers {
        handle.shutdown();
        serving.await?;
    }
    Ok(())
}

/// Somebody else may have been given the port for a moment.
async fn server_on_port(address: &str) -> Result<Server<Squares, Json, Service>, Error> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match server(address.into()).await {
            Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(20)).await,
            bound => return bound,
        }
    }
}

/// The client of some servers.
async fn client(addresses: String) -> Result<(), BoxError> {
    let seconds = match examples::option("--seconds")? {
        Some(seconds) => seconds.parse()?,
        None => 10,
    };
    let addresses: Vec<_> = addresses.split(',').map(String::from).collect();
    let load = Load::start(connect(&addresses, 1).await?, BTreeMap::new());
    load.show_for(Duration::from_secs(seconds)).await;
    load.end().await
}

type GroupSender = Sender<Squares, Json, Board>;

/// Connects to all, and returns when so many are there.
async fn connect(addresses: &[String], minimum: usize) -> Result<GroupSender, BoxError> {
    let connect = || {
        Sender::builder(Squares, Json)
            .endpoints(addresses.iter().cloned()) // one client for each
            .minimum(minimum)
            .backoff(Backoff::default().longest(Duration::from_millis(200))) // 30 s by default
            .hooks(Board::default())
            .connect()
    };
    examples::connect(connect).await
}

/// A hook that counts the Replies of each server.
#[derive(Default)]
struct Board(Mutex<BTreeMap<String, u64>>);

impl Hooks<Squares> for Board {
    type Call = ();

    fn before_send<C: CommandOf<Squares>>(&self, _: &mut C, _: &'static Entry) -> Result<(), Refused> {
        Ok(())
    }

    fn on_reply(&self, _: &mut (), _: &SquaresReply, about: &About<'_>) {
        if let Some(server) = about.peer() {
            let mut answered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *answered.entry(server.to_string()).or_insert(0) += 1;
        }
    }
}

impl Board {
    fn answered(&self, server: &str) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(server).copied().unwrap_or(0)
    }
}

/// Tasks that call without a break, and a view of what comes of it.
struct Load {
    sender: GroupSender,
    /// Of the servers that have names beside their addresses.
    names: BTreeMap<String, String>,
    is_ending: Arc<AtomicBool>,
    tasks: JoinSet<Result<(), BoxError>>,
    view: Mutex<View>,
}

/// What was shown last.
#[derive(Default)]
struct View {
    /// For each member, the server it was connected to.
    servers: BTreeMap<usize, String>,
    up: Vec<String>,
    lines: usize,
}

impl Load {
    fn start(sender: GroupSender, names: BTreeMap<String, String>) -> Self {
        let (is_ending, mut tasks) = (Arc::<AtomicBool>::default(), JoinSet::new());
        for task in 0..8 {
            let (sender, is_ending) = (sender.clone(), Arc::clone(&is_ending));
            tasks.spawn(async move {
                for number in (task..).step_by(8) {
                    if is_ending.load(Relaxed) {
                        break;
                    }
                    let Squared(square) = sender.send(Square(number)).await?;
                    if square != u64::from(number).pow(2) {
                        return Err(format!("the square of {number} is not {square}").into());
                    }
                }
                Ok(())
            });
        }
        Self { sender, names, is_ending, tasks, view: Mutex::default() }
    }

    /// Waits for the last calls. If one has failed, so does this.
    async fn end(mut self) -> Result<(), BoxError> {
        self.is_ending.store(true, Relaxed);
        while let Some(task) = self.tasks.join_next().await {
            task??;
        }
        self.sender.drain(Duration::from_secs(1)).await;
        println!("every call was answered");
        Ok(())
    }

    async fn show_for(&self, time: Duration) {
        let end = Instant::now() + time;
        loop {
            self.show();
            sleep(Duration::from_millis(100)).await;
            if Instant::now() >= end {
                return;
            }
        }
    }

    /// Waits until these servers are up, and shows it for a second more.
    async fn show_until(&self, is_so: impl Fn(&[String]) -> bool) -> Result<(), BoxError> {
        let end = Instant::now() + Duration::from_secs(10);
        while !is_so(&self.show()) {
            if Instant::now() > end {
                return Err("the group did not change within 10 s".into());
            }
            sleep(Duration::from_millis(100)).await;
        }
        self.show_for(Duration::from_secs(1)).await;
        Ok(())
    }

    /// Shows who serves what, and returns the servers that do.
    fn show(&self) -> Vec<String> {
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut up, mut rows) = (Vec::new(), Vec::new());
        for member in self.sender.group().members() {
            let (server, state) = match member.link() {
                Link::Up(peer) => {
                    view.servers.insert(member.number(), peer.to_string());
                    (peer.to_string(), "up")
                }
                link => {
                    let before = view.servers.get(&member.number()).cloned();
                    let state = if let Link::Connecting = link { "connecting" } else { "down" };
                    (before.unwrap_or_else(|| "?".into()), state)
                }
            };
            let name = self.names.get(&server).unwrap_or(&server).clone();
            let latency = member.latency().map(|time| format!("{} ms", time.as_millis()));
            let latency = latency.as_deref().unwrap_or("?");
            let (in_flight, answered) = (member.in_flight(), self.sender.hooks().answered(&server));
            rows.push(format!("{name:<22}{state:<12}{in_flight:>9}{answered:>10}{latency:>9}"));
            if state == "up" {
                up.push(name);
            }
        }
        up.sort();
        rows.sort();
        if stdout().is_terminal() {
            // Back to where the table began, and over it.
            let back = if view.lines > 0 { format!("\x1b[{}A", view.lines) } else { String::new() };
            let head = format!(
                "{:<22}{:<12}{:>9}{:>10}{:>9}",
                "server", "connection", "in flight", "answered", "latency"
            );
            println!("{back}\x1b[J{head}\n{}", rows.join("\n"));
            view.lines = rows.len() + 1;
        } else if view.up != up {
            println!("served by {}", if up.is_empty() { "nobody".into() } else { up.join(", ") });
        }
        view.up.clone_from(&up);
        up
    }
}
