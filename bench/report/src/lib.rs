//! Writes the report of the benchmark suite: from a `results.jsonl` one self-contained HTML page, and the charts of the
//! README.
//!
//! ```
//! let text = r#"{"kind":"run","date":"2026-11-27T18:00:00Z","os":"Linux 6.1","cpu":"a model","cpus":2,"rust":"1.95.0",
//!     "commit":"1af2a9b","dirty":false,"rounds":5,"seconds_per_round":1.0,"participants":[],"workloads":[]}"#;
//! let results = bench_report::Results::parse(&text.replace('\n', ""))?;
//! assert!(results.page().starts_with("<!doctype html>"));
//! # Ok::<_, bench_report::ParseError>(())
//! ```

mod data;
mod draw;
mod figure;
mod lines;
mod page;
mod palette;
mod published;
mod readme;
mod rows;
mod scale;
mod sections;
mod select;
mod spread;
mod svg;
mod units;

use std::path::Path;
use std::{fs, io};

pub use data::{Latency, Line, ParseError, Participant, Results, Run, Sample, Setting, Workload};
pub use published::{replace, without_distributions};

impl Results {
    /// The report as one HTML page, which needs no other file.
    pub fn page(&self) -> String {
        page::page(self)
    }

    /// Throughput as a multiple of that of the others, with 1024 Commands in flight, as an SVG. It is dark if the
    /// reader's system is. `None` if cmd-stream was not measured so beside another participant.
    pub fn throughput_chart(&self) -> Option<String> {
        readme::throughput(self)
    }

    /// p99 latency over the offered rate, as an SVG like [`throughput_chart`](Self::throughput_chart). `None` if there
    /// was no open loop.
    pub fn latency_chart(&self) -> Option<String> {
        readme::latency(self)
    }

    /// A few sentences for the README, in Markdown. `None` if the run has not measured what they are about.
    pub fn figures(&self) -> Option<String> {
        published::figures(self)
    }

    /// How the run was made, and a table for each workload, in Markdown: how many times as good cmd-stream is.
    pub fn tables(&self) -> String {
        published::tables(self)
    }

    /// Writes `report.html`, and `throughput.svg` and `latency.svg` if there are figures for them, into a folder, which
    /// is made if it is not there. A chart of an earlier run that has no figures now is removed.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("report.html"), self.page())?;
        for (name, chart) in
            [("throughput.svg", self.throughput_chart()), ("latency.svg", self.latency_chart())]
        {
            let path = folder.join(name);
            match chart {
                Some(chart) => fs::write(path, chart)?,
                None if path.exists() => fs::remove_file(path)?,
                None => {}
            }
        }
        Ok(())
    }
}
