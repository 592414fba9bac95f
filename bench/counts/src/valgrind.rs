//! Counts instructions with valgrind's cachegrind, without a simulated cache.

use std::process::Command;

/// Counts the instructions of this program, started with these arguments.
///
/// # Errors
///
/// If valgrind cannot be started, or the program fails in it. The error has valgrind's output.
pub(crate) fn instructions(arguments: impl IntoIterator<Item = String>) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("cannot start valgrind: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("in valgrind: {}: {told}", output.status));
    }
    counted(&told).ok_or_else(|| format!("valgrind does not say how much it has counted: {told}"))
}

/// The number after `I refs:`.
fn counted(told: &str) -> Option<u64> {
    let line = told.lines().find(|line| line.split_whitespace().nth(1) == Some("I"))?;
    line.split_once("refs:")?.1.trim().replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_is_found_among_what_cachegrind_says() {
        let told = "==7== Cachegrind, a tool\n==7== \n==7== I   refs:      586,719,979\n==7== D refs: 5\n";
        assert_eq!(counted(told), Some(586_719_979));
        assert_eq!(counted("==7== D refs:        5\n"), None);
    }
}
