//! The file with the counts that are held, and the comparison with it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::cases::RELATIONS;

/// By how much a number of instructions may differ from that of the file.
const TOLERANCE: f64 = 0.02;

/// The allocations of 1000 calls are written and compared in units of one by this. A single allocation more in all of the calls
/// that are counted is at least 40 of them.
const UNITS: f64 = 1000.0;

/// What one call, or one Reply, takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counted {
    /// Of the program and its libraries, without the kernel's.
    pub(crate) instructions: f64,
    /// Of 1000 calls, with the values of the user.
    pub(crate) allocations_of_1000: f64,
}

/// What is in the file.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    /// Each compiler makes other instructions.
    rustc: String,
    cases: BTreeMap<String, Counted>,
}

impl Baseline {
    /// These counts, made with this machine's compiler.
    pub(crate) fn of(counted: Vec<(&str, Counted)>) -> Result<Self, String> {
        let rounded = |counted: Counted| Counted {
            instructions: counted.instructions.round(),
            allocations_of_1000: round(counted.allocations_of_1000),
        };
        let cases = counted.into_iter().map(|(name, counted)| (name.to_owned(), rounded(counted)));
        Ok(Self { rustc: rustc()?, cases: cases.collect() })
    }

    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        let text = serde_json::to_string_pretty(self).expect("it is text and numbers") + "\n";
        std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// A table, and whether all is as in the file. `all`: no case of the file may be missing.
    pub(crate) fn compare(&self, counted: &[(&str, Counted)], all: bool) -> (String, Result<(), String>) {
        let mut table =
            "| what | instructions | of the file | allocations of 1000 | of the file |\n".to_owned();
        table += "| --- | --- | --- | --- | --- |\n";
        let mut wrong = Vec::new();
        for (name, now) in counted {
            let Some(held) = self.cases.get(*name) else {
                wrong.push(format!("{name} is not in the file"));
                continue;
            };
            let ratio = now.instructions / held.instructions;
            let (allocations, allocated) = (round(now.allocations_of_1000), held.allocations_of_1000);
            if (ratio - 1.0).abs() > TOLERANCE {
                wrong.push(format!("{name}: {ratio:.3} times the instructions"));
            }
            if (allocations - allocated).abs() * UNITS > 0.5 {
                wrong.push(format!("{name}: {allocations} allocations instead of {allocated}"));
            }
            let instructions = now.instructions;
            let _ =
                writeln!(table, "| {name} | {instructions:.0} | {ratio:.3}x | {allocations} | {allocated} |");
        }
        for (costs, of, most) in RELATIONS {
            let now =
                |name| counted.iter().find(|(counted, _)| *counted == name).map(|(_, now)| now.instructions);
            if let (Some(costs_now), Some(of_now)) = (now(costs), now(of)) {
                let ratio = costs_now / of_now;
                let _ = writeln!(table, "| {costs}, beside {of} | | {ratio:.3}x, at most {most:.2} | | |");
                if ratio > most {
                    wrong.push(format!("{costs}: {ratio:.3} times the instructions of {of}, over {most}"));
                }
            }
        }
        let gone = self.cases.keys().filter(|name| all && counted.iter().all(|(counted, _)| counted != name));
        wrong.extend(gone.map(|name| format!("{name} is in the file only")));
        if wrong.is_empty() {
            return (table, Ok(()));
        }
        let mut error = format!("not as in the file:\n  {}\n", wrong.join("\n  "));
        match rustc() {
            Ok(rustc) if rustc != self.rustc => {
                let _ = write!(error, "The file was made with {}, and this is {rustc}. ", self.rustc);
            }
            _ => {}
        }
        error += "If that is meant, write the file anew (`--write`), and commit it with the reason.";
        (table, Err(error))
    }
}

fn round(allocations: f64) -> f64 {
    (allocations * UNITS).round() / UNITS
}

fn rustc() -> Result<String, String> {
    let output = Command::new("rustc").arg("--version").output();
    let output = output.map_err(|error| format!("which rustc? {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(instructions: f64, allocations: f64) -> Baseline {
        let counted = Counted { instructions, allocations_of_1000: allocations };
        Baseline::of(vec![("call", counted)]).expect("rustc has made this test")
    }

    fn held(instructions: f64, allocations: f64) -> Result<(), String> {
        let now = Counted { instructions, allocations_of_1000: allocations };
        baseline(5000.0, 2000.0).compare(&[("call", now)], true).1
    }

    #[test]
    fn what_costs_more_or_less_than_the_file_says_is_an_error() {
        assert_eq!(held(5099.0, 2000.0), Ok(()));
        assert_eq!(held(4901.0, 2000.0), Ok(()));
        assert!(held(5101.0, 2000.0).unwrap_err().contains("call: 1.020 times"));
        assert!(held(4899.0, 2000.0).unwrap_err().contains("call: 0.980 times"));
        assert!(held(5000.0, 2000.05).unwrap_err().contains("2000.05 allocations instead of 2000"));
        assert!(held(5000.0, 1999.95).unwrap_err().contains("1999.95 allocations instead of 2000"));
    }

    #[test]
    fn a_case_is_in_both_or_the_comparison_fails() {
        let other = Counted { instructions: 1.0, allocations_of_1000: 0.0 };
        let error = baseline(1.0, 0.0).compare(&[("other", other)], true).1.unwrap_err();
        assert!(error.contains("other is not in the file") && error.contains("call is in the file only"));
        assert_eq!(baseline(1.0, 0.0).compare(&[], false).1, Ok(()));
    }

    #[test]
    fn file_is_read_as_it_was_written() {
        let path = std::env::temp_dir().join(format!("bench-counts-{}.json", std::process::id()));
        let baseline = baseline(5000.4, 984.375);
        baseline.write(&path).unwrap();
        assert_eq!(Baseline::read(&path).unwrap(), baseline);
        std::fs::remove_file(&path).unwrap();
        assert!(Baseline::read(&path).unwrap_err().contains("bench-counts"));
    }
}
