//! A server in a process that may not open as many files as its limits of connections need.

#![cfg(target_os = "linux")]

#[path = "common/lab.rs"]
mod lab;

use std::env;
use std::future::pending;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cmd_stream::server::Limits;
use lab::World;
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::within;
use tokio::net::TcpStream;

/// Set in the process of the server, which this test starts.
const IS_SERVER: &str = "CMD_STREAM_TEST_IS_SERVER";

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts this test in a process that may open 100 files. Returns its address.
fn start() -> (Process, String) {
    let this = env::current_exe().expect("it runs");
    let mut command = Command::new("sh");
    command.args(["-c", r#"ulimit -n 100 && exec "$0" "$@""#]).arg(this);
    command.args(["--exact", "clients_past_what_the_process_may_open_are_refused_at_once", "--nocapture"]);
    command.env(IS_SERVER, "").stdout(Stdio::piped());
    let mut process = Process(command.spawn().expect("there is a shell"));
    let output = process.0.stdout.take().expect("it is piped");
    let address = BufReader::new(output).lines().find_map(|line| {
        let line = line.expect("it is text");
        line.split_once("it listens on ").map(|(_, address)| address.to_owned())
    });
    (process, address.expect("it tells its address"))
}

#[tokio::test]
async fn clients_past_what_the_process_may_open_are_refused_at_once() {
    if env::var_os(IS_SERVER).is_some() {
        let long = Duration::from_secs(600);
        let world = World::tcp(Limits::default().waiting(128, long).make_room(None)).await;
        println!("\nit listens on {}", world.address());
        return pending().await;
    }
    let (_process, address) = start();
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
