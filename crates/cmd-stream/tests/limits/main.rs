//! Every limit of both sides: what happens at the limit, and at one past it. The clock is paused, so times are exact.

mod connections;
mod ends;
mod frames;
mod in_flight;
#[path = "../common/lab.rs"]
mod lab;
mod leaving;
mod memory;
mod never;
mod output;
#[path = "../common/pipes.rs"]
mod pipes;
mod rates;
mod settings;
mod shedding;
mod silent;
mod stream_replies;
mod time;
#[path = "../common/wire.rs"]
mod wire;

use std::time::Duration;

use cmd_stream::client::Client;
use cmd_stream::server::Limits;
use cmd_stream::{Error, ErrorKind, Json, Origin, client};
use lab::{Plain, World};
use pipes::{Dialer, pipes};
use testkit::peer::{BytePeer, GREETING};
use tokio::io::{DuplexStream, duplex};
use tokio::time::Instant;
use wire::echo_frame;

/// The resolution of the clock.
const TICK: Duration = Duration::from_millis(1);
/// A limit of time.
const TIME: Duration = Duration::from_secs(5);
/// Room for anything that these tests send.
const WIDE: usize = 1 << 16;

/// Checks how long something took, up to the resolution of the timer.
#[track_caller]
fn assert_took(since: Instant, expected: Duration) {
    let took = since.elapsed();
    assert!((expected..=expected + 5 * TICK).contains(&took), "it took {took:?} instead of {expected:?}");
}

#[track_caller]
fn assert_error(error: &Error, kind: ErrorKind, origin: Origin, says: &str) {
    assert_eq!((error.kind(), error.origin()), (kind, origin), "{error}");
    assert!(format!("{error:#}").contains(says), "\"{error:#}\" does not say \"{says}\"");
}

/// Starts a server on pipes.
fn served(limits: Limits) -> (World, Dialer) {
    let (dialer, listener) = pipes();
    (World::over(listener, limits), dialer)
}

/// Connects a byte peer to the server and reads the greeting.
async fn greeted(dialer: &Dialer, width: usize) -> BytePeer<DuplexStream> {
    let mut peer = BytePeer::over(dialer.dial(width));
    peer.expect(GREETING).await;
    peer
}

/// Connects a client to a byte peer that acts as its server.
async fn connected(limits: client::Limits, width: usize) -> (Client<Plain, Json>, BytePeer<DuplexStream>) {
    let (ours, theirs) = duplex(width);
    let mut peer = BytePeer::over(theirs);
    let client = Client::builder(Plain, Json).limits(limits);
    let (client, ()) = tokio::join!(client.over(ours, pipes::peer()), peer.send(GREETING));
    (client.unwrap(), peer)
}

/// The capacity of a narrow pipe, in bytes.
const NARROW: usize = 100;

/// The length of the frame of an Echo with this seq and a text of this many bytes.
fn echo_len(seq: i64, bytes: usize) -> usize {
    echo_frame(seq, &"x".repeat(bytes)).len()
}
