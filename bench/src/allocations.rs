//! Heap allocations per unary round trip, client and server together, with and without the user's own values.

use std::fmt::Write;
use std::hint::black_box;

use serde::Serialize;

use crate::participant::runtime;
use crate::participants::Participant;
use crate::runner::Plan;
use bench_harness::alloc::{self, Allocated};
use bench_harness::format::Format;
use bench_harness::workload;

/// Round trips to count, approximately. Each task makes its share of them, but at least a hundred.
const ROUND_TRIPS: usize = 50_000;

/// Per round trip, in one setting.
#[derive(Serialize)]
pub(crate) struct Count {
    participant: &'static str,
    format: &'static str,
    in_flight: u32,
    connections: u32,
    round_trips: u64,
    /// All allocations.
    allocations: f64,
    bytes: f64,
    /// Of the user's values alone.
    own_allocations: f64,
    own_bytes: f64,
    /// The difference: what the library adds.
    net_allocations: f64,
    net_bytes: f64,
}

/// Fails if the library allocates more than `at_most` times per round trip, in any setting.
pub(crate) fn hold(counts: &[Count], at_most: f64) -> Result<(), String> {
    match counts.iter().find(|count| count.net_allocations > at_most) {
        None => Ok(()),
        Some(Count { net_allocations, in_flight, .. }) => Err(format!(
            "{net_allocations:.3} allocations a round trip with {in_flight} in flight, over {at_most}"
        )),
    }
}

/// Counts in this process, which has the counting allocator. Nothing else runs in it meanwhile.
pub(crate) fn count(plan: &Plan) -> Result<Vec<Count>, String> {
    let counted = plan.participants.iter().copied().filter(|participant| participant.is_counted());
    let settings = counted.flat_map(|participant| plan.settings().map(move |setting| (participant, setting)));
    settings
        .map(|(participant, (format, in_flight))| {
            count_setting(participant, format, in_flight, plan.connections)
        })
        .collect()
}

fn count_setting(
    participant: Participant,
    format: Format,
    in_flight: u32,
    connections: u32,
) -> Result<Count, String> {
    let tasks = in_flight as usize;
    let calls = (ROUND_TRIPS / tasks).max(100);
    // A new runtime, so that what the last setting left behind does not count.
    let all = runtime()?.block_on(participant.count(format, connections, tasks, calls))?;
    let own = own_values(format, tasks, calls);
    let round_trips = (tasks * calls) as u64;
    let each = |sum: u64| sum as f64 / round_trips as f64;
    Ok(Count {
        participant: participant.name(),
        format: format.name(),
        in_flight,
        connections,
        round_trips,
        allocations: each(all.count),
        bytes: each(all.bytes),
        own_allocations: each(own.count),
        own_bytes: each(own.bytes),
        net_allocations: each(all.count) - each(own.count),
        net_bytes: each(all.bytes) - each(own.bytes),
    })
}

/// What any user of these values allocates for the same round trips: the value that the server decodes, and the value that
/// the client decodes. Values are sent by reference.
fn own_values(format: Format, tasks: usize, calls: usize) -> Allocated {
    let bodies: Vec<_> = workload::pool().iter().map(|value| format.encode(value)).collect();
    alloc::start_counting();
    for task in 0..tasks {
        for body in workload::of_task(&bodies, task).take(calls) {
            black_box(format.decode(body));
            black_box(format.decode(body));
        }
    }
    alloc::stop_counting()
}

/// One object per line.
pub(crate) fn json_lines(counts: &[Count]) -> String {
    let lines =
        counts.iter().map(|count| serde_json::to_string(count).expect("a count is numbers and names"));
    lines.map(|line| line + "\n").collect()
}

/// For people.
pub(crate) fn table(counts: &[Count]) -> String {
    let mut text = String::from(
        "Heap allocations (and bytes) of a unary round trip, client and server together. The user's own: a\n\
         decoded value on each side.\n\n",
    );
    let mut line = |cells: [&str; 5]| {
        let [setting, round_trips, all, own, net] = cells;
        writeln!(text, "{setting:<18}{round_trips:>12}{all:>20}{own:>20}{net:>20}")
            .expect("a String takes all");
    };
    line(["in flight", "round trips", "all", "user's own", "net"]);
    for count in counts {
        let pair = |allocations, bytes| format!("{allocations:.3} ({bytes:.0} B)");
        line([
            &format!("{} ({})", count.in_flight, count.format),
            &count.round_trips.to_string(),
            &pair(count.allocations, count.bytes),
            &pair(count.own_allocations, count.own_bytes),
            &pair(count.net_allocations, count.net_bytes),
        ]);
    }
    text
}
