//! Writes a report again, from the results of an earlier run; or puts them into the public pages.

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

use bench_report::{Results, replace, without_distributions};

/// The folder with the figures that the public pages show, in the repository.
const DATA: &str = "bench/data";

fn main() -> ExitCode {
    let done = match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [publish, results, root] if publish == "publish" => publish_into(Path::new(results), Path::new(root)),
        [results, folder] => report(Path::new(results), Path::new(folder)),
        _ => Err(
            "usage: bench-report RESULTS.jsonl OUT_DIR\n       bench-report publish RESULTS.jsonl REPOSITORY"
                .to_owned(),
        ),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn report(results: &Path, folder: &Path) -> Result<(), String> {
    parsed(results, &read(results)?)?.write(folder).map_err(|error| told(folder, &error))
}

/// Writes the data, the charts, the figures of the README and the tables of BENCHMARKS.md.
fn publish_into(path: &Path, root: &Path) -> Result<(), String> {
    let data = without_distributions(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))?;
    let results = parsed(path, &data)?;
    let missing = |what: &str| format!("{}: the run lacks what {what} shows", path.display());
    let figures = results.figures().ok_or_else(|| missing("the README"))?;
    // Nothing is written before it is known that all of it is there.
    let throughput = results.throughput_chart().ok_or_else(|| missing("the chart of the throughput"))?;
    let latency = results.latency_chart().ok_or_else(|| missing("the chart of the latency"))?;
    for (page, name, content) in
        [("README.md", "figures", &figures), ("BENCHMARKS.md", "suite", &results.tables())]
    {
        let page = root.join(page);
        let text =
            replace(&read(&page)?, name, content).map_err(|error| format!("{}: {error}", page.display()))?;
        write(&page, &text)?;
    }
    for (name, text) in [("suite.jsonl", data), ("throughput.svg", throughput), ("latency.svg", latency)] {
        write(&root.join(DATA).join(name), &text)?;
    }
    print!("{figures}");
    Ok(())
}

fn parsed(path: &Path, text: &str) -> Result<Results, String> {
    Results::parse(text).map_err(|error| format!("{}, {error}", path.display()))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| told(path, &error))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| told(path, &error))
}

fn told(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}
