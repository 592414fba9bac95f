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
    /// The same, but only the tracer provider is told that no span is sampled.
    CmdStreamOtelDropped,
    /// The same with metrics.
    CmdStreamOtelMetrics,
    /// Without metrics, with one trace of a hundred sampled, and exported to a receiver in the process.
    CmdStreamOtelOnePercent,
    /// The same with one trace of ten.
    CmdStreamOtelTenPercent,
    /// The same with all spans sampled, and no exporter.
    CmdStreamOtelAlone,
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
            Self::CmdStreamOtelDropped => "cmd-stream-otel-dropped",
            Self::CmdStreamOtelMetrics => "cmd-stream-otel-metrics",
            Self::CmdStreamOtelOnePercent => "cmd-stream-otel-one-percent",
            Self::CmdStreamOtelTenPercent => "cmd-stream-otel-ten-percent",
            Self::CmdStreamOtelAlone => "cmd-stream-otel-alone",
            Self::CmdStreamOtelOn => "cmd-stream-otel-on",
            Self::CmdStreamTls => "cmd-stream-tls",
            Self::CmdStreamGo => "cmd-stream-go",
            Self::RawTcp => "raw-tcp",
        }
    }

    /// Whether its allocations can be counted.
    pub(crate) fn is_counted(self) -> bool {
        self == Self::CmdStream || self.records().is_some()
    }

    /// Counts what `calls` round trips of each of `tasks` tasks allocate.
    pub(crate) async fn count(
        self,
        format: Format,
        connections: u32,
        tasks: usize,
        calls: usize,
    ) -> Result<Allocated, String> {
        if self == Self::CmdStream {
            return cmd_stream::count(format, connections, tasks, calls).await;
        }
        let not_counted = || format!("the allocations of {} are not counted", self.name());
        let records = self.records().ok_or_else(not_counted)?;
        otel::count(records, format, connections, tasks, calls).await
    }

    /// What OpenTelemetry records, of the participants with it.
    fn records(self) -> Option<Records> {
        match self {
            Self::CmdStreamOtelOff => Some(Records::Nothing),
            Self::CmdStreamOtelDropped => Some(Records::NothingAsTheProviderSays),
            Self::CmdStreamOtelMetrics => Some(Records::Metrics),
            Self::CmdStreamOtelOnePercent => Some(Records::Traces(0.01)),
            Self::CmdStreamOtelTenPercent => Some(Records::Traces(0.1)),
            Self::CmdStreamOtelAlone => Some(Records::SpansAlone),
            Self::CmdStreamOtelOn => Some(Records::Spans),
            _ => None,
        }
    }

    /// One round, in this process.
    pub(crate) async fn measure(self, request: &Request) -> Result<Measured, String> {
        if let Some(records) = self.records() {
            return otel::measure(request, records).await;
        }
        match self {
            Self::CmdStream => cmd_stream::measure(request, Security::Plain).await,
            Self::CmdStreamGroup => cmd_stream::measure_group(request).await,
            Self::CmdStreamTls => cmd_stream::measure(request, Security::Tls).await,
            Self::RawTcp => raw_tcp::measure(request).await,
            _ => Err(format!("{} is no participant of this program", self.name())),
        }
    }
}
