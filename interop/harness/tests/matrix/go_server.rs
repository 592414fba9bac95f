//! Our client and the Go server.

use std::convert::Infallible;
use std::f64::consts::PI;
use std::fmt::Debug;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use cmd_stream::client::{Keepalive, Limits, Overflow};
use cmd_stream::protocol::ReplyOf;
use cmd_stream::{CallError, Command, Error, ErrorKind, Origin, ServerInfo};
use interop::SampleFormat;
use testkit::process::Process;
use testkit::sample::{
    DelayCmd, DelayResult, EchoCmd, EchoResult, FailCmd, StreamCmd, StreamResult, TraceCmd,
};
use testkit::wait::{until, within};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::{Wire, expect_echo};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(60);

/// The longest body that the Go server accepts. In MUS it is the longest string, which is a little shorter.
const GO_LIMIT: usize = 4 << 20;

pub(crate) async fn edge_values_come_back_equal<F: SampleFormat>(wire: Wire<F>) {
    let (_server, address) = wire.go_server(&[]).await;
    let client = wire.client(&address).await;
    for int64 in [0, 1, -1, i64::MAX, i64::MIN, (1 << 53) + 1, -(1 << 53) - 1, i64::from(u32::MAX) + 1] {
        expect_echo(&client, EchoCmd { bool: int64 < 0, int64, ..EchoCmd::default() }).await;
    }
    for float64 in [
        0.0,
        0.1,
        -0.25,
        PI,
        1e20,
        1e21,
        1e22,
        -1e-6,
        -1e-7,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        f64::EPSILON,
        5e-324,
        2.225_073_858_507_201e-308,
        9_007_199_254_740_993.0,
        1.797_693_134_862_315_6e308,
        123_456_789.012_345_68,
    ]
    .into_iter()
    .chain(F::SPECIAL_FLOATS.iter().copied())
    {
        expect_echo(&client, EchoCmd { float64, ..EchoCmd::default() }).await;
    }
    for string in [
        "héllo, 世界 🌍",
        "<a&b>\"\\/'\n\t\r\u{8}\u{c}",
        "\0\u{1}\u{1f}\u{7f}\u{80}\u{9f}",
        "\u{2028}\u{2029}\u{feff}",
        "\u{d7ff}\u{e000}\u{fffd}\u{ffff}\u{10000}\u{10ffff}",
        "e\u{301} 👩‍👩‍👧‍👦 \u{202e}abc",
        "null",
        "\\u0041",
        " ",
    ] {
        expect_echo(&client, EchoCmd { string: string.into(), ..EchoCmd::default() }).await;
    }
    for len in [126, 127, 128, 129, 16_382, 16_383, 16_384, 100_000] {
        expect_echo(
            &client,
            EchoCmd { string: "語".repeat(len / 3) + &"x".repeat(len % 3), ..EchoCmd::default() },
        )
        .await;
    }

    let cmd = EchoCmd { int64: 7, string: "traced".into(), ..EchoCmd::default() };
    let carrier = [("traceparent".to_owned(), "00-1-2-01".to_owned()), ("ключ".to_owned(), String::new())];
    for map_carrier in [None, Some([].into()), Some(carrier.into())] {
        let traced = F::Trace::from(TraceCmd { map_carrier, cmd: cmd.clone() });
        let reply = within(client.send(traced)).await.expect("a traced echo is answered");
        let reply: EchoResult = reply.into();
        assert_eq!((reply.int64, &*reply.string), (7, "traced"));
    }
}

pub(crate) async fn ten_thousand_pipelined_commands_of_64_tasks_come_back_equal<F: SampleFormat>(
    wire: Wire<F>,
) {
    let (_server, address) = wire.go_server(&[]).await;
    let client = wire.client(&address).await;
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..64 {
        let (client, next) = (client.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= 10_000 {
                    return;
                }
                expect_echo(&client, different(n)).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no task failed");
    }
    assert_eq!(client.in_flight(), 0);
}

/// No two of them are equal. Their floats have all exponents, and all bits of their mantissas in use.
fn different(n: u64) -> EchoCmd {
    let bits = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let float64 = Some(f64::from_bits(bits)).filter(|float| float.is_finite()).unwrap_or_default();
    let string = "xyz".repeat((bits % 300) as usize);
    EchoCmd { bool: n & 1 == 1, int64: n.cast_signed(), string, float64 }
}

pub(crate) async fn a_stream_ends_at_its_last_reply<F: SampleFormat>(wire: Wire<F>) {
    let (_server, address) = wire.go_server(&[]).await;
    // The Go server has no back-pressure within a stream.
    let limits = Limits::default().stream_replies(10_000, Overflow::Fail);
    let client = within(wire.client_builder().limits(limits).connect(&address)).await.expect("it listens");
    for count in [1, 5, 10_000] {
        let command = F::Stream::from(StreamCmd { init: 10, count });
        let mut stream = within(client.stream(command)).await.expect("it is sent");
        for n in 0..count {
            let reply = within(stream.next()).await.expect("there are more").expect("nothing fails");
            let reply: StreamResult = reply.into();
            assert_eq!(reply, StreamResult { value: 10 + n, last: n + 1 == count });
        }
        assert!(within(stream.next()).await.is_none(), "it has had its last reply");
    }
    expect_echo(&client, EchoCmd { string: "after the streams".into(), ..EchoCmd::default() }).await;
}

pub(crate) async fn late_reply_of_a_forgotten_command_is_unexpected<F: SampleFormat>(wire: Wire<F>) {
    let (_server, address) = wire.go_server(&[]).await;
    let (sender, mut unexpected) = unbounded_channel();
    let settings = wire.client_builder().on_unexpected_reply(move |seq, reply| {
        sender.send((seq.get(), reply)).expect("the test waits for it");
    });
    let client = within(settings.connect(&address)).await.expect("it listens");
    expect_echo(&client, EchoCmd { string: "before".into(), ..EchoCmd::default() }).await; // seq 1
    let mut call = client.send(delay::<F>(7, Duration::from_millis(500))); // seq 2
    start(&mut call).await;
    // It is written now, with this one or before it. Dropped earlier, it would not be sent.
    expect_echo(&client, EchoCmd { string: "while it runs".into(), ..EchoCmd::default() }).await;
    drop(call);
    assert_eq!(client.in_flight(), 0);
    let (seq, reply) = within(unexpected.recv()).await.expect("the client lives");
    assert_eq!(seq, 2);
    let reply = <F::Delay as Command>::Reply::from_reply(reply).ok().expect("it is of the command");
    assert_eq!(reply.into(), DelayResult { id: 7 });
    expect_echo(&client, EchoCmd { string: "after".into(), ..EchoCmd::default() }).await;
    assert!(unexpected.try_recv().is_err(), "there was one late reply");
}

pub(crate) async fn failing_command_closes_its_connection_and_fails_what_else_is_pending<F: SampleFormat>(
    wire: Wire<F>,
) {
    let (mut server, address) = wire.go_server(&[]).await;
    let (client, other) = (wire.client(&address).await, wire.client(&address).await);
    let mut pending = client.send(delay::<F>(1, LONG));
    start(&mut pending).await;
    let failing = error_of(client.send(F::Fail::from(FailCmd {})), "it fails").await;
    let pending = error_of(pending, "its connection is gone").await;
    for error in [&failing, &pending] {
        assert_eq!((error.kind(), error.origin()), (ErrorKind::Closed, Origin::Remote), "{error}");
    }
    assert!(failing.was_sent() && pending.was_sent());
    server.expect_line("lost: the command failed, as it was asked to").await;
    expect_echo(&other, EchoCmd { string: "another connection".into(), ..EchoCmd::default() }).await;
    expect_echo(&client, EchoCmd { string: "the next one".into(), ..EchoCmd::default() }).await;
    assert_eq!((client.counters().connected, other.counters().connected), (2, 1));
}

pub(crate) async fn server_with_another_info_is_refused<F: SampleFormat>(wire: Wire<F>) {
    let (mut server, address) = wire.go_server(&["--info", "another service"]).await;
    let error = within(wire.client_builder().connect(&address)).await.expect_err("it is another service");
    assert_eq!(error.kind(), ErrorKind::ServerInfoMismatch, "{error}");
    assert!(error.to_string().contains("another service"), "{error}");
    assert!(server.line().await.starts_with("lost: "), "the client has hung up");
}

pub(crate) async fn server_with_the_same_info_is_accepted<F: SampleFormat>(wire: Wire<F>) {
    let longest = "i".repeat(1024);
    for info in ["i", "sample/v2 ☃", &longest] {
        let (_server, address) = wire.go_server(&["--info", info]).await;
        let settings = wire.client_builder().server_info(ServerInfo::new(info).expect("it is short enough"));
        let client = within(settings.connect(&address)).await.expect("it is the same");
        expect_echo(&client, EchoCmd::default()).await;
    }
}

pub(crate) async fn command_over_our_limit_is_not_sent<F: SampleFormat>(wire: Wire<F>) {
    let (_server, address) = wire.go_server(&[]).await;
    let client = wire.client(&address).await;
    let large = EchoCmd { string: "x".repeat(GO_LIMIT - 1000), ..EchoCmd::default() };
    expect_echo(&client, large).await;
    let error = error_of(client.send(echo_of::<F>(GO_LIMIT)), "it is too large").await;
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Limit, false), "{error}");
    expect_echo(&client, EchoCmd { string: "the connection goes on".into(), ..EchoCmd::default() }).await;
}

pub(crate) async fn command_over_the_servers_limit_ends_the_connection<F: SampleFormat>(wire: Wire<F>) {
    let (mut server, address) = wire.go_server(&[]).await;
    let limits = Limits::default().frame(2 * GO_LIMIT);
    let client = within(wire.client_builder().limits(limits).connect(&address)).await.expect("it listens");
    let mut pending = client.send(delay::<F>(1, LONG));
    start(&mut pending).await;
    let refused = error_of(client.send(echo_of::<F>(GO_LIMIT)), "it is too large for them").await;
    let pending = error_of(pending, "its connection is gone").await;
    for error in [refused, pending] {
        assert_lost(&error);
        assert!(error.was_sent(), "{error}");
    }
    let line = server.line().await;
    assert!(line.starts_with("lost: ") && line.contains("is over the limit of 4194"), "{line}");
}

pub(crate) async fn killed_server_fails_what_is_pending<F: SampleFormat>(wire: Wire<F>) {
    let (mut server, address) = wire.go_server(&[]).await;
    let client = wire.client_of_one_connection(&address).await;
    let mut pending = client.send(delay::<F>(1, LONG));
    start(&mut pending).await;
    // Commands arrive in order, so the server has both once this is answered.
    expect_echo(&client, EchoCmd::default()).await;
    server.kill();
    let error = error_of(pending, "nobody is left to answer").await;
    assert_lost(&error);
    assert!(error.was_sent(), "{error}");
    assert_lost(&within(client.closed()).await);
    let late = error_of(client.send(F::Echo::from(EchoCmd::default())), "the client is closed").await;
    assert_lost(&late);
    assert!(!late.was_sent(), "{late}");
}

pub(crate) async fn server_that_waits_no_longer_ends_the_connection<F: SampleFormat>(wire: Wire<F>) {
    let (mut server, address): (Process, _) = wire.go_server(&["--receive-timeout-ms", "50"]).await;
    let client = wire.client_of_one_connection(&address).await;
    let error = within(client.closed()).await;
    assert_eq!((error.kind(), error.origin()), (ErrorKind::Closed, Origin::Remote), "{error}");
    let line = server.line().await;
    assert!(line.starts_with("lost: ") && line.contains("timeout"), "{line}");
}

pub(crate) async fn pings_outlast_the_receive_duration_of_the_server<F: SampleFormat>(wire: Wire<F>) {
    let (_server, address) = wire.go_server(&["--receive-timeout-ms", "250"]).await;
    let keepalive = Keepalive::default().idle(Duration::from_millis(100));
    let settings = wire.client_builder().keepalive(keepalive).reconnect(false);
    let client = within(settings.connect(&address)).await.expect("it listens");
    expect_echo(&client, EchoCmd { string: "before".into(), ..EchoCmd::default() }).await;
    let silent_since = Instant::now();
    until(|| client.counters().pings >= 6).await;
    assert!(silent_since.elapsed() >= Duration::from_millis(500), "six pings, each after 100 ms");
    expect_echo(&client, EchoCmd { string: "after".into(), ..EchoCmd::default() }).await;
    assert_eq!((client.counters().lost, client.counters().unexpected), (0, 0), "pongs are no Replies");
}

/// Sends a Command. When this returns, it is on its way, and its call is still pending.
async fn start(call: &mut (impl Future + Unpin)) {
    poll_fn(|cx| {
        assert!(Pin::new(&mut *call).poll(cx).is_pending(), "the reply is not there yet");
        Poll::Ready(())
    })
    .await;
}

/// The error of a failed call. The Protocol declares no failure, so it can only be an [`Error`].
async fn error_of<R: Debug>(
    call: impl Future<Output = Result<R, CallError<Infallible>>>,
    why: &str,
) -> Error {
    within(call).await.expect_err(why).into()
}

fn delay<F: SampleFormat>(id: i64, delay: Duration) -> F::Delay {
    DelayCmd { id, delay_ms: delay.as_millis() as i64 }.into()
}

fn echo_of<F: SampleFormat>(len: usize) -> F::Echo {
    EchoCmd { string: "x".repeat(len), ..EchoCmd::default() }.into()
}

/// Either an end or a reset: it depends on whether the other end had unread bytes.
fn assert_lost(error: &Error) {
    let (kind, origin) = (error.kind(), error.origin());
    assert!(
        matches!((kind, origin), (ErrorKind::Closed, Origin::Remote) | (ErrorKind::Io, Origin::System)),
        "{error:?}"
    );
}
