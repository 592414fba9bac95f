//! Traces and metrics of both ends, and all that is needed to look at them.
//!
//! ```text
//! cargo run -p otel
//! ```
//!
//! The Sender has two hooks, `OtelHooks` and a circuit breaker; the server has an `OtelInvoker`. A message is answered, the server
//! goes away, the breaker opens, the server comes back, the breaker closes, and a message is answered again.
//!
//! - `--otlp http://127.0.0.1:4317` exports spans and metrics to an OpenTelemetry collector, as does the environment variable
//!   `OTEL_EXPORTER_OTLP_ENDPOINT`. Without either they are dropped.
//! - `--http 127.0.0.1:9464` serves `/metrics` to Prometheus: the numbers that servers and Senders count by themselves.
//! - `--listen ADDRESS` is only the server, `--connect ADDRESS` only the client.
//! - `--traffic` goes on until a signal ends it, and has all kinds of trouble, so that `/metrics` has something to show.

mod demo;
mod service;
mod telemetry;
mod traffic;

use examples::BoxError;
use telemetry::{Numbers, Telemetry};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let Options { role, otlp, http } = Options::parse(std::env::args().skip(1))?;
    let environment = std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").ok();
    let telemetry = Telemetry::new(otlp.or(environment))?;
    let numbers = Numbers::new()?;
    if let Some(address) = http {
        println!("metrics on http://{}/metrics", numbers.serve(&address).await?);
    }
    match role {
        Role::Both => demo::both(&telemetry, &numbers).await?,
        Role::Server(address) => demo::listen(&address, &telemetry, &numbers).await?,
        Role::Client(address) => demo::client(&address, &telemetry, &numbers).await?,
        Role::Traffic => traffic::run(&telemetry, &numbers).await?,
    }
    telemetry.end().await
}

/// What the command line says.
struct Options {
    role: Role,
    otlp: Option<String>,
    http: Option<String>,
}

enum Role {
    Both,
    Server(String),
    Client(String),
    Traffic,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, BoxError> {
        let mut options = Self { role: Role::Both, otlp: None, http: None };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(USAGE);
            match &*arg {
                "--listen" => options.role = Role::Server(value()?),
                "--connect" => options.role = Role::Client(value()?),
                "--traffic" => options.role = Role::Traffic,
                "--otlp" => options.otlp = Some(value()?),
                "--http" => options.http = Some(value()?),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }
}

const USAGE: &str =
    "usage: [--listen ADDRESS | --connect ADDRESS | --traffic] [--otlp ENDPOINT] [--http ADDRESS]";
