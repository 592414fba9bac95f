//! The table of what was seen, as text that is also Markdown.

use std::time::Duration;

use crate::run::Seen;

/// The two lines above the rows.
pub(crate) fn header() -> String {
    let columns = [
        "attack",
        "lasted",
        "sent",
        "conns",
        "memory",
        "tasks",
        "Commands",
        "fds",
        "p99 without",
        "p99 beside",
        "stretch",
        "idle after",
    ];
    let widths: Vec<_> = WIDTHS.iter().map(|width| "-".repeat(*width)).collect();
    format!("{}\n{}", line(&columns.map(str::to_owned)), line(&widths))
}

/// The row of one attack.
pub(crate) fn row(name: &str, seen: &Seen) -> String {
    line(&[
        name.to_owned(),
        format!("{:.1} s", seen.lasted.as_secs_f64()),
        bytes(seen.cost_bytes),
        seen.cost_connections.to_string(),
        bytes(seen.memory),
        seen.tasks.to_string(),
        seen.commands.to_string(),
        seen.descriptors.to_string(),
        time(seen.without),
        time(seen.beside),
        format!("{:.1}", seen.stretch),
        time(seen.recovery),
    ])
}

const WIDTHS: [usize; 12] = [16, 6, 9, 6, 9, 6, 8, 5, 11, 10, 7, 10];

fn line(cells: &[String]) -> String {
    let cells: Vec<_> = cells.iter().zip(WIDTHS).map(|(cell, width)| format!("{cell:<width$}")).collect();
    format!("| {} |", cells.join(" | "))
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

fn time(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1000.0;
    match milliseconds {
        ..10.0 => format!("{milliseconds:.2} ms"),
        _ => format!("{milliseconds:.0} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_have_units() {
        assert_eq!([bytes(12), bytes(2048), bytes(3 << 20)], ["12 B", "2.0 KiB", "3.0 MiB"]);
        assert_eq!([time(Duration::from_micros(60)), time(Duration::from_millis(19))], ["0.06 ms", "19 ms"]);
    }

    #[test]
    fn lines_are_equally_long() {
        let header = header();
        let lengths: Vec<_> = header.lines().map(str::len).collect();
        assert_eq!(lengths[0], lengths[1]);
    }
}
