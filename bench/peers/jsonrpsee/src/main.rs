//! jsonrpsee: JSON-RPC 2.0 over WebSocket.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bench_harness::lines::{Description, Setting, Transport, all_but};
use bench_harness::load::{Client, Echo, Expected, burn_here, has_burnt};
use bench_harness::participant::{Adapter, main as participant};
use bench_harness::workload::Value;
use jsonrpsee::core::SubscriptionError;
use jsonrpsee::core::client::{ClientT, SubscriptionClientT};
use jsonrpsee::rpc_params;
use jsonrpsee::server::{RpcModule, Server, ServerConfig, ServerHandle};
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::ws_client::{WsClient, WsClientBuilder};

bench_harness::count_allocations!();

/// The default is 256, and a call that is one too many fails; whoever has more in flight raises it:
/// <https://docs.rs/jsonrpsee-ws-client/0.26.1/jsonrpsee_ws_client/struct.WsClientBuilder.html#method.max_concurrent_requests>.
const IN_FLIGHT: usize = 1 << 17;

/// Notifications of a subscription that wait at the client. The default is 1024, and a client that is further behind loses the
/// subscription, so this must be the whole stream.
const NOTIFICATIONS: usize = 1 << 17;

/// A call may take this long; the default is a minute.
const TIMEOUT: Duration = Duration::from_secs(600);

struct Jsonrpsee;

#[derive(Clone)]
struct Connection(Arc<WsClient>);

fn methods(delay: Option<Duration>) -> Result<RpcModule<Option<Duration>>, String> {
    let mut methods = RpcModule::new(delay);
    let echo = methods.register_async_method("echo", |params, delay, _| async move {
        let value: Value = params.one()?;
        if let Some(delay) = *delay {
            tokio::time::sleep(delay).await;
        }
        Ok::<_, ErrorObjectOwned>(value)
    });
    echo.map_err(text)?;
    let burn = methods.register_async_method("burn", |params, _, _| async move {
        let millis: u32 = params.one()?;
        burn_here(Duration::from_millis(millis.into()));
        Ok::<_, ErrorObjectOwned>(millis)
    });
    burn.map_err(text)?;
    let stream =
        methods.register_subscription("stream", "number", "unstream", |params, pending, _, _| async move {
            let replies: u32 = params.one()?;
            let sink = pending.accept().await?;
            for number in 0..replies {
                sink.send(serde_json::value::to_raw_value(&number)?).await?;
            }
            sink.closed().await; // the client ends it, when it has all
            Ok::<_, SubscriptionError>(())
        });
    stream.map_err(text)?;
    Ok(methods)
}

impl Adapter for Jsonrpsee {
    type Client = Connection;
    type Server = ServerHandle;

    fn describe(&self) -> Description {
        Description {
            name: "jsonrpsee".to_owned(),
            version: "0.26.1".to_owned(),
            settings: "WebSocket, TCP_NODELAY; 131,072 concurrent requests and waiting notifications, timeout of 10 min, the \
                       server's limit of connections raised; otherwise defaults"
                .to_owned(),
            language: "rust".to_owned(),
            formats: vec!["jsonrpc".to_owned()],
            transports: vec![Transport::Tcp],
            can: all_but(&[]),
            variants: Vec::new(),
        }
    }

    async fn serve(&self, setting: &Setting) -> Result<(String, ServerHandle), String> {
        let config = ServerConfig::builder()
            .max_connections(setting.connections.max(100))
            .set_tcp_no_delay(true)
            .ws_only()
            .build();
        let server = Server::builder().set_config(config).build("127.0.0.1:0").await.map_err(text)?;
        let address = server.local_addr().map_err(text)?.to_string();
        let delay = (setting.delay_ms > 0).then(|| Duration::from_millis(setting.delay_ms));
        Ok((address, server.start(methods(delay)?)))
    }

    async fn connect(&self, _: &Setting, address: &str) -> Result<Connection, String> {
        let client = WsClientBuilder::new()
            .max_concurrent_requests(IN_FLIGHT)
            .max_buffer_capacity_per_subscription(NOTIFICATIONS)
            .request_timeout(TIMEOUT)
            .set_tcp_no_delay(true)
            .build(format!("ws://{address}"))
            .await;
        Ok(Connection(Arc::new(client.map_err(text)?)))
    }

    async fn stop(&self, server: ServerHandle) -> Result<(), String> {
        server.stop().map_err(text)?;
        server.stopped().await;
        Ok(())
    }
}

impl Echo for Connection {
    async fn echo(&self, value: &'static Value) -> Result<Value, String> {
        self.0.request("echo", rpc_params![value]).await.map_err(text)
    }
}

impl Client for Connection {
    async fn stream(&self, replies: u32) -> Result<(), String> {
        let mut numbers =
            self.0.subscribe::<i64, _>("stream", rpc_params![replies], "unstream").await.map_err(text)?;
        let mut expected = Expected::new(replies);
        for _ in 0..replies {
            let number = numbers.next().await.ok_or("the subscription ended early")?;
            expected.reply(number.map_err(text)?)?;
        }
        numbers.unsubscribe().await.map_err(text)?;
        expected.ended()
    }

    async fn burn(&self, millis: u32) -> Result<(), String> {
        let reply = self.0.request::<u32, _>("burn", rpc_params![millis]).await.map_err(text)?;
        has_burnt(millis, reply.into())
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn main() -> ExitCode {
    participant(&Jsonrpsee)
}
