//! tonic: gRPC over HTTP/2, with prost.

use std::process::ExitCode;
use std::time::Duration;

use bench_harness::lines::{Description, Setting, Transport, all_but};
use bench_harness::load::{Client, Echo, Expected, burn_here, has_burnt};
use bench_harness::participant::{Adapter, main as participant, socket_path};
use bench_harness::workload::Value;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream, UnixListenerStream};
use tonic::transport::{Channel, Endpoint, Server, Uri};
use tonic::{Request, Response, Status};

use pb::bench_client::BenchClient;
use pb::bench_server::{Bench, BenchServer};

bench_harness::count_allocations!();

mod pb {
    include!(concat!(env!("OUT_DIR"), "/bench.Bench.rs"));
}

/// Of a stream and its request, and of what burns.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Number {
    /// Any number.
    #[prost(int64, tag = "1")]
    pub number: i64,
}

/// HTTP/2's own 64 KiB would stop the sender of larger values until a round trip is over. Whoever sends such values is told to
/// raise both: <https://docs.rs/tonic/latest/tonic/transport/struct.Endpoint.html#method.initial_stream_window_size>.
const WINDOW: u32 = 1 << 20;

/// Of all streams of a connection together. h2 ends a connection ("too_many_data_frames", since its 0.4.16) when more small frames
/// wait to be taken than fit into half of this window, each counted as 256 bytes or so. A burst of 100,000 calls needs that many.
const CONNECTION_WINDOW: u32 = 64 << 20;

/// Replies of a stream that wait for the connection: as tonic's own examples have it, a channel of this kind.
const CHANNEL: usize = 128;

struct Tonic;

struct Service {
    delay: Option<Duration>,
}

#[tonic::async_trait]
impl Bench for Service {
    async fn echo(&self, request: Request<Value>) -> Result<Response<Value>, Status> {
        if let Some(delay) = self.delay {
            tokio::time::sleep(delay).await;
        }
        Ok(Response::new(request.into_inner()))
    }

    type StreamStream = ReceiverStream<Result<Number, Status>>;

    async fn stream(&self, request: Request<Number>) -> Result<Response<Self::StreamStream>, Status> {
        let (sender, replies) = mpsc::channel(CHANNEL);
        let count = request.into_inner().number;
        tokio::spawn(async move {
            for number in 0..count {
                if sender.send(Ok(Number { number })).await.is_err() {
                    break; // the client has gone
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(replies)))
    }

    async fn burn(&self, request: Request<Number>) -> Result<Response<Number>, Status> {
        let number = request.into_inner();
        burn_here(Duration::from_millis(number.number.unsigned_abs()));
        Ok(Response::new(number))
    }
}

struct Serving {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
}

#[derive(Clone)]
struct Connection(BenchClient<Channel>);

impl Adapter for Tonic {
    type Client = Connection;
    type Server = Serving;

    fn describe(&self) -> Description {
        Description {
            name: "tonic".to_owned(),
            version: "0.14.9".to_owned(),
            settings:
                "HTTP/2 windows of 1 MiB for a stream and 64 MiB for a connection, TCP_NODELAY; streams through a channel of 128; otherwise defaults"
                    .to_owned(),
            language: "rust".to_owned(),
            formats: vec!["grpc".to_owned()],
            transports: vec![Transport::Tcp, Transport::Unix],
            can: all_but(&[]),
            variants: Vec::new(),
        }
    }

    async fn serve(&self, setting: &Setting) -> Result<(String, Serving), String> {
        let delay = (setting.delay_ms > 0).then(|| Duration::from_millis(setting.delay_ms));
        let router = Server::builder()
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .tcp_nodelay(true)
            .add_service(BenchServer::new(Service { delay }));
        let (stop, stopped) = oneshot::channel::<()>();
        let until = async {
            let _ = stopped.await;
        };
        if setting.transport == Transport::Unix {
            let path = socket_path();
            let listener = UnixListener::bind(&path).map_err(text)?;
            let incoming = UnixListenerStream::new(listener);
            let task = tokio::spawn(router.serve_with_incoming_shutdown(incoming, until));
            return Ok((path, Serving { stop, task }));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(text)?;
        let address = listener.local_addr().map_err(text)?.to_string();
        let incoming = tokio_stream::StreamExt::map(TcpListenerStream::new(listener), |stream| {
            // With a listener of one's own, the builder's setting is not applied.
            stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream))
        });
        let task = tokio::spawn(router.serve_with_incoming_shutdown(incoming, until));
        Ok((address, Serving { stop, task }))
    }

    async fn connect(&self, setting: &Setting, address: &str) -> Result<Connection, String> {
        let host = if setting.transport == Transport::Unix { "localhost" } else { address };
        let uri = format!("http://{host}");
        let endpoint = Endpoint::from_shared(uri)
            .map_err(text)?
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .tcp_nodelay(true);
        let channel = if setting.transport == Transport::Unix {
            let path = address.to_owned();
            let connector = tower::service_fn(move |_: Uri| {
                let path = path.clone();
                async move { UnixStream::connect(path).await.map(TokioIo::new) }
            });
            endpoint.connect_with_connector(connector).await
        } else {
            endpoint.connect().await
        };
        Ok(Connection(BenchClient::new(channel.map_err(text)?)))
    }

    async fn stop(&self, server: Serving) -> Result<(), String> {
        let _ = server.stop.send(());
        server.task.await.map_err(text)?.map_err(text)
    }
}

impl Echo for Connection {
    async fn echo(&self, value: &'static Value) -> Result<Value, String> {
        self.0.clone().echo(value.clone()).await.map(Response::into_inner).map_err(text)
    }
}

impl Client for Connection {
    async fn stream(&self, replies: u32) -> Result<(), String> {
        let asked = self.0.clone().stream(Number { number: replies.into() }).await;
        let mut stream = asked.map_err(text)?.into_inner();
        let mut expected = Expected::new(replies);
        while let Some(reply) = stream.message().await.map_err(text)? {
            expected.reply(reply.number)?;
        }
        expected.ended()
    }

    async fn burn(&self, millis: u32) -> Result<(), String> {
        let reply = self.0.clone().burn(Number { number: millis.into() }).await.map_err(text)?;
        has_burnt(millis, reply.into_inner().number)
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn main() -> ExitCode {
    participant(&Tonic)
}
