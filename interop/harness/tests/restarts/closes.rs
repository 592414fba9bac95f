//! Our server is closed, not killed, in mid-traffic, and comes back. A Go client that reconnects never comes back after an end
//! inside a frame. Whatever ends our server, all of them do.

use std::time::Duration;

use cmd_stream::server::{Cut, Handle, Limits, Served};
use cmd_stream::{Json, Server};
use interop::numbered::{Messages, Recorder};
use testkit::wait::within;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

use super::{Record, Unanswered, go_client_with, told};

/// How often each server ends.
const ENDS: usize = 5;

/// The clients of the group in Go. If one of them has ended for good, the whole group is replaced, which is said.
const CLIENTS: &str = "6";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_go_group_comes_back_after_our_server_was_closed() {
    all_come_back("our-server-closed", |handle, _| handle.close()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_go_group_comes_back_after_the_drain_of_our_server_was_over() {
    all_come_back("our-server-drained", |handle, _| handle.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_go_group_comes_back_after_our_server_was_dropped() {
    all_come_back("our-server-dropped", |_, serving| serving.abort()).await;
}

async fn all_come_back(test: &str, end: impl Fn(&Handle, &JoinHandle<Served>)) {
    let record = Record::new(test);
    let (mut handle, mut serving) = serve("127.0.0.1:0", &record);
    let address = handle.local_addr().to_string();
    let args = ["--clients", CLIENTS, "--tasks", "48", "--longest", "200000"];
    let client = go_client_with(&address, 1, &args);
    for _ in 0..ENDS {
        record.grows().await;
        end(&handle, &serving);
        match within(serving).await {
            Ok(Served::Shutdown(cut) | Served::Closed(cut)) => assert_ne!(cut, Cut::default(), "no traffic"),
            Ok(other) => panic!("{other:?}"),
            Err(dropped) => assert!(dropped.is_cancelled(), "{dropped}"),
        }
        (handle, serving) = serve(&address, &record);
    }
    record.grows().await;
    client.signal("TERM");
    let ended = client.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.complaints);
    assert!(!ended.complaints.contains("another group"), "some did not come back:\n{}", ended.complaints);
    record.expect(&told(&ended.lines), Unanswered::Known);
}

/// A server whose sockets hold little, so that it is almost always in the middle of a frame.
fn serve(address: &str, record: &Record) -> (Handle, JoinHandle<Served>) {
    let server = Server::builder(Messages, Json, Recorder::new(&record.path).expect("the file can be made"))
        .limits(Limits::default().drain(Duration::from_millis(1)))
        .listen(listen(address))
        .expect("it has an address");
    (server.handle(), tokio::spawn(server.serve()))
}

fn listen(address: &str) -> TcpListener {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option of each socket");
    socket.set_send_buffer_size(16 << 10).expect("an option of each socket");
    socket.bind(address.parse().expect("an address")).expect("the port is free");
    socket.listen(1024).expect("it is bound")
}
