//! House rules on sizes, over all sources but the tests: files stay under 600 lines, and functions under 80.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn files_are_under_600_lines() {
    let too_long = over(600, |text| vec![(1, text.lines().count())]);
    assert!(too_long.is_empty(), "split along a seam with a name: {too_long:#?}");
}

#[test]
fn functions_are_under_80_lines() {
    let too_long = over(80, functions);
    assert!(too_long.is_empty(), "name the steps: {too_long:#?}");
}

#[test]
fn functions_are_found_and_measured() {
    let text = "\
fn one() {}
pub(crate) const fn two() {
}
pub(in crate::server) async fn three(
) {
}
unsafe extern \"C\" fn three_more(
) {
}
trait T {
    fn declared(&self);
    fn over_lines(
        &self,
    ) -> bool;
    async fn four(
        &self,
    ) {
        fn inner() { }
    }
}
// fn comment() {
macro_rules! m {
    () => {
        fn $name() -> u8 {
            0
        }
    };
}
";
    let expected = [(1, 1), (2, 2), (4, 3), (7, 3), (11, 1), (12, 3), (15, 5), (18, 1), (24, 3)];
    assert_eq!(functions(text), expected);
}

/// Returns the pieces of all sources that have `limit` lines or more, with their places.
fn over(limit: usize, measure: impl Fn(&str) -> Vec<(usize, usize)>) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths = Vec::new();
    for folder in FOLDERS {
        let before = paths.len();
        rust_files(&root.join(folder), &mut paths);
        assert!(paths.len() > before, "no sources in {folder}");
    }
    let mut found = Vec::new();
    let mut measured = 0;
    for path in paths {
        let text = fs::read_to_string(&path).expect("a text file");
        for (line, lines) in measure(&text) {
            measured += 1;
            if lines >= limit {
                found.push(format!("{}:{line}: {lines} lines", path.display()));
            }
        }
    }
    assert!(measured > 100, "only {measured} pieces were found");
    found
}

/// The folders with sources, at any depth.
const FOLDERS: [&str; 7] = ["attacks", "bench", "crates", "docs", "examples", "fuzz", "interop"];

/// Folders in which sources are tests or made by tools, not ours to split.
const PASSED_OVER: [&str; 2] = ["target", "tests"];

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            let is_passed_over = PASSED_OVER.iter().any(|name| path.ends_with(name));
            if !is_passed_over {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Returns the first line of each function and its number of lines. In code formatted by rustfmt, a function ends in its
/// first line, or at the first line after it that is no deeper and ends with a brace or a semicolon.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<_> = text.lines().collect();
    let first_lines = lines.iter().enumerate().filter(|(_, line)| is_function(line));
    first_lines
        .map(|(at, first)| {
            let is_last = |line: &&str| depth(line) <= depth(first) && line.ends_with(['}', ';']);
            let length = lines[at..].iter().position(is_last).expect("a function ends") + 1;
            (at + 1, length)
        })
        .collect()
}

/// Returns whether the line is the first one of a function: qualifiers, then `fn` and a name.
fn is_function(line: &str) -> bool {
    let line = line.trim_start();
    // A path in it has spaces: `pub(in crate::server)`.
    let line = match line.strip_prefix("pub(") {
        Some(rest) => rest.split_once(')').map_or(line, |(_, line)| line),
        None => line,
    };
    let is_qualifier =
        |word: &str| matches!(word, "const" | "async" | "unsafe" | "extern" | "pub") || word.starts_with('"');
    let mut words = line.split_whitespace().skip_while(|word| is_qualifier(word));
    words.next() == Some("fn") && words.next().is_some()
}

fn depth(line: &str) -> usize {
    line.len() - line.trim_start().len()
}
