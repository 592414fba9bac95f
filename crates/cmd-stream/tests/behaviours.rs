//! Holds `docs/BEHAVIOURS.md` to the code: every line of the list has a row, and every test that a row names exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// How many behaviours the Go tests assert.
const BEHAVIOURS: u32 = 187;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn document() -> String {
    fs::read_to_string(root().join("docs/BEHAVIOURS.md")).expect("the document is there")
}

/// The rows of the table: the behaviours in their first cell, and the other cells.
fn rows(document: &str) -> Vec<(Vec<u32>, String)> {
    let cells = document.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let rows = cells.filter_map(|(numbers, rest)| Some((parse_numbers(numbers)?, rest.to_owned())));
    rows.collect()
}

/// `1`, `2-4` or `1, 7-9`.
fn parse_numbers(cell: &str) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for part in cell.split(',') {
        let (first, last) = part.trim().split_once('-').unwrap_or_else(|| (part.trim(), part.trim()));
        numbers.extend(first.parse::<u32>().ok()?..=last.parse().ok()?);
    }
    Some(numbers)
}

/// The tests that a text names: `path/of/file.rs::name_of_test` between backquotes.
fn named_tests(text: &str) -> Vec<(&str, &str)> {
    text.split('`').filter_map(|quoted| quoted.split_once(".rs::")).collect()
}

#[test]
fn every_behaviour_has_one_row() {
    let mut seen = BTreeSet::new();
    for (numbers, _) in rows(&document()) {
        for number in numbers {
            assert!(seen.insert(number), "behaviour {number} stands in two rows");
        }
    }
    let missing: Vec<_> = (1..=BEHAVIOURS).filter(|number| !seen.contains(number)).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
    assert_eq!(seen.len() as u32, BEHAVIOURS, "there are more rows than behaviours");
}

#[test]
fn every_row_names_a_test_or_says_why_there_is_none() {
    for (numbers, rest) in rows(&document()) {
        let says_why = ["later:", "differs:", "none:"].iter().any(|word| rest.contains(word));
        assert!(!named_tests(&rest).is_empty() || says_why, "behaviours {numbers:?}: {rest}");
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let document = document();
    let named = named_tests(&document);
    assert!(named.len() > 50, "only {} tests are named", named.len());
    for (file, test) in named {
        let path = root().join("crates/cmd-stream").join(format!("{file}.rs"));
        let code = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let definition = format!("fn {test}(");
        let at = code.find(&definition).unwrap_or_else(|| panic!("{file}.rs has no test `{test}`"));
        let attributes = code[..at].rsplit('}').next().unwrap_or_default();
        assert!(attributes.contains("test"), "`{test}` in {file}.rs is not a test");
    }
}
