//! Where a run took place.

use std::process::Command;
use std::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Release},
};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{fs, hint, thread};

/// The name of the operating system, and the first two numbers of its version: what follows says more of the machine's owner.
pub(crate) fn os() -> String {
    short(&output("uname", &["-sr"]))
}

fn short(os: &str) -> String {
    os.split('.').take(2).collect::<Vec<_>>().join(".")
}

/// The processor's name, and how far its parts are from each other: a runtime with several threads depends on both.
pub(crate) fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let name = name.map_or_else(unknown, |(_, name)| name.trim().to_owned());
    if cpus() < 2 {
        return name; // two threads would wait for their turns
    }
    format!("{name} (a cache line takes {} ns between processors)", between_threads().as_nanos())
}

/// How long it takes until one thread sees what another one has written: the least of some attempts, as others may use the
/// machine. On a virtual machine it may change: that depends on where its processors are.
fn between_threads() -> Duration {
    const TIMES: u32 = 20_000;
    let attempt = || {
        let turn = AtomicU32::new(0);
        let take_turns = |first: u32| {
            for at in (first..2 * TIMES).step_by(2) {
                let mut looks = 0;
                while turn.load(Acquire) != at {
                    looks += 1;
                    // The other thread may wait for this very processor.
                    if looks % 1000 == 0 { thread::yield_now() } else { hint::spin_loop() }
                }
                turn.store(at + 1, Release);
            }
        };
        let began = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| take_turns(1));
            take_turns(0);
        });
        began.elapsed() / (2 * TIMES)
    };
    (0..5).map(|_| attempt()).min().unwrap_or_default()
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
    fn what_a_thread_writes_is_seen_by_another_one() {
        assert!(between_threads() < Duration::from_millis(1));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01T00:00:00Z");
        assert_eq!(date(1_709_210_096), "2024-02-29T12:34:56Z");
        assert_eq!(date(1_798_761_599), "2026-12-31T23:59:59Z");
    }
}
