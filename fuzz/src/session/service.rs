//! The service that is fed: the sample's Commands in each Format, bounded.

use cmd_stream::server::ServerProtocol;

use super::super::sample::{Scripting, Side};

mod json;
mod protobuf;

pub(super) use json::InJson;
pub(super) use protobuf::InProtobuf;

/// The Receiver. Its Commands are polled in place, so that their order is that of their bytes, and all of them end.
#[derive(Debug)]
pub(super) struct Bounded;

/// The most Replies of one Command.
const MOST_REPLIES: u64 = 64;

/// The service in a Format, and what it must answer.
pub(super) trait Fed {
    type Command: Scripting;
    type Reply: Side<Format = <Self::Command as Side>::Format>;
    type Protocol: ServerProtocol<<Self::Command as Side>::Format, Bounded> + Default;

    /// What a Command is answered with.
    fn answer(command: Self::Command) -> Answered<Self::Reply>;
    /// Whether it ends its Command.
    fn is_last(reply: &Self::Reply) -> bool;
    /// Whether it is one that is answered late.
    fn is_late(reply: &Self::Reply) -> bool;
}

/// What a Command is answered with.
pub(super) enum Answered<R> {
    /// These, one after the other, and it fails if the last of them does not end it.
    AtOnce(Vec<R>),
    /// This one, after a while, under all limits.
    Late(R),
}
