//! volo-grpc: gRPC over HTTP/2, with pilota.
//!
//! Volo's own Thrift protocol has one call at a time per connection, and `multiplex`, which changes that, is documented as not
//! recommended. gRPC is what its users have for many calls on one connection.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use bench_harness::lines::{Description, Setting, Transport, all_but};
use bench_harness::load::{Client, Echo, Expected, burn_here, has_burnt};
use bench_harness::participant::{Adapter, main as participant};
use bench_harness::workload::Value;
use futures::StreamExt;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use volo::net::Address;
use volo::net::incoming::DefaultIncoming;
use volo_grpc::server::{Server, ServiceBuilder};
use volo_grpc::{BoxStream, Request, Response, Status};

use volo_gen::bench::{Bench, BenchClient, BenchClientBuilder, BenchServer, Number, Value as Message};

bench_harness::count_allocations!();

#[allow(clippy::all, reason = "generated")]
mod volo_gen {
    include!(concat!(env!("OUT_DIR"), "/volo_gen.rs"));
    pub(crate) use self::volo_gen::*;
}

/// As for tonic: HTTP/2's own 64 KiB would stop the sender of larger values.
const WINDOW: u32 = 1 << 20;

/// As for tonic: h2 ends a connection when more small frames wait than fit into half of it.
const CONNECTION_WINDOW: u32 = 64 << 20;

struct Volo;

struct Service {
    delay: Option<Duration>,
}

impl Bench for Service {
    async fn echo(&self, request: Request<Message>) -> Result<Response<Message>, Status> {
        if let Some(delay) = self.delay {
            tokio::time::sleep(delay).await;
        }
        Ok(Response::new(request.into_inner()))
    }

    async fn stream(
        &self,
        request: Request<Number>,
    ) -> Result<Response<BoxStream<'static, Result<Number, Status>>>, Status> {
        let numbers = futures::stream::iter(0..request.into_inner().number);
        Ok(Response::new(numbers.map(|number| Number { number }).map(Ok).boxed()))
    }

    async fn burn(&self, request: Request<Number>) -> Result<Response<Number>, Status> {
        let number = request.into_inner();
        burn_here(Duration::from_millis(number.number.unsigned_abs()));
        Ok(Response::new(number))
    }
}

#[derive(Clone)]
struct Connection(BenchClient);

impl Adapter for Volo {
    type Client = Connection;
    type Server = AbortHandle;

    fn describe(&self) -> Description {
        Description {
            name: "volo".to_owned(),
            version: "volo-grpc 0.12.2".to_owned(),
            settings:
                "gRPC, HTTP/2 windows of 1 MiB for a stream and 64 MiB for a connection; otherwise defaults"
                    .to_owned(),
            language: "rust".to_owned(),
            formats: vec!["grpc".to_owned()],
            transports: vec![Transport::Tcp],
            can: all_but(&[]),
            variants: Vec::new(),
        }
    }

    async fn serve(&self, setting: &Setting) -> Result<(String, AbortHandle), String> {
        let delay = (setting.delay_ms > 0).then(|| Duration::from_millis(setting.delay_ms));
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(text)?;
        let address = listener.local_addr().map_err(text)?.to_string();
        let server = Server::new()
            .http2_init_stream_window_size(WINDOW)
            .http2_init_connection_window_size(CONNECTION_WINDOW)
            .add_service(ServiceBuilder::new(BenchServer::new(Service { delay })).build());
        let serving = tokio::spawn(server.run(DefaultIncoming::from(listener)));
        Ok((address, serving.abort_handle()))
    }

    async fn connect(&self, _: &Setting, address: &str) -> Result<Connection, String> {
        let address: SocketAddr = address.parse().map_err(text)?;
        let client = BenchClientBuilder::new("bench")
            .http2_init_stream_window_size(WINDOW)
            .http2_init_connection_window_size(CONNECTION_WINDOW)
            .address(Address::from(address))
            .build();
        Ok(Connection(client))
    }

    async fn stop(&self, server: AbortHandle) -> Result<(), String> {
        server.abort();
        Ok(())
    }
}

impl Echo for Connection {
    async fn echo(&self, value: &'static Value) -> Result<Value, String> {
        let message = Message {
            bool: value.bool,
            int64: value.int64,
            string: value.string.clone().into(),
            float64: value.float64,
        };
        let Message { bool, int64, string, float64 } = self.0.echo(message).await.map_err(text)?.into_inner();
        Ok(Value { bool, int64, string: string.to_string(), float64 })
    }
}

impl Client for Connection {
    async fn stream(&self, replies: u32) -> Result<(), String> {
        let opened = self.0.stream(Number { number: replies.into() }).await.map_err(text)?;
        let mut numbers = std::pin::pin!(opened.into_inner());
        let mut expected = Expected::new(replies);
        while let Some(number) = numbers.next().await {
            expected.reply(number.map_err(text)?.number)?;
        }
        expected.ended()
    }

    async fn burn(&self, millis: u32) -> Result<(), String> {
        let reply = self.0.burn(Number { number: millis.into() }).await.map_err(text)?;
        has_burnt(millis, reply.into_inner().number)
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn main() -> ExitCode {
    participant(&Volo)
}
