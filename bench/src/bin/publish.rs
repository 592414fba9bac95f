//! Writes what a run of the benchmarks says into the README, into BENCHMARKS.md and into the chart. `bench/publish.sh`
//! measures first, and then runs this.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use bench::published::{Run, chart, replace};

fn main() -> ExitCode {
    match run() {
        Ok(figures) => {
            print!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("publish: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let told = |path: &PathBuf, error: io::Error| format!("{}: {error}", path.display());
    let read = |path: &PathBuf| fs::read_to_string(path).map_err(|error| told(path, error));
    let write = |path: &PathBuf, text: String| fs::write(path, text).map_err(|error| told(path, error));

    let run = Run::parse(&read(&root.join("bench/data/side_by_side.jsonl"))?)?;
    let (figures, table) = (run.figures()?, run.table()?);
    for (page, name, content) in
        [("README.md", "figures", &figures), ("BENCHMARKS.md", "side by side", &table)]
    {
        let page = root.join(page);
        let text =
            replace(&read(&page)?, name, content).map_err(|error| format!("{}: {error}", page.display()))?;
        write(&page, text)?;
    }
    write(&root.join("bench/data/throughput.svg"), chart(&run)?)?;
    Ok(figures + &table)
}
