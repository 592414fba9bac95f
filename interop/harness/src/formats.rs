//! The Formats of the matrix.

use std::convert::Infallible;
use std::fmt::Debug;

use cmd_stream::format::{Encode, Format};
use cmd_stream::protocol::kind::HasReply;
use cmd_stream::protocol::{ClientProtocol, Command, CommandOf, Protocol};
use cmd_stream::server::ServerProtocol;
use cmd_stream::{Json, Mus, Protobuf};
use testkit::sample::{
    self, DelayCmd, DelayResult, EchoCmd, EchoResult, FailCmd, Service, StreamCmd, StreamResult, TraceCmd,
};

use crate::protobuf;

/// The Formats that are tested, one per line: its name in the Go peer, and the Format. All tests of the matrix and the
/// `sample_server` use this list.
///
/// Passes the list to another macro.
#[macro_export]
macro_rules! for_each_format {
    ($then:ident) => {
        $then! {
            json => cmd_stream::Json;
            mus => cmd_stream::Mus;
            protobuf => cmd_stream::Protobuf;
        }
    };
}

/// A Format that both ends of the sample service can use, with its types for the service. Tests convert Commands and Replies
/// from and to those of [`testkit::sample`].
pub trait SampleFormat:
    Format
    + Copy
    + Encode<<Self as SampleFormat>::Echo>
    + Encode<<Self as SampleFormat>::Stream>
    + Encode<<Self as SampleFormat>::Fail>
    + Encode<<Self as SampleFormat>::Delay>
    + Encode<<Self as SampleFormat>::Trace>
{
    /// The service with its tags.
    type Protocol: ClientProtocol<Self>
        + ServerProtocol<Self, Service>
        + Protocol<Failure = Infallible>
        + Default;
    /// [`EchoCmd`].
    type Echo: From<EchoCmd> + Call<Self::Protocol, EchoResult>;
    /// [`StreamCmd`].
    type Stream: From<StreamCmd> + Call<Self::Protocol, StreamResult>;
    /// [`FailCmd`].
    type Fail: From<FailCmd> + Call<Self::Protocol, EchoResult>;
    /// [`DelayCmd`].
    type Delay: From<DelayCmd> + Call<Self::Protocol, DelayResult>;
    /// [`TraceCmd`].
    type Trace: From<TraceCmd<EchoCmd>> + Call<Self::Protocol, EchoResult>;

    /// Floats that some Formats refuse or change, but this one keeps.
    const SPECIAL_FLOATS: &'static [f64];
}

/// A Command of the Protocol `P`, with a Reply that can be turned into `R`.
pub trait Call<P: Protocol, R>: CommandOf<P> + Command<Reply: Into<R> + Debug, Kind: HasReply> {}

impl<P, R, C> Call<P, R> for C
where
    P: Protocol,
    C: CommandOf<P> + Command<Reply: Into<R> + Debug, Kind: HasReply>,
{
}

macro_rules! plain_types {
    () => {
        type Echo = EchoCmd;
        type Stream = StreamCmd;
        type Fail = FailCmd;
        type Delay = DelayCmd;
        type Trace = TraceCmd<EchoCmd>;
    };
}

impl SampleFormat for Json {
    type Protocol = sample::Sample;
    plain_types!();

    const SPECIAL_FLOATS: &'static [f64] = &[-0.0];
}

impl SampleFormat for Mus {
    type Protocol = sample::mus::Sample;
    plain_types!();

    const SPECIAL_FLOATS: &'static [f64] = &[-0.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
}

impl SampleFormat for Protobuf {
    type Protocol = protobuf::Sample;
    type Echo = protobuf::EchoCmd;
    type Stream = protobuf::StreamCmd;
    type Fail = protobuf::FailCmd;
    type Delay = protobuf::DelayCmd;
    type Trace = protobuf::TraceCmd;

    // A negative zero equals the default, so `prost` does not write it. (Go does.)
    const SPECIAL_FLOATS: &'static [f64] = &[f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
}
