//! The participants: one module for each that is written in Rust.

pub(crate) mod cmd_stream;
pub(crate) mod raw_tcp;

use clap::ValueEnum;

use crate::load::Measured;
use crate::participant::Request;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Participant {
    /// This library.
    CmdStream,
    /// The Go library that it is compatible with, built from the `interop` folder.
    CmdStreamGo,
    /// The ceiling: the same bytes, echoed by plain sockets.
    RawTcp,
}

impl Participant {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CmdStream => "cmd-stream",
            Self::CmdStreamGo => "cmd-stream-go",
            Self::RawTcp => "raw-tcp",
        }
    }

    /// One round, in this process.
    pub(crate) async fn measure(self, request: &Request) -> Result<Measured, String> {
        match self {
            Self::CmdStream => cmd_stream::measure(request).await,
            Self::RawTcp => raw_tcp::measure(request).await,
            Self::CmdStreamGo => Err("this participant is a program of its own, written in Go".to_owned()),
        }
    }
}
