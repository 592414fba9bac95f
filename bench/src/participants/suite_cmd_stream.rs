//! This library as the suite measures it: echoes, streams and Commands that burn, over TCP, Unix sockets and TLS.

use std::sync::Mutex;
use std::time::Duration;

use bench_harness::format::Format;
use bench_harness::lines::{Description, Measure, Outcome, Setting, Transport, all_but};
use bench_harness::load::{Client, Echo, Expected, burn_here, has_burnt};
use bench_harness::participant::{Adapter, Participant, runtime, socket_path};
use bench_harness::rounds;
use bench_harness::workload::Value;
use cmd_stream::client::OpenStream;
use cmd_stream::format::{Decode, Encode};
use cmd_stream::protocol::CommandOf;
use cmd_stream::server::{Handle, Limits, Scheduling, Served};
use cmd_stream::transport::Unix;
use cmd_stream::{Answer, Context, Execute, Failed, Json, Mus, Protobuf, Proxy, Reply, Server, protocol};
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::cmd_stream::{Arrived, Certificates, Sent, text};
use super::suite_features;

/// The Receiver.
pub(crate) struct Desk {
    delay: Option<Duration>,
}

impl Desk {
    pub(crate) fn new(setting: &Setting) -> Self {
        Self { delay: (setting.delay_ms > 0).then(|| Duration::from_millis(setting.delay_ms)) }
    }
}

impl Answer<Desk> for Arrived {
    async fn answer(self, desk: &Desk, _: &Context<'_>) -> Result<Value, Failed> {
        if let Some(delay) = desk.delay {
            tokio::time::sleep(delay).await;
        }
        Ok(self.0)
    }
}

/// A Reply of a stream, or to what burnt.
#[derive(Clone, PartialEq, Serialize, Deserialize, mus_format::Mus, prost::Message)]
pub(crate) struct Number {
    #[prost(int64, tag = "1")]
    number: i64,
    #[prost(bool, tag = "2")]
    last: bool,
}

impl Reply for Number {
    fn is_last(&self) -> bool {
        self.last
    }
}

/// Commands that are answered by so many numbers, each scheduled in its own way.
macro_rules! counts {
    ($($name:ident: $scheduling:ident),+) => { $(
        #[derive(Clone, PartialEq, Serialize, Deserialize, mus_format::Mus, prost::Message)]
        pub(crate) struct $name {
            #[prost(uint32, tag = "1")]
            replies: u32,
        }

        impl Execute<Desk> for $name {
            const SCHEDULING: Scheduling = Scheduling::$scheduling;

            async fn execute(self, _: &Desk, proxy: Proxy<'_, Number>) -> Result<(), Failed> {
                for number in 0..self.replies {
                    proxy.send(Number { number: number.into(), last: number + 1 == self.replies }).await?;
                }
                Ok(())
            }
        }
    )+ };
}

counts!(Count: Adaptive, CountInPlace: InPlace, CountSpawned: Spawned);

/// Computes for so long.
#[derive(Clone, PartialEq, Serialize, Deserialize, mus_format::Mus, prost::Message)]
pub(crate) struct Burn {
    #[prost(uint32, tag = "1")]
    millis: u32,
}

impl Answer<Desk> for Burn {
    async fn answer(self, _: &Desk, _: &Context<'_>) -> Result<Number, Failed> {
        burn_here(Duration::from_millis(self.millis.into()));
        Ok(Number { number: self.millis.into(), last: true })
    }
}

protocol! {
    struct SuiteProtocol {
        commands {
            0 => Arrived,
            1 => Count -> Number,
            2 => CountInPlace -> Number,
            3 => CountSpawned -> Number,
            4 => Burn -> Number
        }
        replies { 0 => Value, 1 => Number }
        failure close_connection
    }
}

protocol! {
    /// The same protocol as its client sees it.
    struct SuiteSend {
        commands {
            0 => Sent,
            1 => Count,
            2 => CountInPlace,
            3 => CountSpawned,
            4 => Burn
        }
        replies { 0 => Value, 1 => Number }
        failure close_connection
    }
}

/// A Format that can encode and decode all of these types.
trait SuiteFormat:
    Encode<Sent>
    + Decode<Arrived>
    + Encode<Value>
    + Decode<Value>
    + Encode<Number>
    + Decode<Number>
    + Encode<Count>
    + Decode<Count>
    + Encode<CountInPlace>
    + Decode<CountInPlace>
    + Encode<CountSpawned>
    + Decode<CountSpawned>
    + Encode<Burn>
    + Decode<Burn>
    + Copy
{
}
impl<F> SuiteFormat for F where
    F: Encode<Sent>
        + Decode<Arrived>
        + Encode<Value>
        + Decode<Value>
        + Encode<Number>
        + Decode<Number>
        + Encode<Count>
        + Decode<Count>
        + Encode<CountInPlace>
        + Decode<CountInPlace>
        + Encode<CountSpawned>
        + Decode<CountSpawned>
        + Encode<Burn>
        + Decode<Burn>
        + Copy
{
}

/// The participant: one adapter for each Format, and those of the features.
pub(crate) struct CmdStream {
    /// Of all servers and clients of this participant. With two processes, the server's are told in its address.
    certificates: Mutex<Option<Certificates>>,
}

/// What stops a server.
pub(crate) struct Stand {
    handle: Handle,
    serving: JoinHandle<Served>,
}

impl CmdStream {
    pub(crate) fn new() -> Self {
        Self { certificates: Mutex::new(None) }
    }

    fn certificates(&self) -> Certificates {
        let mut made = self.certificates.lock().expect("making certificates does not panic");
        made.get_or_insert_with(Certificates::new).clone()
    }
}

impl Participant for CmdStream {
    type Server = Stand;

    fn describe(&self) -> Description {
        let variants = |workload: &str, variants: &[&str]| {
            (workload.to_owned(), variants.iter().map(|&variant| variant.to_owned()).collect())
        };
        Description {
            name: "cmd-stream".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings:
                "defaults; one Client per connection, no timeout; the server's limit of connections raised"
                    .to_owned(),
            language: "rust".to_owned(),
            formats: Format::ALL.iter().map(|format| format.name().to_owned()).collect(),
            transports: vec![Transport::Tcp, Transport::Unix, Transport::Tls],
            can: all_but(&[]),
            variants: vec![
                variants("stream", &["adaptive", "spawned", "in-place"]),
                variants("features", suite_features::VARIANTS),
            ],
        }
    }

    fn runtime(&self) -> std::io::Result<Runtime> {
        runtime()
    }

    async fn serve(&self, setting: &Setting) -> Result<(String, Stand), String> {
        match format(setting)? {
            Format::Json => Adapter::serve(&In(Json, self), setting).await,
            Format::Mus => Adapter::serve(&In(Mus, self), setting).await,
            Format::Protobuf => Adapter::serve(&In(Protobuf, self), setting).await,
        }
    }

    async fn stop(&self, server: Stand) -> Result<(), String> {
        server.handle.close();
        server.serving.await.map(drop).map_err(|error| error.to_string())
    }

    async fn measure(&self, measure: &Measure) -> Result<Outcome, String> {
        if let Some(variant) = &measure.setting.variant
            && suite_features::VARIANTS.contains(&variant.as_str())
        {
            return suite_features::measure(measure, variant).await;
        }
        match format(&measure.setting)? {
            Format::Json => rounds::measure(&In(Json, self), measure).await,
            Format::Mus => rounds::measure(&In(Mus, self), measure).await,
            Format::Protobuf => rounds::measure(&In(Protobuf, self), measure).await,
        }
    }
}

fn format(setting: &Setting) -> Result<Format, String> {
    Format::named(&setting.format).ok_or_else(|| format!("{} is none of the formats", setting.format))
}

/// The adapter for one Format.
struct In<'a, F>(F, &'a CmdStream);

/// How the Commands of streams are scheduled.
#[derive(Clone, Copy)]
enum Scheduled {
    Adaptive,
    InPlace,
    Spawned,
}

#[derive(Clone)]
struct Connection<F: SuiteFormat> {
    client: cmd_stream::Client<SuiteSend, F>,
    scheduled: Scheduled,
}

impl<F: SuiteFormat> Adapter for In<'_, F> {
    type Client = Connection<F>;
    type Server = Stand;

    fn describe(&self) -> Description {
        self.1.describe()
    }

    async fn serve(&self, setting: &Setting) -> Result<(String, Stand), String> {
        // More than any of the workloads has.
        let limits = Limits::default().connections(1 << 17);
        let builder = Server::builder(SuiteProtocol, self.0, Desk::new(setting)).limits(limits);
        match setting.transport {
            Transport::Tcp => {
                let server = builder.bind("127.0.0.1:0").await.map_err(text)?;
                let handle = server.handle();
                let serving = tokio::spawn(server.serve());
                Ok((handle.local_addr().to_string(), Stand { handle, serving }))
            }
            Transport::Tls => {
                let tls = self.1.certificates().server()?;
                let server = builder.bind_tls("127.0.0.1:0", tls).await.map_err(text)?;
                let handle = server.handle();
                let serving = tokio::spawn(server.serve());
                Ok((handle.local_addr().to_string(), Stand { handle, serving }))
            }
            Transport::Unix => {
                let path = socket_path();
                let listener = UnixListener::bind(&path).map_err(|error| error.to_string())?;
                let server = builder.listen(listener).map_err(text)?;
                let handle = server.handle();
                let serving = tokio::spawn(server.serve());
                Ok((path, Stand { handle, serving }))
            }
        }
    }

    async fn connect(&self, setting: &Setting, address: &str) -> Result<Connection<F>, String> {
        let builder = cmd_stream::Client::builder(SuiteSend, self.0);
        let client = match setting.transport {
            Transport::Tcp => builder.connect(address).await,
            Transport::Tls => builder.connect_tls(address, self.1.certificates().client()?).await,
            Transport::Unix => builder.connect_by(Unix::new(address)).await,
        };
        let scheduled = match setting.variant.as_deref() {
            Some("in-place") => Scheduled::InPlace,
            Some("spawned") => Scheduled::Spawned,
            _ => Scheduled::Adaptive,
        };
        Ok(Connection { client: client.map_err(text)?, scheduled })
    }

    async fn stop(&self, server: Stand) -> Result<(), String> {
        self.1.stop(server).await
    }
}

impl<F: SuiteFormat> Echo for Connection<F> {
    async fn echo(&self, value: &'static Value) -> Result<Value, String> {
        self.client.send(Sent(value)).await.map_err(|error| format!("{error:#}"))
    }
}

impl<F: SuiteFormat> Client for Connection<F> {
    async fn stream(&self, replies: u32) -> Result<(), String> {
        match self.scheduled {
            Scheduled::Adaptive => take(self.client.stream(Count { replies }), replies).await,
            Scheduled::InPlace => take(self.client.stream(CountInPlace { replies }), replies).await,
            Scheduled::Spawned => take(self.client.stream(CountSpawned { replies }), replies).await,
        }
    }

    async fn burn(&self, millis: u32) -> Result<(), String> {
        let reply = self.client.send(Burn { millis }).await.map_err(|error| format!("{error:#}"))?;
        has_burnt(millis, reply.number)
    }
}

/// Opens the stream, and takes all Replies.
async fn take<F, C>(stream: OpenStream<'_, SuiteSend, F, C>, replies: u32) -> Result<(), String>
where
    F: SuiteFormat + Encode<C>,
    C: CommandOf<SuiteSend, Reply = Number>,
{
    let mut numbers = stream.await.map_err(|error| format!("{error:#}"))?;
    let mut expected = Expected::new(replies);
    while let Some(number) = numbers.next().await {
        expected.reply(number.map_err(|error| format!("{error:#}"))?.number)?;
    }
    expected.ended()
}
