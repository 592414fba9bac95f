//! Writes a report again, from the results of an earlier run.

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use bench_report::Results;

fn main() -> ExitCode {
    match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [results, folder] => match report(Path::new(results), Path::new(folder)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
        _ => fail("usage: bench-report RESULTS.jsonl OUT_DIR"),
    }
}

fn report(results: &Path, folder: &Path) -> Result<(), String> {
    let text = fs::read_to_string(results).map_err(|error| format!("{}: {error}", results.display()))?;
    let parsed = Results::parse(&text).map_err(|error| format!("{}, {error}", results.display()))?;
    parsed.write(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

fn fail(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::FAILURE
}
