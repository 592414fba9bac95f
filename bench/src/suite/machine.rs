//! Where a run took place.

use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// The name of the operating system, and the first two numbers of its version: what follows says more of the machine's owner.
pub(crate) fn os() -> String {
    short(&output("uname", &["-sr"]))
}

fn short(os: &str) -> String {
    os.split('.').take(2).collect::<Vec<_>>().join(".")
}

/// The processor's name.
pub(crate) fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(unknown, |(_, name)| name.trim().to_owned())
}

/// Processors that this process may use.
pub(crate) fn cpus() -> u32 {
    std::thread::available_parallelism().map_or(0, |cpus| u32::try_from(cpus.get()).unwrap_or(u32::MAX))
}

/// `1.95.0`
pub(crate) fn rust() -> String {
    word(&output("rustc", &["--version"]), 1)
}

/// `1.26.8`
pub(crate) fn go() -> String {
    word(&output("go", &["version"]), 2).trim_start_matches("go").to_owned()
}

/// The revision of this tree, and whether it was changed since.
pub(crate) fn revision() -> (String, bool) {
    let here = ["-C", env!("CARGO_MANIFEST_DIR")];
    let commit = output("git", &[&here[..], &["rev-parse", "--short", "HEAD"]].concat());
    let changes = output("git", &[&here[..], &["status", "--porcelain", "--untracked-files=no"]].concat());
    (commit, !changes.is_empty() && changes != unknown())
}

/// `2026-11-27T18:00:00Z`
pub(crate) fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    date(since)
}

fn date(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (mut year, mut left) = (1970, days);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year}-{month:02}-{:02}T{hour:02}:{minute:02}:{:02}Z", left + 1, second % 60)
}

fn output(program: &str, args: &[&str]) -> String {
    match Command::new(program).args(args).output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => unknown(),
    }
}

fn word(text: &str, at: usize) -> String {
    text.split_whitespace().nth(at).map_or_else(unknown, str::to_owned)
}

fn unknown() -> String {
    "unknown".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_version_two_numbers_are_kept() {
        assert_eq!(short("Linux 6.1.0-18-amd64"), "Linux 6.1");
        assert_eq!(short("unknown"), "unknown");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01T00:00:00Z");
        assert_eq!(date(1_709_210_096), "2024-02-29T12:34:56Z");
        assert_eq!(date(1_798_761_599), "2026-12-31T23:59:59Z");
    }
}
