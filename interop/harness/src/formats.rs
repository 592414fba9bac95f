//! The Formats of the matrix.

use cmd_stream::format::{Decode, Encode, Format};
use testkit::sample::{
    DelayCmd, DelayResult, EchoCmd, EchoResult, FailCmd, StreamCmd, StreamResult, TraceCmd,
};

/// The Formats that are tested, each a line: its name in the Go peer, and the Format. Every test of the matrix and the
/// `sample_server` take them from here.
///
/// It hands the list to another macro.
#[macro_export]
macro_rules! for_each_format {
    ($then:ident) => {
        $then! {
            json => cmd_stream::Json;
        }
    };
}

/// A value of the sample service in this Format.
pub trait Codes<T>: Encode<T> + Decode<T> {}

impl<F: Encode<T> + Decode<T>, T> Codes<T> for F {}

/// A Format that both ends of the sample service can use.
pub trait SampleFormat:
    Format
    + Copy
    + Codes<EchoCmd>
    + Codes<StreamCmd>
    + Codes<FailCmd>
    + Codes<DelayCmd>
    + Codes<TraceCmd<EchoCmd>>
    + Codes<EchoResult>
    + Codes<StreamResult>
    + Codes<DelayResult>
{
}

impl<F> SampleFormat for F where
    F: Format
        + Copy
        + Codes<EchoCmd>
        + Codes<StreamCmd>
        + Codes<FailCmd>
        + Codes<DelayCmd>
        + Codes<TraceCmd<EchoCmd>>
        + Codes<EchoResult>
        + Codes<StreamResult>
        + Codes<DelayResult>
{
}
