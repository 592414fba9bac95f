//! The participants: one module for each that is written in Rust.

pub(crate) mod cmd_stream;
pub(crate) mod otel;
pub(crate) mod raw_tcp;
pub(crate) mod suite_cmd_stream;
mod suite_features;
pub(crate) mod suite_raw;

use clap::ValueEnum;

use self::cmd_stream::Security;
use self::otel::Records;
use bench_harness::alloc::Allocated;
use bench_harness::format::Format;
use bench_harness::lines::Request;
use bench_harness::load::Measured;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Participant {
    /// This library.
    CmdStream,
    /// The same through a Sender, over a group with as many members as there are connections.
    CmdStreamGroup,
    /// As the group, with OpenTelemetry on both sides, of which no span is sampled.
    CmdStreamOtelOff,
    /// The same with metrics.
    CmdStreamOtelMetrics,
    /// The same without metrics, with all spans sampled and exported to a receiver in the process.
    CmdStreamOtelOn,
    /// This library over TLS 1.3, with certificates on both sides.
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
            Self::CmdStreamOtelOff => "cmd-stream-otel-off",
            Self::CmdStreamOtelMetrics => "cmd-stream-otel-metrics",
            Self::CmdStreamOtelOn => "cmd-stream-otel-on",
            Self::CmdStreamTls => "cmd-stream-tls",
            Self::CmdStreamGo => "cmd-stream-go",
            Self::RawTcp => "raw-tcp",
        }
    }

    /// Whether its allocations can be counted.
    pub(crate) fn is_counted(self) -> bool {
        matches!(
            self,
            Self::CmdStream | Self::CmdStreamOtelOff | Self::CmdStreamOtelMetrics | Self::CmdStreamOtelOn
        )
    }

    /// Counts what `calls` round trips of each of `tasks` tasks allocate.
    pub(crate) async fn count(
        self,
        format: Format,
        connections: u32,
        tasks: usize,
        calls: usize,
    ) -> Result<Allocated, String> {
        let records = match self {
            Self::CmdStream => return cmd_stream::count(format, connections, tasks, calls).await,
            Self::CmdStreamOtelOff => Records::Nothing,
            Self::CmdStreamOtelMetrics => Records::Metrics,
            Self::CmdStreamOtelOn => Records::Spans,
            _ => return Err(format!("the allocations of {} are not counted", self.name())),
        };
        otel::count(records, format, connections, tasks, calls).await
    }

    /// One round, in this process.
    pub(crate) async fn measure(self, request: &Request) -> Result<Measured, String> {
        match self {
            Self::CmdStream => cmd_stream::measure(request, Security::Plain).await,
            Self::CmdStreamGroup => cmd_stream::measure_group(request).await,
            Self::CmdStreamOtelOff => otel::measure(request, Records::Nothing).await,
            Self::CmdStreamOtelMetrics => otel::measure(request, Records::Metrics).await,
            Self::CmdStreamOtelOn => otel::measure(request, Records::Spans).await,
            Self::CmdStreamTls => cmd_stream::measure(request, Security::Tls).await,
            Self::RawTcp => raw_tcp::measure(request).await,
            Self::CmdStreamGo => Err("this participant is a program of its own, written in Go".to_owned()),
        }
    }
}
