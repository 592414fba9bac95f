//! What an attacker sends right after the handshake (`wire/vectors/hostile.json`): each line as it says, without
//! allocating what is only announced, while another connection of the same server goes on working. The tests of this
//! file share a counting allocator, so nothing else is tested here.

use std::fmt::Debug;
use std::time::Duration;

use cmd_stream::format::{Encode, Format};
use cmd_stream::protocol::kind::HasReply;
use cmd_stream::protocol::{ClientProtocol, CommandOf};
use cmd_stream::server::{Limits, ServerProtocol};
use cmd_stream::transport::{Connect as _, memory};
use cmd_stream::{Client, Error, ErrorKind, Json, Mus, Protobuf, Server};
use serde::Deserialize;
use testkit::peer::BytePeer;
use testkit::sample::{self, EchoCmd, EchoResult, Service, mus, protobuf};
use testkit::unhex;
use testkit::vectors::{Layout, files_of};
use testkit::wait::within;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Nothing that the tests of this file do needs more in one piece: buffers of connections have 64 KiB.
const MOST: usize = 1 << 20;

#[expect(
    unsafe_code,
    reason = "a global allocator is unsafe to implement; this one only counts and hands on"
)]
mod counting {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// The largest piece that was ever asked for.
    static LARGEST: AtomicUsize = AtomicUsize::new(0);

    pub(super) fn largest() -> usize {
        LARGEST.load(Ordering::Relaxed)
    }

    struct Counting;

    #[global_allocator]
    static COUNTING: Counting = Counting;

    // SAFETY: every method hands its arguments on to the system's allocator as they are.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
            // SAFETY: the caller keeps the contract of `alloc`.
            unsafe { System.alloc(layout) }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
            // SAFETY: the caller keeps the contract of `alloc_zeroed`.
            unsafe { System.alloc_zeroed(layout) }
        }

        unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
            LARGEST.fetch_max(new_size, Ordering::Relaxed);
            // SAFETY: the caller keeps the contract of `realloc`.
            unsafe { System.realloc(pointer, layout, new_size) }
        }

        unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
            // SAFETY: the caller keeps the contract of `dealloc`.
            unsafe { System.dealloc(pointer, layout) }
        }
    }
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    #[serde(rename = "description")]
    _description: String,
    codec: String,
    client_to_server: String,
    expected: String,
}

/// What is expected of a server.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Expected {
    Close,
    Wait,
    /// Which of the two depends on the limit of a frame.
    WaitOrClose,
}

impl Expected {
    fn of(text: &str) -> Self {
        match text {
            "close this connection only"
            | "close this connection only, without allocating the announced size" => Self::Close,
            "keep waiting (until the receive timeout), with memory use bounded by what has really arrived" => {
                Self::Wait
            }
            "keep waiting (until the receive timeout), with memory use bounded by what has really arrived, or close if \
             above the configured limit" => Self::WaitOrClose,
            _ => panic!("no test knows how to expect: {text}"),
        }
    }
}

fn vectors() -> Vec<Vector> {
    let mut vectors = Vec::new();
    for file in files_of(Layout::Hostile) {
        for vector in &file.vectors {
            let name = &file.name;
            vectors.push(
                Vector::deserialize(vector).unwrap_or_else(|error| panic!("{name}: {error}: {vector}")),
            );
        }
    }
    vectors
}

/// Why the server ends a connection on which the bytes come and then nothing, and after what time.
async fn attack(vector: &Vector, limits: Limits) -> (Error, Duration) {
    let bytes = unhex(&vector.client_to_server);
    let echo = EchoCmd { int64: 1, ..EchoCmd::default() };
    let echoed = EchoResult { int64: 1, ..EchoResult::default() };
    match &*vector.codec {
        "json" => attack_in(Json, sample::Sample, (echo, echoed), &bytes, limits).await,
        "mus" => attack_in(Mus, mus::Sample, (echo, echoed), &bytes, limits).await,
        "protobuf" => {
            let (command, reply) = (protobuf::Cmd1 { x: 1 }, protobuf::Result1 { x: 1 });
            attack_in(Protobuf, protobuf::Sample, (command, reply), &bytes, limits).await
        }
        other => panic!("{}: a codec that no test knows: {other}", vector.name),
    }
}

/// The same in a Format, with a Command that another connection sends meanwhile, and its Reply.
async fn attack_in<P, F, C>(
    format: F,
    protocol: P,
    (command, reply): (C, C::Reply),
    bytes: &[u8],
    limits: Limits,
) -> (Error, Duration)
where
    P: ServerProtocol<F, Service> + ClientProtocol<F>,
    F: Format + Encode<C> + Copy,
    C: CommandOf<P, Reply: PartialEq + Debug, Kind: HasReply> + Clone,
{
    let (connector, listener) = memory::pair();
    let (lost, mut losses) = mpsc::unbounded_channel();
    let server = Server::builder(protocol, format, Service)
        .limits(limits)
        .on_connection_lost(move |connection| drop(lost.send(connection.reason.clone())))
        .listen(listener)
        .expect("it listens");
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());
    let bystander =
        Client::builder(protocol, format).connect_by(connector.clone()).await.expect("it is served");
    let check_bystander = async || {
        let answer = bystander.send(command.clone()).await.expect("another connection goes on");
        assert_eq!(answer, reply);
    };
    check_bystander().await;

    let mut attacker = BytePeer::over(connector.connect().await.expect("it is served").0);
    attacker.expect(testkit::peer::GREETING).await;
    let began = Instant::now();
    attacker.send(bytes).await;
    check_bystander().await;
    let reason = within(losses.recv()).await.expect("the callback is called");
    let took = began.elapsed();
    attacker.expect_end().await;
    check_bystander().await;

    assert!(losses.try_recv().is_err(), "only the attacker's connection is closed");
    handle.close();
    within(serving).await.expect("serve does not panic");
    (reason, took)
}

async fn assert_closes(vector: &Vector, limits: Limits, kinds: &[ErrorKind]) {
    let (reason, took) = attack(vector, limits).await;
    assert!(kinds.contains(&reason.kind()), "{}: {reason:#}", vector.name);
    assert_eq!(took, Duration::ZERO, "{}: closed at once", vector.name);
}

async fn assert_waits(vector: &Vector, limits: Limits) {
    let receive_timeout = Duration::from_secs(7);
    let (reason, took) = attack(vector, limits.frame_time(receive_timeout)).await;
    assert_eq!(reason.kind(), ErrorKind::Timeout, "{}: {reason:#}", vector.name);
    // The runtime's clock has a granularity of a millisecond.
    assert!(
        (Duration::ZERO..Duration::from_millis(2)).contains(&(took - receive_timeout)),
        "{}: {took:?}",
        vector.name
    );
}

#[tokio::test(start_paused = true)]
async fn each_hostile_line_is_closed_or_waited_for_and_allocates_nothing_that_is_only_announced() {
    for vector in vectors() {
        let limits = Limits::default();
        match Expected::of(&vector.expected) {
            Expected::Close => assert_closes(&vector, limits, &[ErrorKind::Decode, ErrorKind::Limit]).await,
            Expected::Wait => {
                assert_waits(&vector, limits.clone()).await;
                if vector.codec == "mus" {
                    // Some of the entries that its map has announced arrive: what is held is about what they take.
                    let client_to_server = vector.client_to_server.clone() + &"0000".repeat(100_000);
                    assert_waits(&Vector { client_to_server, ..vector.clone() }, limits).await;
                }
            }
            Expected::WaitOrClose => {
                assert_closes(&vector, limits.clone(), &[ErrorKind::Limit]).await;
                assert_waits(&vector, limits.frame(usize::MAX)).await;
            }
        }
        let largest = counting::largest();
        assert!(largest < MOST, "{}: {largest} bytes were allocated in one piece", vector.name);
    }

    // The counter counts, or all of the above would say nothing.
    drop(std::hint::black_box(Vec::<u8>::with_capacity(MOST)));
    assert!(counting::largest() >= MOST);
}
