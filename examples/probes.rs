//! The probes of Kubernetes, and metrics in the text format of Prometheus, over a small HTTP endpoint.
//!
//! ```text
//! cargo run --example probes
//! ```
//!
//! Kubernetes asks over HTTP. So beside the server there is an HTTP server on a port of its own:
//!
//! - `/livez` is answered with 200 as long as the process can answer at all. If it cannot, Kubernetes restarts it. It must not
//!   ask for anything else: a restart does not bring back a database.
//! - `/readyz` is answered with 200 while the service serves, and otherwise with 503 and the reason. Kubernetes then sends it no
//!   new connections. The same is told to clients that send the Command `Health`.
//! - `/metrics` is what the server has counted.
//!
//! In the manifest of the pod:
//!
//! ```yaml
//! livenessProbe:  { httpGet: { path: /livez,  port: 8080 } }
//! readinessProbe: { httpGet: { path: /readyz, port: 8080 }, periodSeconds: 2 }
//! terminationGracePeriodSeconds: 45 # longer than the grace below and `Limits::drain` together
//! ```
//!
//! When Kubernetes ends the pod (SIGTERM), the service first says that it is draining, and goes on serving for a moment, so that
//! nobody new comes. Then the server shuts down: it answers what it has begun.
//!
//! `cargo run --example probes -- --listen 127.0.0.1:9000 --http 127.0.0.1:8080` is only the server, and
//! `--connect 127.0.0.1:9000` only a client that asks for its health.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use cmd_stream::health::{HasHealth, Health, HealthReply, Reporter};
use cmd_stream::server::Handle;
use cmd_stream::{Answer, Context, Error, Failed, Json, Sender, Server, protocol};
use examples::BoxError;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

// The service.

struct Calc {
    reporter: Reporter,
}

#[derive(Serialize, Deserialize)]
struct Add(i64, i64);

#[derive(Serialize, Deserialize)]
struct Sum(i64);

impl Answer<Calc> for Add {
    async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Sum, Failed> {
        self.0.checked_add(self.1).map(Sum).ok_or_else(|| Failed::new("overflow"))
    }
}

protocol! {
    struct Calculator {
        commands { 0 => Add -> Sum, 1 => Health }
        replies { 0 => Sum, 1 => HealthReply }
        failure close_connection
    }
}

impl HasHealth for Calc {
    fn health(&self) -> HealthReply {
        self.reporter.health()
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => both().await,
        ["--listen", address] => listen(address, None).await,
        ["--listen", address, "--http", http] => listen(address, Some(http)).await,
        ["--connect", address] => ask(address).await,
        _ => Err("usage: [--listen ADDRESS | --connect ADDRESS] [--http ADDRESS]".into()),
    }
}

/// A server, and what it says of itself.
struct Site {
    reporter: Reporter,
    handle: Handle,
    serving: tokio::task::JoinHandle<cmd_stream::server::Served>,
}

impl Site {
    async fn start(address: &str) -> Result<Self, BoxError> {
        let reporter = Reporter::default();
        let server = Server::bind(address, Calculator, Json, Calc { reporter: reporter.clone() }).await?;
        let handle = server.handle();
        let serving = tokio::spawn(server.serve());
        Ok(Self { reporter, handle, serving })
    }

    /// Starts the HTTP endpoint. Returns its address.
    async fn serve_probes(&self, address: &str) -> Result<SocketAddr, BoxError> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let probes = probes(self.reporter.clone(), self.handle.clone());
        tokio::spawn(async move { axum::serve(listener, probes).await });
        Ok(address)
    }

    /// Ends without losing a call: first nobody new comes, then what has begun is answered.
    async fn end(self, grace: Duration) -> Result<(), BoxError> {
        self.reporter.set_draining();
        sleep(grace).await;
        self.handle.shutdown();
        self.serving.await?;
        Ok(())
    }
}

/// The HTTP endpoint.
fn probes(reporter: Reporter, server: Handle) -> Router {
    let ready = {
        let server = server.clone();
        async move || match reporter.health() {
            health if !health.is_serving() => (StatusCode::SERVICE_UNAVAILABLE, health.to_string()),
            _ if server.is_going_away() => (StatusCode::SERVICE_UNAVAILABLE, "draining".into()),
            health => (StatusCode::OK, health.to_string()),
        }
    };
    let metrics =
        async move || ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], prometheus_text(&server));
    Router::new()
        .route("/livez", get(async || "alive"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// What the server has counted, in the text format of Prometheus. All that is known of names and kinds is in this function.
fn prometheus_text(server: &Handle) -> String {
    let counters = server.counters();
    let rows = [
        ("connections", "gauge", "Connections that are served now.", counters.open),
        ("connections_accepted_total", "counter", "Connections that were accepted.", counters.accepted),
        ("connections_refused_total", "counter", "Connections without a place.", counters.refused),
        ("commands_total", "counter", "Commands that began to run.", counters.started),
        ("commands_failed_total", "counter", "Commands that failed.", counters.failed),
        ("commands_panicked_total", "counter", "Commands that panicked.", counters.panicked),
        ("commands_shed_total", "counter", "Commands that were refused under load.", counters.shed),
        ("replies_total", "counter", "Replies that were sent.", counters.replies),
    ];
    let mut text = String::new();
    for (name, kind, help, value) in rows {
        let name = format!("cmd_stream_server_{name}");
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    }
    text
}

/// Only the server, until a signal asks it to end.
async fn listen(address: &str, http: Option<&str>) -> Result<(), BoxError> {
    let site = Site::start(address).await?;
    let signal = examples::signal()?; // caught from here on: whoever reads the next line may send one
    println!("listening on {}", site.handle.local_addr());
    if let Some(http) = http {
        println!("probes on http://{}", site.serve_probes(http).await?);
    }
    signal.await;
    site.end(GRACE).await
}

/// How long the service goes on when it has said that it is draining. In production: longer than it takes until all have asked,
/// some seconds.
const GRACE: Duration = Duration::from_millis(300);

/// Only a client.
async fn ask(address: &str) -> Result<(), BoxError> {
    let connect = || Sender::connect(address, Calculator, Json);
    let sender = examples::connect(connect).await?;
    println!("the server says: {}", sender.send(Health {}).await?);
    Ok(())
}

async fn both() -> Result<(), BoxError> {
    let site = Site::start("127.0.0.1:0").await?;
    let http = site.serve_probes("127.0.0.1:0").await?;
    let sender = connect(&site).await?;
    let show = async || {
        let said = sender.send(Health {}).await?;
        let (live, ready) = (http_get(http, "/livez").await?, http_get(http, "/readyz").await?);
        println!("the server says: {said}; /livez: {live}; /readyz: {ready}");
        Ok::<_, BoxError>(())
    };
    let Sum(sum) = sender.send(Add(2, 3)).await?;
    println!("2 + 3 = {sum}");
    show().await?;
    site.reporter.set_not_serving("the database does not answer");
    show().await?;
    site.reporter.set_serving();
    show().await?;
    let metrics = http_get(http, "/metrics").await?;
    let commands = metrics.lines().find(|line| line.starts_with("cmd_stream_server_commands_total "));
    println!("{}", commands.ok_or("there is no such metric")?);
    site.reporter.set_draining();
    show().await?;
    sender.close();
    site.end(GRACE).await
}

async fn connect(site: &Site) -> Result<Sender<Calculator, Json>, Error> {
    Sender::connect(site.handle.local_addr(), Calculator, Json).await
}

/// What Kubernetes and Prometheus do. Returns the status and the body.
async fn http_get(address: SocketAddr, path: &str) -> Result<String, BoxError> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    let (head, body) = response.split_once("\r\n\r\n").ok_or("this is no response")?;
    let status = head.split_whitespace().nth(1).ok_or("this is no response")?;
    Ok(format!("{status} {body}"))
}
