//! Instructions, counted by valgrind's callgrind: the same on a busy machine as on a quiet one. Knows nothing of what is
//! counted.

use std::process::Command;

/// How many instructions this program executes when it is started with these arguments, all of its threads together,
/// the system's own not included.
///
/// What has to be done before the part that is asked about is counted too, so take the difference of two runs.
///
/// # Errors
///
/// If valgrind cannot be started, or the program fails in it: what it has said.
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

/// The number behind `Collected :`, in the last of such lines.
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
