//! Several clients behind one Sender.

#[path = "../common/lab.rs"]
mod lab;
#[path = "../common/pipes.rs"]
mod pipes;
#[path = "../common/wire.rs"]
mod wire;

mod net;

mod ages;
mod behaviours_of_go;
mod breakers;
mod connects;
mod endpoints;
mod ends;
mod members;
mod moves;
mod outages;
mod probes;
mod strategies;

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// What an error says of itself.
fn told(error: impl Into<cmd_stream::Error>) -> (cmd_stream::ErrorKind, cmd_stream::Origin, bool) {
    let error = error.into();
    (error.kind(), error.origin(), error.was_sent())
}
