//! The sample service of the MUS vectors: the types of the JSON vectors, with other tags.

use cmd_stream::protocol;

pub use super::{DelayCmd, DelayResult, EchoCmd, EchoResult, FailCmd, StreamCmd, StreamResult, TraceCmd};

protocol! {
    /// The sample service, with the tags of the MUS vectors.
    pub struct Sample {
        commands {
            1 => EchoCmd,
            2 => StreamCmd,
            3 => FailCmd,
            4 => DelayCmd,
            5 => TraceCmd<EchoCmd> as TraceEchoCmd,
        }
        replies { 1 => EchoResult, 2 => StreamResult, 3 => DelayResult }
        failure close_connection
    }
}
