//! tarpc: bincode over TCP, in frames with a length.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use bench_harness::lines::{Description, Setting, Transport, all_but};
use bench_harness::load::{Client, Echo, burn_here};
use bench_harness::participant::{Adapter, main as participant, socket_path};
use bench_harness::workload::Value;
use futures::StreamExt;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::tokio_util::codec::{Decoder, LengthDelimitedCodec};
use tarpc::{client, context, serde_transport, server};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinSet};

bench_harness::count_allocations!();

/// With the default, 1000, further calls wait for others to end:
/// <https://docs.rs/tarpc/0.38.0/tarpc/client/struct.Config.html#structfield.max_in_flight_requests>.
const IN_FLIGHT: usize = 1 << 17;

/// Calls that wait for the connection's task, and replies at the server. The default of 100 makes callers wait for each other.
const BUFFER: usize = 1024;

/// Every call of tarpc has a deadline. This one is never reached.
const DEADLINE: Duration = Duration::from_secs(600);

#[tarpc::service]
trait Bench {
    async fn echo(value: Value) -> Value;
    async fn burn(millis: u32);
}

#[derive(Clone)]
struct Service {
    delay: Option<Duration>,
}

impl Bench for Service {
    async fn echo(self, _: context::Context, value: Value) -> Value {
        if let Some(delay) = self.delay {
            tokio::time::sleep(delay).await;
        }
        value
    }

    async fn burn(self, _: context::Context, millis: u32) {
        burn_here(Duration::from_millis(millis.into()));
    }
}

struct Tarpc;

#[derive(Clone)]
struct Connection(BenchClient);

/// Serves one connection: each call has a task of its own, as in tarpc's examples.
async fn serve_connection<S: AsyncRead + AsyncWrite + Send + 'static>(io: S, service: Service) {
    let transport = serde_transport::new(LengthDelimitedCodec::new().framed(io), Bincode::default());
    let config = server::Config { pending_response_buffer: BUFFER };
    let channel = BaseChannel::new(config, Box::pin(transport));
    channel.execute(service.serve()).for_each(async |call| drop(tokio::spawn(call))).await;
}

fn client<S: AsyncRead + AsyncWrite + Send + 'static>(io: S) -> Connection {
    let transport = serde_transport::new(LengthDelimitedCodec::new().framed(io), Bincode::default());
    let mut config = client::Config::default();
    config.max_in_flight_requests = IN_FLIGHT;
    config.pending_request_buffer = BUFFER;
    Connection(BenchClient::new(config, Box::pin(transport)).spawn())
}

impl Adapter for Tarpc {
    type Client = Connection;
    type Server = AbortHandle;

    fn describe(&self) -> Description {
        Description {
            name: "tarpc".to_owned(),
            version: "0.38.0".to_owned(),
            settings: "bincode, TCP_NODELAY, one task per call, 131,072 calls in flight, buffers of 1024; otherwise defaults".to_owned(),
            language: "rust".to_owned(),
            formats: vec!["bincode".to_owned()],
            transports: vec![Transport::Tcp, Transport::Unix],
            can: all_but(&["stream"]),
            variants: Vec::new(),
        }
    }

    async fn serve(&self, setting: &Setting) -> Result<(String, AbortHandle), String> {
        let delay = (setting.delay_ms > 0).then(|| Duration::from_millis(setting.delay_ms));
        let service = Service { delay };
        let mut connections = JoinSet::new();
        if setting.transport == Transport::Unix {
            let path = socket_path();
            let listener = UnixListener::bind(&path).map_err(text)?;
            let accepting = tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    connections.spawn(serve_connection(stream, service.clone()));
                }
            });
            return Ok((path, accepting.abort_handle()));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(text)?;
        let address = listener.local_addr().map_err(text)?.to_string();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if stream.set_nodelay(true).is_ok() {
                    connections.spawn(serve_connection(stream, service.clone()));
                }
            }
        });
        Ok((address, accepting.abort_handle()))
    }

    async fn connect(&self, setting: &Setting, address: &str) -> Result<Connection, String> {
        if setting.transport == Transport::Unix {
            return UnixStream::connect(address).await.map(client).map_err(text);
        }
        let stream = TcpStream::connect(address).await.map_err(text)?;
        stream.set_nodelay(true).map_err(text)?;
        Ok(client(stream))
    }

    async fn stop(&self, server: AbortHandle) -> Result<(), String> {
        server.abort();
        Ok(())
    }
}

fn context() -> context::Context {
    let mut context = context::current();
    context.deadline = Instant::now() + DEADLINE;
    context
}

impl Echo for Connection {
    async fn echo(&self, value: &'static Value) -> Result<Value, String> {
        self.0.echo(context(), value.clone()).await.map_err(text)
    }
}

impl Client for Connection {
    async fn burn(&self, millis: u32) -> Result<(), String> {
        self.0.burn(context(), millis).await.map_err(text)
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn main() -> ExitCode {
    participant(&Tarpc)
}
