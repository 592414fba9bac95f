//! How servers, connections and clients begin and end, and what each side is told.

mod blocked;
mod client_end;
mod close;
mod half_frames;
#[path = "../common/lab.rs"]
mod lab;
mod last_output;
mod orphans;
#[path = "../common/pipes.rs"]
mod pipes;
mod reports;
mod shutdown;
mod transports;
mod wakers;
#[path = "../common/wire.rs"]
mod wire;

use cmd_stream::server::{Limits, Served};
use cmd_stream::transport::memory;
use cmd_stream::{Error, ErrorKind, Origin};
use lab::World;

#[track_caller]
fn assert_error(error: &Error, kind: ErrorKind, origin: Origin, says: &str) {
    assert_eq!((error.kind(), error.origin()), (kind, origin), "{error}");
    assert!(format!("{error:#}").contains(says), "\"{error:#}\" does not say \"{says}\"");
}

/// Starts a server in memory. Returns it and a connector.
fn in_memory(limits: Limits) -> (World, memory::Connector) {
    let (connector, listener) = memory::pair();
    (World::over(listener, limits), connector)
}

#[track_caller]
fn assert_shutdown(served: Served, connections: usize, commands: usize) {
    let Served::Shutdown(cut) = served else { panic!("{served:?}") };
    assert_eq!((cut.connections, cut.commands), (connections, commands));
}

#[track_caller]
fn assert_closed(served: Served, connections: usize, commands: usize) {
    let Served::Closed(cut) = served else { panic!("{served:?}") };
    assert_eq!((cut.connections, cut.commands), (connections, commands));
}
