//! A group of Go clients and our server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cmd_stream::protocol::Protocol;
use cmd_stream::server::{Ended, Invocation};
use cmd_stream::{ErrorKind, Failed, Invoker, Origin};
use interop::SampleFormat;

use crate::support::{OurServer, Wire};

pub(crate) async fn a_group_of_8_spreads_calls_of_64_tasks_and_compares_all_replies<F: SampleFormat>(
    wire: Wire<F>,
) {
    let shares = Shares::default();
    let mut server = OurServer::start(wire.server_builder().invoker(shares.clone())).await;
    let args = ["--clients", "8", "--count", "10000", "--tasks", "64"];
    wire.go_client(&server.address, "group", &args).expect_success(&["ok"]).await;
    for _ in 0..8 {
        let reason = server.lost().await.reason;
        assert_eq!((reason.kind(), reason.origin()), (ErrorKind::Closed, Origin::Remote), "{reason}");
    }
    let counters = server.handle.counters();
    // 1000 of the Commands are streams, of one to five Replies in turn.
    assert_eq!((counters.started, counters.replies, counters.accepted), (10_000, 9_000 + 3_000, 8));
    assert_eq!(shares.all(), [1_250; 8], "its strategy is round robin");
}

/// Counts the Commands of each connection.
#[derive(Clone, Default)]
struct Shares(Arc<Mutex<HashMap<u64, u32>>>);

impl Shares {
    fn all(&self) -> Vec<u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().copied().collect()
    }
}

impl<P: Protocol> Invoker<P> for Shares {
    async fn invoke(&self, invocation: impl Invocation<P>) -> Result<Ended, Failed> {
        let connection = invocation.connection().id();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(connection).or_default() += 1;
        invocation.run().await
    }
}
