//! A server in a process that may not open as many files as its limits of connections need.

#![cfg(target_os = "linux")]

#[path = "common/lab.rs"]
mod lab;

use std::future::pending;
use std::time::Duration;

use cmd_stream::server::Limits;
use lab::World;
use testkit::peer::{BytePeer, GREETING};
use testkit::process::{Process, is_started, says_where};
use testkit::wait::within;
use tokio::net::TcpStream;

#[tokio::test]
async fn clients_past_what_the_process_may_open_are_refused_at_once() {
    if is_started() {
        let long = Duration::from_secs(600);
        let world = World::tcp(Limits::default().waiting(128, long).make_room(None)).await;
        println!("{}", says_where(world.address()));
        return pending().await;
    }
    // The process may open 100 files.
    let name = "clients_past_what_the_process_may_open_are_refused_at_once";
    let (_process, address) = Process::start_this_test(name, "ulimit -n 100 &&").await;
    let connect = async || BytePeer::over(within(TcpStream::connect(&address)).await.expect("it listens"));
    let mut served = Vec::new();
    for _ in 0..60 {
        let mut peer = connect().await;
        peer.expect(GREETING).await;
        served.push(peer);
    }
    let mut waiting = Vec::new();
    for _ in 0..8 {
        waiting.push(connect().await);
    }
    for _ in 0..100 {
        connect().await.expect_end().await;
    }
    // Those that wait have not been refused.
    served.drain(..8);
    for peer in &mut waiting {
        peer.expect(GREETING).await;
    }
}
