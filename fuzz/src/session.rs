//! A whole server that is fed arbitrary bytes, in one Format. It is a real [`Server`] over connections in memory, on
//! one thread with a paused clock, so that only its input determines what it does.
//!
//! The expected answers are computed first: the bytes are decoded piece by piece as they will be sent, up to the first
//! one that ends the connection. The server must then have sent exactly those Replies, ended the connection for that
//! reason, counted all of it, and kept memory in proportion, and it must serve another client.

use std::io;
use std::sync::{Arc, Mutex};

use cmd_stream::Server;
use cmd_stream::transport::{Accept, Peer};
use tokio::io::{DuplexStream, duplex, split};
use tokio::runtime;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::memory::measure;
use super::sample::Side;

mod client;
mod expected;
mod outcome;
mod plan;
mod service;

use client::{Client, assert_is_served};
use expected::Expected;
use outcome::Outcome;
use plan::{Plan, SETTLE};
use service::{Bounded, Fed, InJson, InProtobuf};

/// Checks a server in JSON.
pub fn check(data: &[u8]) {
    check_in::<InJson>(data);
}

/// Checks a server in Protobuf.
pub fn check_protobuf(data: &[u8]) {
    check_in::<InProtobuf>(data);
}

fn check_in<S: Fed>(data: &[u8]) {
    let mut plan = Plan::read::<S::Command>(data);
    let expected = Expected::<S>::of(&plan);
    if expected.has_seq_twice {
        // With little room for output, the Commands in flight depend on when it is written.
        plan.output = None;
    }
    let (outcome, used) = measure(|| run(&plan, &expected));
    outcome.assert(&plan, &expected);
    let handled = plan.bytes.len() + expected.output;
    let most =
        MOST_PER_BYTE * handled + MOST_PER_TASK * (expected.late.len() + expected.in_flight.len()) + MOST;
    assert!(used.peak <= most, "{used:?} for {handled} bytes in and out");
}

/// Measured: 220,000 bytes for small inputs (buffers of 64 KiB, and one that has grown), and 2.9 per byte of large
/// ones, because a buffer that grows exists twice for a moment.
const MOST_PER_BYTE: usize = 4;
const MOST: usize = 400_000;
/// The memory of a Command in a task of its own.
const MOST_PER_TASK: usize = 2048;

fn run<S: Fed>(plan: &Plan, expected: &Expected<S>) -> Outcome {
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without I/O needs nothing").block_on(async {
        let (connector, listener) = mpsc::unbounded_channel();
        let lost = Arc::new(Mutex::new(Vec::new()));
        let all_lost = Arc::clone(&lost);
        let server = Server::builder(S::Protocol::default(), S::Command::limited(plan.max_len), Bounded)
            .limits(plan.limits())
            .on_connection_lost(move |lost| all_lost.lock().expect("no panic").push(lost.into()))
            .listen(Handed(listener))
            .expect("a listener with an address");
        let handle = server.handle();
        let serving = tokio::spawn(server.serve());
        let connect = || {
            // Many bytes through a pipe that holds one would take too long.
            let (ours, theirs) = duplex(plan.pipe.max((plan.bytes.len() + expected.output) / 500));
            connector.send(theirs).expect("the server serves");
            split(ours)
        };

        let client = Client::start(plan, expected, connect());
        client.wait_until_settled(plan).await;
        assert_is_served(connect()).await;
        let received = client.leave(plan, expected, &handle).await;
        sleep(SETTLE).await;
        let counters = handle.counters();
        handle.close();
        let served = serving.await.expect("no panic");
        sleep(SETTLE).await;
        let lost = std::mem::take(&mut *lost.lock().expect("no panic"));
        Outcome { received, lost, counters, served }
    })
}

/// A listener that is given its connections.
#[derive(Debug)]
struct Handed(mpsc::UnboundedReceiver<DuplexStream>);

impl Accept for Handed {
    type Incoming = (DuplexStream, Peer);

    async fn accept(&mut self) -> io::Result<Self::Incoming> {
        let io = self.0.recv().await.expect("the test outlives the server");
        Ok((io, Peer::other("fuzz")))
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer::other("fuzz"))
    }
}
