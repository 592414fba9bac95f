//! A flood of clients that connect and reset their connection: it leaves nothing behind, and others are served meanwhile.

#[path = "common/lab.rs"]
mod lab;

use std::time::{Duration, Instant};

use cmd_stream::{Json, Server};
use lab::{Lab, Plain, client_by, echo, text};
use testkit::ends::serve;
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::{until, within};
use tokio::net::TcpStream;
use tokio::runtime;

/// Connects so many times. Half of the connections are reset at once, the others after the greeting.
async fn flood(address: String, connections: usize) {
    for n in 0..connections {
        let stream = within(TcpStream::connect(&address)).await.expect("it listens");
        stream.set_zero_linger().expect("a socket");
        if n % 2 == 0 {
            BytePeer::over(stream).expect(GREETING).await;
        }
    }
}

/// What this process has in memory. In bytes.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has this line");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

#[cfg(not(target_os = "linux"))]
fn resident() -> usize {
    0
}

#[tokio::test]
async fn ten_thousand_connects_and_resets_leave_nothing_behind_and_others_are_served() {
    // Not a `World`, which keeps a report of each connection.
    let handle = serve(Server::builder(Plain, Json, Lab::new())).await;
    let address = handle.local_addr().to_string();
    let client = client_by(&cmd_stream::transport::Tcp::new(address.clone())).await;
    let is_flat = || handle.counters().open == 1;
    // What the allocator and the runtime keep in any case.
    flood(address.clone(), 2_000).await;
    until(is_flat).await;
    let (tasks, before) = (runtime::Handle::current().metrics().num_alive_tasks(), resident());

    let flooding = tokio::spawn(flood(address, 10_000));
    let mut longest = Duration::ZERO;
    let mut calls = 0;
    while !flooding.is_finished() {
        let since = Instant::now();
        assert_eq!(within(client.send(echo("a"))).await.expect("it is answered"), text("a"));
        longest = longest.max(since.elapsed());
        calls += 1;
    }
    flooding.await.expect("it ends");
    until(is_flat).await;
    until(|| runtime::Handle::current().metrics().num_alive_tasks() <= tasks).await;
    let grown = resident().saturating_sub(before);
    assert!(grown < 1 << 20, "{grown} bytes are left");
    assert!(longest < Duration::from_secs(1) && calls > 100, "{calls} calls, the slowest took {longest:?}");
    let counters = handle.counters();
    assert_eq!((counters.accepted, counters.waiting, counters.refused), (12_001, 0, 0));
}
