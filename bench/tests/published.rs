//! The README, BENCHMARKS.md and the chart say what the data says. To mend a failure: `cargo run -p bench --bin publish`.

use bench::published::{Run, chart, replace};

const DATA: &str = include_str!("../data/side_by_side.jsonl");

fn run() -> Run {
    Run::parse(DATA).expect("the data is whole")
}

#[test]
fn figures_of_the_readme_are_those_of_the_data() {
    let readme = include_str!("../../README.md");
    assert_eq!(replace(readme, "figures", &run().figures().unwrap()).unwrap(), readme);
}

#[test]
fn table_of_the_benchmarks_page_is_that_of_the_data() {
    let page = include_str!("../../BENCHMARKS.md");
    assert_eq!(replace(page, "side by side", &run().table().unwrap()).unwrap(), page);
}

#[test]
fn chart_is_that_of_the_data() {
    assert_eq!(include_str!("../data/throughput.svg"), chart(&run()).unwrap());
}
