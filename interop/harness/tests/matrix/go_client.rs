//! The Go client and our server. `interop/README.md` says what the client does and checks in each scenario.

use std::time::Duration;

use cmd_stream::server::Limits;
use cmd_stream::{Error, ErrorKind, Origin, ServerInfo};
use interop::SampleFormat;
use testkit::process::Process;
use testkit::wait::until;

use crate::support::{OurServer, Wire};

pub(crate) async fn edge_values_come_back_equal<F: SampleFormat>(wire: Wire<F>) {
    let mut server = OurServer::start(wire.server_builder()).await;
    wire.go_client(&server.address, "unary", &[]).expect_success(&["ok"]).await;
    assert_left(&server.lost().await.reason);
}

pub(crate) async fn ten_thousand_pipelined_commands_of_64_tasks_come_back_equal<F: SampleFormat>(
    wire: Wire<F>,
) {
    let server = OurServer::start(wire.server_builder()).await;
    let client = wire.go_client(&server.address, "pipelined", &["--count", "10000", "--tasks", "64"]);
    client.expect_success(&["ok"]).await;
    let counters = server.handle.counters();
    assert_eq!((counters.started, counters.replies, counters.accepted), (10_000, 10_000, 1));
}

pub(crate) async fn a_stream_ends_at_its_last_reply<F: SampleFormat>(wire: Wire<F>) {
    let mut server = OurServer::start(wire.server_builder()).await;
    wire.go_client(&server.address, "streaming", &[]).expect_success(&["ok"]).await;
    assert_left(&server.lost().await.reason);
}

pub(crate) async fn late_reply_of_a_forgotten_command_is_unexpected<F: SampleFormat>(wire: Wire<F>) {
    let server = OurServer::start(wire.server_builder()).await;
    wire.go_client(&server.address, "forgotten", &[]).expect_success(&["ok"]).await;
}

pub(crate) async fn failing_command_closes_its_connection_and_fails_what_else_is_pending<F: SampleFormat>(
    wire: Wire<F>,
) {
    let mut server = OurServer::start(wire.server_builder()).await;
    let client = wire.go_client(&server.address, "failing", &[]);
    client.expect_success(&["failing command: EOF", "pending command: EOF", "ok"]).await;
    let lost = server.lost().await;
    assert_eq!(
        (lost.reason.kind(), lost.reason.origin()),
        (ErrorKind::Execution, Origin::Local),
        "{}",
        lost.reason
    );
    let reason = format!("{:#}", lost.reason);
    assert!(reason.contains("the command failed, as it was asked to"), "{reason}");
    assert_eq!((lost.commands_left, server.handle.counters().failed), (1, 1), "the pending one runs on");
}

pub(crate) async fn client_with_another_info_hangs_up<F: SampleFormat>(wire: Wire<F>) {
    let mut server = OurServer::start(wire.server_builder()).await;
    let client = wire.go_client(&server.address, "wrong_info", &[]);
    client.expect_success(&["failed: cmdstream: server info mismatch", "ok"]).await;
    assert_left(&server.lost().await.reason);
    assert_eq!(server.handle.counters().started, 0);
}

pub(crate) async fn client_with_the_same_info_stays<F: SampleFormat>(wire: Wire<F>) {
    let longest = "i".repeat(1024);
    for info in ["i", "sample/v2 ☃", &longest] {
        let settings = wire.server_builder().server_info(ServerInfo::new(info).expect("it is short enough"));
        let server = OurServer::start(settings).await;
        wire.go_client(&server.address, "streaming", &["--info", info]).expect_success(&["ok"]).await;
    }
}

pub(crate) async fn command_over_the_limit_closes_its_connection<F: SampleFormat>(wire: Wire<F>) {
    let mut server = OurServer::start(wire.server_builder()).await;
    let mut client = wire.go_client(&server.address, "oversize", &[]);
    assert!(client.line().await.starts_with("failed: "), "{client}");
    client.expect_success(&["ok"]).await;
    let reason = server.lost().await.reason;
    assert_eq!((reason.kind(), reason.origin()), (ErrorKind::Limit, Origin::Remote), "{reason}");
    let counters = server.handle.counters();
    assert_eq!((counters.started, counters.over_frame_limit), (1, 1), "the first one was within the limit");
    wire.go_client(&server.address, "streaming", &[]).expect_success(&["ok"]).await;
}

pub(crate) async fn killed_server_fails_what_is_pending<F: SampleFormat>(wire: Wire<F>) {
    let (mut server, address) =
        Process::start_server(env!("CARGO_BIN_EXE_sample_server"), &[wire.name]).await;
    let mut client = wire.go_client(&address, "killed", &[]);
    client.expect_line("waiting").await;
    server.kill();
    assert!(client.line().await.starts_with("failed: "), "{client}");
    client.expect_success(&["ok"]).await;
}

pub(crate) async fn closed_server_fails_what_is_pending<F: SampleFormat>(wire: Wire<F>) {
    let mut server = OurServer::start(wire.server_builder()).await;
    let mut client = wire.go_client(&server.address, "killed", &[]);
    client.expect_line("waiting").await;
    until(|| server.handle.counters().started == 1).await;
    server.handle.close();
    client.expect_line("failed: EOF").await;
    client.expect_success(&["ok"]).await;
    let lost = server.lost().await;
    assert_eq!(
        (lost.reason.kind(), lost.reason.origin()),
        (ErrorKind::Closed, Origin::Local),
        "{}",
        lost.reason
    );
}

pub(crate) async fn killed_client_is_reported_with_what_it_left<F: SampleFormat>(wire: Wire<F>) {
    let mut server = OurServer::start(wire.server_builder()).await;
    let mut client = wire.go_client(&server.address, "killed", &[]);
    client.expect_line("waiting").await;
    until(|| server.handle.counters().started == 1).await;
    client.kill();
    let lost = server.lost().await;
    assert_left(&lost.reason);
    assert_eq!(lost.commands_left, 1);
}

pub(crate) async fn silent_client_is_closed_after_the_idle_time<F: SampleFormat>(wire: Wire<F>) {
    let limits = Limits::default().idle(Duration::from_secs(1));
    let mut server = OurServer::start(wire.server_builder().limits(limits)).await;
    let mut client = wire.go_client(&server.address, "silent", &[]);
    client.expect_line("waiting").await;
    client.expect_line("failed: EOF").await;
    client.expect_success(&["ok"]).await;
    let reason = server.lost().await.reason;
    assert_eq!((reason.kind(), reason.origin()), (ErrorKind::Timeout, Origin::Remote), "{reason}");
    assert_eq!(server.handle.counters().receive_timeouts, 1);
}

pub(crate) async fn pings_are_answered<F: SampleFormat>(wire: Wire<F>) {
    let server = OurServer::start(wire.server_builder()).await;
    // The client counts the pongs.
    wire.go_client(&server.address, "keepalive", &[]).expect_success(&["ok"]).await;
    let counters = server.handle.counters();
    assert!(counters.pings >= 3, "{counters:?}");
    assert_eq!(counters.started, 2, "pings are no Commands");
}

pub(crate) async fn pings_outlast_the_idle_time<F: SampleFormat>(wire: Wire<F>) {
    let limits = Limits::default().idle(Duration::from_millis(250));
    let mut server = OurServer::start(wire.server_builder().limits(limits)).await;
    let args = ["--interval-ms", "100", "--pings", "6"];
    wire.go_client(&server.address, "keepalive", &args).expect_success(&["ok"]).await;
    assert_left(&server.lost().await.reason);
    let counters = server.handle.counters();
    assert!(counters.pings >= 6, "{counters:?}");
    assert_eq!((counters.started, counters.accepted, counters.receive_timeouts), (2, 1, 0));
}

pub(crate) async fn without_pings_the_idle_time_ends_the_connection<F: SampleFormat>(wire: Wire<F>) {
    let limits = Limits::default().idle(Duration::from_millis(250));
    let mut server = OurServer::start(wire.server_builder().limits(limits)).await;
    let client = wire.go_client(&server.address, "silent", &[]);
    client.expect_success(&["waiting", "failed: EOF", "ok"]).await;
    let reason = server.lost().await.reason;
    assert_eq!((reason.kind(), reason.origin()), (ErrorKind::Timeout, Origin::Remote), "{reason}");
}

/// The client has just left.
fn assert_left(reason: &Error) {
    assert_eq!((reason.kind(), reason.origin()), (ErrorKind::Closed, Origin::Remote), "{reason}");
}
