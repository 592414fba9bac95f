//! The participants: one module for each that is written in Rust.

pub(crate) mod cmd_stream;
pub(crate) mod raw_tcp;

use clap::ValueEnum;

use self::cmd_stream::Security;
use crate::load::Measured;
use crate::participant::Request;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Participant {
    /// This library.
    CmdStream,
    /// The same through a Sender, over a group with as many members as there are connections.
    CmdStreamGroup,
    /// The same over TLS 1.3, with certificates on both sides.
    CmdStreamTls,
    /// The Go library that it is compatible with, built from the `interop` folder.
    CmdStreamGo,
    /// The ceiling: the same bytes, echoed by plain sockets.
    RawTcp,
}

impl Participant {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CmdStream => "cmd-stream",
            Self::CmdStreamGroup => "cmd-stream-group",
            Self::CmdStreamTls => "cmd-stream-tls",
            Self::CmdStreamGo => "cmd-stream-go",
            Self::RawTcp => "raw-tcp",
        }
    }

    /// One round, in this process.
    pub(crate) async fn measure(self, request: &Request) -> Result<Measured, String> {
        match self {
            Self::CmdStream => cmd_stream::measure(request, Security::Plain).await,
            Self::CmdStreamGroup => cmd_stream::measure_group(request).await,
            Self::CmdStreamTls => cmd_stream::measure(request, Security::Tls).await,
            Self::RawTcp => raw_tcp::measure(request).await,
            Self::CmdStreamGo => Err("this participant is a program of its own, written in Go".to_owned()),
        }
    }
}
