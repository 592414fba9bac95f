//! Many more calls at once than a client and a server take in at once: each is answered, and with its own Reply.
//!
//! The same with a million is `bench --burst`.

use cmd_stream::client::{Client, Limits};
use cmd_stream::{Json, Server};
use futures_util::future::join_all;
use testkit::ends::serve;
use testkit::sample::{EchoCmd, Sample, Service};
use testkit::wait::{PATIENCE, within};
use tokio::task::JoinSet;
use tokio::time::timeout;

const CONNECTIONS: i64 = 16;
const CALLS: i64 = 100_000 / CONNECTIONS;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_calls_at_once_over_16_connections_are_all_answered() {
    // Less than a connection is sent, so that both sides reach them.
    let limits = cmd_stream::server::Limits::default().in_flight(1000).output(64 << 10);
    let server = serve(Server::builder(Sample, Json, Service).limits(limits)).await;
    let mut connections = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let limits = Limits::default().in_flight(5000).output(64 << 10);
        let client = Client::builder(Sample, Json).limits(limits).connect(server.local_addr().to_string());
        let client = within(client).await.expect("the server is there");
        connections.spawn(async move {
            let call = async |number: i64| {
                let value = EchoCmd { int64: number, ..EchoCmd::default() };
                let reply = client.send(value).await.expect("it is answered");
                assert_eq!(reply.int64, number);
            };
            let first = connection * CALLS;
            join_all((first..first + CALLS).map(call)).await;
        });
    }
    let all = timeout(3 * PATIENCE, connections.join_all());
    assert_eq!(all.await.expect("all are answered").len(), CONNECTIONS as usize);
    let counters = server.counters();
    assert_eq!((counters.started, counters.replies), (100_000, 100_000));
}
