//! The numbers that a server and a Sender tell of themselves, and the log of what is slow.

#[path = "../common/scripted.rs"]
mod scripted;
#[path = "../common/wire.rs"]
mod wire;

mod desk;
mod load;
mod sender;
mod server;
mod slow;

use std::time::Duration;

use cmd_stream::server::CommandStats;

/// What a Command of a server has come to: started, in flight, replied, failed, panicked, lost.
fn numbers(command: &CommandStats) -> [u64; 6] {
    let CommandStats { started, in_flight, replied, failed, panicked, lost, .. } = *command;
    assert_eq!(started, in_flight + replied + failed + panicked + lost, "{command:?}");
    [started, in_flight, replied, failed, panicked, lost]
}

/// What the calls of a Sender have come to: started, in flight, replied, failed, timed out, refused, errors, cancelled.
fn calls(command: &cmd_stream::sender::CommandStats) -> [u64; 8] {
    let cmd_stream::sender::CommandStats {
        started,
        in_flight,
        replied,
        failed,
        timed_out,
        refused,
        errors,
        cancelled,
        ..
    } = *command;
    let ended = replied + failed + timed_out + refused + errors + cancelled;
    assert_eq!(started, in_flight + ended, "{command:?}");
    [started, in_flight, replied, failed, timed_out, refused, errors, cancelled]
}

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
