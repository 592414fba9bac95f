//! Counts instructions with valgrind's callgrind. The counts are the same on a busy machine as on a quiet one.

use std::process::Command;

/// Counts the instructions that this program executes when it is started with these arguments: those of all its threads,
/// without the kernel's.
///
/// The start-up is counted, too, so take the difference of two runs.
///
/// # Errors
///
/// If valgrind cannot be started, or the program fails in it. The error has valgrind's output.
pub fn instructions<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("cannot start valgrind: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("in valgrind: {}: {told}", output.status));
    }
    collected(&told).ok_or_else(|| format!("valgrind does not say how much it has collected: {told}"))
}

/// The number after `Collected :`, in the last line that has one.
fn collected(told: &str) -> Option<u64> {
    told.lines().rev().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_is_found_among_what_callgrind_says() {
        let told = "==7== Callgrind, a tool\n==7== Events    : Ir\n==7== Collected : 2391823\n==7== \n";
        assert_eq!(collected(told), Some(2_391_823));
        assert_eq!(collected("==7== Events    : Ir\n"), None);
    }
}
