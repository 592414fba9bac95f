//! A participant's side of the lines: it reads what it is asked, and answers.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use serde::Serialize;
use tokio::runtime::Runtime;

use crate::lines::{Ask, Description, Measure, Outcome, Serving, Setting};
use crate::load::Client;
use crate::rounds;

/// Threads that a participant's client and server share; the runner gives the Go participants as many.
pub const THREADS: usize = 2;

/// What the suite measures. Implemented for every [`Adapter`]. A participant whose types depend on the setting implements it
/// by itself, with one adapter for each.
#[expect(async_fn_in_trait, reason = "they run on the main thread")]
pub trait Participant {
    /// See [`Adapter::Server`].
    type Server;

    /// Who it is, and what it has.
    fn describe(&self) -> Description;

    /// For both ends.
    fn runtime(&self) -> io::Result<Runtime>;

    /// Starts a server. Returns its address.
    async fn serve(&self, setting: &Setting) -> Result<(String, Self::Server), String>;

    /// Stops the server, and waits until it has ended.
    async fn stop(&self, server: Self::Server) -> Result<(), String>;

    /// Measures one round. Without a server in another process, it starts one.
    async fn measure(&self, measure: &Measure) -> Result<Outcome, String>;
}

/// The way to one library, in one setting: all that its participant has to write.
#[expect(async_fn_in_trait, reason = "they run on the main thread; only clients are shared with other tasks")]
pub trait Adapter {
    /// One connection. A clone is a handle to the same one.
    type Client: Client;
    /// What stops the server.
    type Server;

    /// Who it is, and what it has.
    fn describe(&self) -> Description;

    /// For both ends, or for one of them. As most of their users have it, but with as many threads as all participants have.
    fn runtime(&self) -> io::Result<Runtime> {
        runtime()
    }

    /// Starts a server on a free port, or on a new Unix socket. Returns its address.
    async fn serve(&self, setting: &Setting) -> Result<(String, Self::Server), String>;

    /// Opens one connection.
    async fn connect(&self, setting: &Setting, address: &str) -> Result<Self::Client, String>;

    /// Stops the server, and waits until it has ended: the next round must not share the machine with this one.
    async fn stop(&self, server: Self::Server) -> Result<(), String>;
}

impl<A: Adapter> Participant for A {
    type Server = A::Server;

    fn describe(&self) -> Description {
        Adapter::describe(self)
    }

    fn runtime(&self) -> io::Result<Runtime> {
        Adapter::runtime(self)
    }

    async fn serve(&self, setting: &Setting) -> Result<(String, A::Server), String> {
        Adapter::serve(self, setting).await
    }

    async fn stop(&self, server: A::Server) -> Result<(), String> {
        Adapter::stop(self, server).await
    }

    async fn measure(&self, measure: &Measure) -> Result<Outcome, String> {
        rounds::measure(self, measure).await
    }
}

/// The runtime of every Rust participant that has no reason for another one, client and server together.
pub fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()
}

/// The `main` of a participant.
pub fn main(participant: &impl Participant) -> ExitCode {
    match serve_lines(participant, io::stdin().lock(), io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", participant.describe().name);
            ExitCode::FAILURE
        }
    }
}

/// Answers what it is asked until the input ends.
pub fn serve_lines<P: Participant>(
    participant: &P,
    asks: impl BufRead,
    mut answers: impl Write,
) -> Result<(), String> {
    let runtime = participant.runtime().map_err(|error| format!("runtime: {error}"))?;
    let mut server: Option<P::Server> = None;
    for line in asks.lines() {
        let line = line.map_err(|error| format!("stdin: {error}"))?;
        let answer = match serde_json::from_str(&line) {
            Err(error) => to_line(&Outcome::failed(format!("ask: {error}"))),
            Ok(Ask::Describe) => to_line(&participant.describe()),
            Ok(Ask::Measure(measure)) => {
                let outcome = runtime.block_on(participant.measure(&measure));
                to_line(&outcome.unwrap_or_else(Outcome::failed))
            }
            Ok(Ask::Serve { setting }) => {
                let stopped = runtime.block_on(stop(participant, server.take()));
                let started = stopped.and_then(|()| runtime.block_on(participant.serve(&setting)));
                to_line(&match started {
                    Ok((address, started)) => {
                        server = Some(started);
                        Serving { address, error: String::new() }
                    }
                    Err(error) => Serving { error, ..Serving::default() },
                })
            }
            Ok(Ask::Stop) => {
                let stopped = runtime.block_on(stop(participant, server.take()));
                to_line(&Serving { error: stopped.err().unwrap_or_default(), ..Serving::default() })
            }
        };
        writeln!(answers, "{answer}").map_err(|error| format!("stdout: {error}"))?;
    }
    Ok(())
}

async fn stop<P: Participant>(participant: &P, server: Option<P::Server>) -> Result<(), String> {
    match server {
        None => Ok(()),
        Some(server) => participant.stop(server).await,
    }
}

fn to_line(answer: &impl Serialize) -> String {
    serde_json::to_string(answer).expect("an answer is numbers and text")
}

/// A path for a new Unix socket, which no other process and no other server of this one has.
pub fn socket_path() -> String {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("bench-{}-{}.sock", std::process::id(), NUMBER.fetch_add(1, Relaxed));
    std::env::temp_dir().join(name).to_string_lossy().into_owned()
}
