//! The service under test: the sample's Commands in each Format, bounded.

use cmd_stream::server::ServerProtocol;

use super::super::sample::{Scripting, Side};

mod json;
mod protobuf;

pub(super) use json::InJson;
pub(super) use protobuf::InProtobuf;

/// The Receiver. Its Commands are polled in place, so that they run in the order of their bytes, and all of them end.
#[derive(Debug)]
pub(super) struct Bounded;

/// The service in a Format, and what it must answer.
pub(super) trait Fed {
    type Command: Scripting;
    type Reply: Side<Format = <Self::Command as Side>::Format>;
    type Protocol: ServerProtocol<<Self::Command as Side>::Format, Bounded> + Default;

    /// How a Command is answered.
    fn answer(command: Self::Command) -> Answered<Self::Reply>;
    /// Returns whether the Reply ends its Command.
    fn is_last(reply: &Self::Reply) -> bool;
    /// Returns whether the Reply is one that is sent late.
    fn is_late(reply: &Self::Reply) -> bool;
}

/// How a Command is answered.
pub(super) enum Answered<R> {
    /// With these, one after the other. The Command fails if the last one does not end it.
    AtOnce(Vec<R>),
    /// With this one, after a delay within all limits.
    Late(R),
}

/// The most Replies of one Command.
const MOST_REPLIES: u64 = 64;
