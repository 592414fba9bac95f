//! Counts instructions with valgrind's cachegrind. They are the same on a busy machine as on a quiet one. Without a simulated
//! cache it counts as callgrind does, in half the time.

use std::ffi::OsStr;
use std::process::Command;

/// What runs a program in it. The count is written to stderr, for [`counted`].
pub const COMMAND: [&str; 4] =
    ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"];

/// Counts the instructions that this program executes when it is started with these arguments: those of all its threads,
/// without the kernel's.
///
/// The start-up is counted, too, so take the difference of two runs.
///
/// # Errors
///
/// If valgrind cannot be started, or the program fails in it. The error has valgrind's output.
pub fn instructions(arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    let output = Command::new(COMMAND[0])
        .args(&COMMAND[1..])
        .arg(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("cannot start valgrind: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("in valgrind: {}: {told}", output.status));
    }
    counted(&told)
}

/// The number after `I refs:`, in what valgrind has told.
///
/// # Errors
///
/// If there is none. The error has all of it.
pub fn counted(told: &str) -> Result<u64, String> {
    let number = |line: &str| line.split_once("refs:")?.1.trim().replace(',', "").parse().ok();
    let mut counts = told.lines().filter(|line| line.split_whitespace().nth(1) == Some("I"));
    counts.find_map(number).ok_or_else(|| format!("valgrind does not say how much it has counted: {told}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_is_found_among_what_cachegrind_says() {
        let told = "==7== Cachegrind, a tool\n==7== \n==7== I   refs:      586,719,979\n==7== D refs: 5\n";
        assert_eq!(counted(told), Ok(586_719_979));
        assert_eq!(counted("==7== I refs:        12\n==7== D refs:        5\n"), Ok(12));
        assert!(counted("==7== D refs:        5\n").is_err());
    }
}
