//! The parts that are counted. Each does something so many times, on one thread, without sockets.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use cmd_stream::format::Format;
use cmd_stream::proto::Decoded;
use cmd_stream::proto::frame::{Frame, FrameReader, Seq};
use cmd_stream::{Client, Json, Mus, Protobuf, Sender};
use tokio::task::JoinSet;

use crate::service::{AnyFormat, Asked, Count, Echo, Item, Raw, Sent, Served, frame, values};

/// Something that is counted.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// How often it is done, to be counted: a multiple of [`BATCH`], for a stream of [`REPLIES`].
    pub(crate) times: usize,
    /// Does it some times to warm up, and then so often. Returns what the function said before that and after it.
    pub(crate) run: fn(usize, fn() -> u64) -> [u64; 2],
}

/// All of them, in the order of the table.
pub(crate) const CASES: &[Case] = &[
    Case { name: "mus, encode", times: 20_480, run: run::<Encoding<Mus>> },
    Case { name: "mus, decode", times: 20_480, run: run::<Decoding<Mus>> },
    Case { name: "json, encode", times: 5_120, run: run::<Encoding<Json>> },
    Case { name: "json, decode", times: 5_120, run: run::<Decoding<Json>> },
    Case { name: "protobuf, encode", times: 20_480, run: run::<Encoding<Protobuf>> },
    Case { name: "protobuf, decode", times: 20_480, run: run::<Decoding<Protobuf>> },
    Case { name: "mus, call, 1 in flight", times: 5_120, run: run::<Calls<Mus, 1>> },
    Case { name: CALL, times: 10_240, run: run::<Calls<Mus, 64>> },
    Case { name: "mus, call, 64 in flight, client alone", times: 10_240, run: run::<ClientCalls<Mus>> },
    Case { name: "mus, call, 64 in flight, server alone", times: 10_240, run: run::<ServerCalls<Mus>> },
    Case { name: DEADLINE, times: 10_240, run: run::<Deadlines> },
    Case { name: APART, times: 10_240, run: run::<TwoClients> },
    Case { name: GROUP, times: 10_240, run: run::<Group> },
    Case { name: "json, call, 64 in flight", times: 3_200, run: run::<Calls<Json, 64>> },
    Case { name: "json, call, 64 in flight, client alone", times: 3_200, run: run::<ClientCalls<Json>> },
    Case { name: "json, call, 64 in flight, server alone", times: 3_200, run: run::<ServerCalls<Json>> },
    Case { name: "protobuf, call, 64 in flight", times: 10_240, run: run::<Calls<Protobuf, 64>> },
    Case {
        name: "protobuf, call, 64 in flight, client alone",
        times: 10_240,
        run: run::<ClientCalls<Protobuf>>,
    },
    Case {
        name: "protobuf, call, 64 in flight, server alone",
        times: 10_240,
        run: run::<ServerCalls<Protobuf>>,
    },
    Case { name: "mus, reply of a stream", times: 20_000, run: run::<Streams<Mus>> },
    Case { name: "mus, reply of a stream, client alone", times: 20_000, run: run::<ClientStreams> },
    Case { name: "mus, reply of a stream, server alone", times: 20_000, run: run::<ServerStreams> },
    Case { name: "json, reply of a stream", times: 20_000, run: run::<Streams<Json>> },
];

const CALL: &str = "mus, call, 64 in flight";
const DEADLINE: &str = "mus, call, 64 in flight, with a deadline";
const APART: &str = "mus, call, 64 in flight, by two clients";
const GROUP: &str = "mus, call, 64 in flight, through a group of two";

/// What may take at most so many times the instructions of something else.
pub(crate) const RELATIONS: [(&str, &str, f64); 2] = [(DEADLINE, CALL, 1.03), (GROUP, APART, 1.03)];

/// A part, ready to be used.
trait Part: Sized {
    async fn start() -> Self;
    /// Uses it so many times: a multiple of [`BATCH`], for a stream of [`REPLIES`]. What is over is left out.
    async fn run(&mut self, times: usize);
}

/// How many calls are in flight. As many values are used in turn, so in multiples of it all of them are used equally often.
const BATCH: usize = 64;

/// Replies of one stream.
const REPLIES: usize = 1000;

const WARM_UP: usize = 4000;

fn run<P: Part>(times: usize, look: fn() -> u64) -> [u64; 2] {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let mut part = P::start().await;
        part.run(WARM_UP).await;
        let before = look();
        part.run(times).await;
        [before, look()]
    })
}

struct Encoding<F> {
    format: F,
    out: Vec<u8>,
}

impl<F: AnyFormat + Default> Part for Encoding<F> {
    async fn start() -> Self {
        Self { format: F::default(), out: Vec::with_capacity(1 << 12) }
    }

    async fn run(&mut self, times: usize) {
        for value in values().iter().cycle().take(times) {
            self.out.clear();
            self.format.encode(black_box(value), &mut self.out).expect("it has no limits");
            black_box(&self.out);
        }
    }
}

/// Frames, by the reader of frames, as a connection decodes them.
struct Decoding<F: Format> {
    format: F,
    frames: Vec<Vec<u8>>,
}

impl<F: AnyFormat + Default> Part for Decoding<F> {
    async fn start() -> Self {
        let format = F::default();
        Self { format, frames: values().iter().map(|value| frame(format, Seq::FIRST, 0, value)).collect() }
    }

    async fn run(&mut self, times: usize) {
        let mut reader = FrameReader::<F::Progress>::new(usize::MAX);
        for bytes in self.frames.iter().cycle().take(times) {
            let decoded = reader.read(
                black_box(bytes),
                |bytes| self.format.decode_tag(bytes),
                |_, body, progress| cmd_stream::format::Decode::<Echo>::decode(&self.format, body, progress),
            );
            let Decoded::Value(Frame::Body(_, value), _) = decoded else { panic!("a whole frame") };
            drop(black_box(value));
        }
    }
}

/// Calls of a client of a server, so many at a time.
struct Calls<F, const IN_FLIGHT: usize>
where
    F: AnyFormat,
{
    client: Arc<Client<Asked, F>>,
    _server: Option<Served>,
}

impl<F: AnyFormat + Default, const IN_FLIGHT: usize> Part for Calls<F, IN_FLIGHT> {
    async fn start() -> Self {
        let format = F::default();
        let server = Served::start(format);
        Self { client: Arc::new(server.client(format).await), _server: Some(server) }
    }

    async fn run(&mut self, times: usize) {
        call(IN_FLIGHT, times, |_| Arc::clone(&self.client)).await;
    }
}

/// Whoever can be asked for an echo.
trait Caller: Send + Sync + 'static {
    fn echo(&self, value: &'static Echo) -> impl Future<Output = Echo> + Send;
}

impl<F: AnyFormat> Caller for Client<Asked, F> {
    async fn echo(&self, value: &'static Echo) -> Echo {
        self.send(Sent(value)).await.expect("an echo")
    }
}

impl Caller for Sender<Asked, Mus> {
    async fn echo(&self, value: &'static Echo) -> Echo {
        self.send(Sent(value)).await.expect("an echo")
    }
}

struct WithDeadline(Client<Asked, Mus>);

impl Caller for WithDeadline {
    async fn echo(&self, value: &'static Echo) -> Echo {
        self.0.send(Sent(value)).timeout(Duration::from_secs(30)).await.expect("an echo")
    }
}

async fn call<C: Caller>(in_flight: usize, times: usize, caller: impl Fn(usize) -> Arc<C>) {
    let mut callers = JoinSet::new();
    for first in 0..in_flight {
        let caller = caller(first);
        callers.spawn(async move {
            for value in values().iter().cycle().skip(first).take(times / in_flight) {
                let echo = caller.echo(value).await;
                assert!(echo.int64 == value.int64, "another one's echo");
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.expect("all echoes");
    }
}

struct Deadlines {
    _server: Served,
    callers: Arc<WithDeadline>,
}

impl Part for Deadlines {
    async fn start() -> Self {
        let server = Served::start(Mus);
        let client = server.client(Mus).await;
        Self { _server: server, callers: Arc::new(WithDeadline(client)) }
    }

    async fn run(&mut self, times: usize) {
        call(BATCH, times, |_| Arc::clone(&self.callers)).await;
    }
}

struct TwoClients {
    _server: Served,
    callers: [Arc<Client<Asked, Mus>>; 2],
}

impl Part for TwoClients {
    async fn start() -> Self {
        let server = Served::start(Mus);
        let clients = [server.client(Mus).await, server.client(Mus).await].map(Arc::new);
        Self { _server: server, callers: clients }
    }

    async fn run(&mut self, times: usize) {
        call(BATCH, times, |caller| Arc::clone(&self.callers[caller % 2])).await;
    }
}

struct Group {
    _server: Served,
    callers: Arc<Sender<Asked, Mus>>,
}

impl Part for Group {
    async fn start() -> Self {
        let server = Served::start(Mus);
        let callers = Arc::new(server.group().await);
        // Chance decides how many of the calls each member gets, and so how far its buffers grow. Twice as many calls make them
        // large enough beforehand, so that every run has the same allocations.
        call(2 * BATCH, WARM_UP, |_| Arc::clone(&callers)).await;
        Self { _server: server, callers }
    }

    async fn run(&mut self, times: usize) {
        call(BATCH, times, |_| Arc::clone(&self.callers)).await;
    }
}

/// The same, of a server that only sends the bytes back.
struct ClientCalls<F: AnyFormat>(Arc<Client<Asked, F>>);

impl<F: AnyFormat + Default> Part for ClientCalls<F> {
    async fn start() -> Self {
        let (raw, client) = Raw::with_client(F::default()).await;
        tokio::spawn(raw.echo());
        Self(Arc::new(client))
    }

    async fn run(&mut self, times: usize) {
        call(BATCH, times, |_| Arc::clone(&self.0)).await;
    }
}

/// Commands in batches, of a client that only writes and reads bytes.
struct ServerCalls<F: AnyFormat> {
    _server: Served,
    raw: Raw,
    format: F,
    next: Seq,
}

impl<F: AnyFormat + Default> Part for ServerCalls<F> {
    async fn start() -> Self {
        let format = F::default();
        let server = Served::start(format);
        let raw = server.raw().await;
        Self { _server: server, raw, format, next: Seq::FIRST }
    }

    async fn run(&mut self, times: usize) {
        let batch = || values().iter().take(BATCH);
        let bodies: Vec<Vec<u8>> = batch().map(|value| frame(self.format, Seq::PING, 0, value)).collect();
        let mut bytes = Vec::new();
        for _ in 0..times / BATCH {
            bytes.clear();
            for body in &bodies {
                self.next.encode(&mut bytes);
                bytes.extend_from_slice(&body[1..]); // without the seq, which is one byte
                self.next = self.next.next();
            }
            self.raw.write(&bytes).await;
            self.raw.skip(bytes.len()).await; // the same bytes: an echo has the same tag as its Command
        }
    }
}

struct Streams<F: AnyFormat> {
    client: Client<Asked, F>,
    _server: Served,
}

impl<F: AnyFormat + Default> Part for Streams<F> {
    async fn start() -> Self {
        let format = F::default();
        let server = Served::start(format);
        Self { client: server.client(format).await, _server: server }
    }

    async fn run(&mut self, times: usize) {
        for _ in 0..times / REPLIES {
            read(&self.client).await;
        }
    }
}

async fn read<F: AnyFormat>(client: &Client<Asked, F>) {
    let mut items = client.stream(Count(REPLIES as u64)).await.expect("a stream");
    let mut read = 0;
    while let Some(item) = items.next().await {
        assert_eq!(item.expect("an item").n, read);
        read += 1;
    }
    assert_eq!(read, REPLIES as u64);
}

/// The items of a stream, without their seq, which is one byte here.
fn items() -> Vec<Vec<u8>> {
    let item = |n| frame(Mus, Seq::PING, 1, &Item::new(n, REPLIES as u64)).split_off(1);
    (0..REPLIES as u64).map(item).collect()
}

/// A stream of a server that only writes bytes.
struct ClientStreams {
    client: Client<Asked, Mus>,
    raw: Option<Raw>,
    /// The items of a stream without their seq.
    items: Vec<Vec<u8>>,
    next: Seq,
}

impl Part for ClientStreams {
    async fn start() -> Self {
        let (raw, client) = Raw::with_client(Mus).await;
        Self { client, raw: Some(raw), items: items(), next: Seq::FIRST }
    }

    async fn run(&mut self, times: usize) {
        for _ in 0..times / REPLIES {
            let seq = self.next;
            self.next = seq.next();
            let command = frame(Mus, seq, 1, &Count(REPLIES as u64));
            let mut items = Vec::with_capacity(REPLIES * 16);
            for item in &self.items {
                seq.encode(&mut items);
                items.extend_from_slice(item);
            }
            let mut raw = self.raw.take().expect("it comes back");
            let answering = tokio::spawn(async move {
                raw.skip(command.len()).await;
                raw.write(&items).await;
                raw
            });
            read(&self.client).await;
            self.raw = Some(answering.await.expect("all items"));
        }
    }
}

/// A stream for a client that only reads bytes.
struct ServerStreams {
    _server: Served,
    raw: Raw,
    next: Seq,
}

impl Part for ServerStreams {
    async fn start() -> Self {
        let server = Served::start(Mus);
        let raw = server.raw().await;
        Self { _server: server, raw, next: Seq::FIRST }
    }

    async fn run(&mut self, times: usize) {
        let items: usize = items().iter().map(Vec::len).sum();
        for _ in 0..times / REPLIES {
            let seq = self.next;
            self.next = seq.next();
            self.raw.write(&frame(Mus, seq, 1, &Count(REPLIES as u64))).await;
            let mut encoded = Vec::new();
            seq.encode(&mut encoded);
            self.raw.skip(items + REPLIES * encoded.len()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_run_is_left_out() {
        for Case { name, times, .. } in CASES {
            let unit = if name.contains("stream") { REPLIES } else { BATCH };
            assert!(times.is_multiple_of(unit), "{name}: {times} is not a multiple of {unit}");
        }
    }
}
