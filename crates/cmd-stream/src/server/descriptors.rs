//! How many files the process may have open: each connection takes one. Past that the listener cannot accept, and clients
//! hang in its queue until their own time is over.

use super::limits::Limits;
use crate::transport::Peer;

/// Lowers the number of connections to what the process may have open, for a listener on sockets. On Linux only; elsewhere
/// it is not known.
pub(super) fn lower(limits: Limits, address: &Peer) -> Limits {
    if !address.is_socket() {
        return limits;
    }
    let Some(open_files) = open_files() else { return limits };
    let (connections, waiting) = within(open_files, limits.connections, limits.waiting);
    if (connections, waiting) == (limits.connections, limits.waiting) {
        return limits;
    }
    tracing::warn!(
        open_files,
        connections,
        waiting,
        "the limits of connections are lowered: the process may not open more files"
    );
    Limits { connections, waiting, ..limits }
}

/// How many may be served, and how many may wait, so that the rest of the process can open files, too.
fn within(open_files: usize, connections: usize, waiting: usize) -> (usize, usize) {
    let reserve = (open_files / 16).clamp(32, 1024);
    let room = open_files.saturating_sub(reserve);
    // Those that wait get what those that are served leave, or an eighth.
    let waiting = waiting.min(room.saturating_sub(connections).max(room / 8));
    (connections.min(room - waiting).max(1), waiting)
}

/// How many files this process may have open. None if there is no limit, or if it is not known.
fn open_files() -> Option<usize> {
    if !cfg!(any(target_os = "android", target_os = "linux")) {
        return None;
    }
    soft_limit(&std::fs::read_to_string("/proc/self/limits").ok()?)
}

/// The soft limit of open files, in the text of the system.
fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_read_as_the_system_writes_it() {
        let text = |soft: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units     \n\
                 Max processes             63432                63432                processes \n\
                 Max open files            {soft:<20} 1048576              files     \n"
            )
        };
        assert_eq!(soft_limit(&text("1024")), Some(1024));
        assert_eq!(soft_limit(&text("unlimited")), None);
        assert_eq!(soft_limit(""), None);
        if cfg!(target_os = "linux") {
            assert!(open_files().is_none_or(|files| files > 0));
        }
    }

    #[test]
    fn what_fits_stays_and_what_does_not_is_lowered_to_the_limit_less_a_reserve() {
        for (open_files, given, expected) in [
            (1_048_576, (10_000, 128), (10_000, 128)),
            (10_128 + 675, (10_000, 128), (10_000, 128)), // a sixteenth is kept
            (10_127 + 675, (10_000, 128), (9_999, 128)),
            (1024, (10_000, 128), (840, 120)),
            (1024, (100, 5000), (100, 860)),
            (1024, (10_000, 0), (960, 0)),
            (100, (10_000, 128), (60, 8)),
            (1_048_576, (usize::MAX, usize::MAX), (916_608, 130_944)),
            (33, (10_000, 128), (1, 0)),
            (0, (10_000, 128), (1, 0)),
        ] {
            assert_eq!(within(open_files, given.0, given.1), expected, "{open_files} files, {given:?}");
        }
    }
}
