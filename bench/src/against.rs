//! Compares this tree with another revision of it. Both are built alike. Each runs in processes of its own, side by side in
//! every round.

mod build;
mod clock;
mod count;
mod report;

use std::process::Command;
use std::time::Duration;

use self::build::{Built, Side};
use self::clock::Clock;
use self::report::{Figure, Row};
use crate::runner::{Peer, Plan};
use bench_harness::lines::Answer;

pub(crate) use self::build::{DEADLINE, GROUP};
pub(crate) use self::report::{hold, json_lines, table};

/// How often allocations are counted on each side.
const ALLOCATION_COUNTS: u32 = 3;

/// The result.
pub(crate) struct Compared {
    /// The name of the other revision.
    pub(crate) against: String,
    pub(crate) rows: Vec<Row>,
}

/// Builds both, measures the plan's settings, and counts each Format's instructions `instruction_counts` times. With
/// `deadlines` the calls of this tree have them, and those of the other revision do not; with `group` they go through a Sender.
pub(crate) fn compare(
    plan: &Plan,
    revision: &str,
    instruction_counts: u32,
    deadlines: bool,
    group: bool,
) -> Result<Compared, String> {
    let Built { mut sides, folder } = build::both(revision)?;
    sides[0].has_deadlines = deadlines;
    sides[0].has_group = group;
    let clock = Clock::build(&folder)?;
    let mut rows = times(plan, &sides)?;
    rows.extend(allocations(plan, &sides, &clock)?);
    rows.extend(instructions(plan, &sides, &clock, instruction_counts)?);
    let [_, Side { name: against, .. }] = sides;
    Ok(Compared { against, rows })
}

fn times(plan: &Plan, sides: &[Side; 2]) -> Result<Vec<Row>, String> {
    let [this, against] = sides;
    let mut peers = [start(this)?, start(against)?];
    let settings: Vec<_> = plan.settings().collect();
    let mut answers: Vec<[Vec<Answer>; 2]> = vec![Default::default(); settings.len()];
    for round in 0..plan.rounds {
        eprintln!("round {} of {}", round + 1, plan.rounds);
        for ((format, in_flight), answers) in settings.iter().zip(&mut answers) {
            for side in in_turn(round) {
                answers[side].push(peers[side].ask(&plan.request(*format, *in_flight))?);
            }
        }
    }
    let mut rows = Vec::new();
    for (figure, read) in [(Figure::Rate, rate as fn(&Answer) -> f64), (Figure::P50Us, p50)] {
        rows.extend(settings.iter().zip(&answers).filter_map(|((format, in_flight), answers)| {
            let figures = [0, 1].map(|side: usize| answers[side].iter().map(read).collect());
            Row::new(figure, (format.name(), *in_flight, plan.connections), &figures)
        }));
    }
    Ok(rows)
}

fn allocations(plan: &Plan, sides: &[Side; 2], clock: &Clock) -> Result<Vec<Row>, String> {
    eprintln!("counting allocations");
    let settings: Vec<_> = plan.settings().collect();
    let mut counts: Vec<[Vec<f64>; 2]> = vec![Default::default(); settings.len()];
    for round in 0..ALLOCATION_COUNTS {
        for side in in_turn(round) {
            for (counts, net) in counts.iter_mut().zip(count::allocations(&sides[side], clock, plan)?) {
                counts[side].push(net);
            }
        }
    }
    let rows = settings.into_iter().zip(counts).filter_map(|((format, in_flight), counts)| {
        Row::new(Figure::Allocations, (format.name(), in_flight, plan.connections), &counts)
    });
    Ok(rows.collect())
}

fn instructions(plan: &Plan, sides: &[Side; 2], clock: &Clock, counts: u32) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for format in &plan.formats {
        eprintln!("counting instructions, {}", format.name());
        let mut counted: [Vec<f64>; 2] = Default::default();
        for round in 0..counts {
            for side in in_turn(round) {
                counted[side].push(count::instructions(&sides[side], clock, *format)?);
            }
        }
        let setting = (format.name(), count::IN_FLIGHT, count::CONNECTIONS);
        rows.extend(Row::new(Figure::Instructions, setting, &counted));
    }
    Ok(rows)
}

/// Which side is measured first and second in a round. They alternate.
fn in_turn(round: u32) -> [usize; 2] {
    match round % 2 {
        0 => [0, 1],
        _ => [1, 0],
    }
}

fn start(side: &Side) -> Result<Peer, String> {
    let mut program = Command::new(&side.program);
    program.args(["participant", "cmd-stream"]);
    side.set(&mut program);
    Peer::start(&side.name, program)
}

/// Commands per second.
fn rate(answer: &Answer) -> f64 {
    answer.commands as f64 / Duration::from_nanos(answer.elapsed_ns).as_secs_f64()
}

/// In microseconds.
fn p50(answer: &Answer) -> f64 {
    answer.p50_ns as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_is_first_in_every_other_round() {
        assert_eq!([0, 1, 2, 3].map(in_turn), [[0, 1], [1, 0], [0, 1], [1, 0]]);
    }

    #[test]
    fn figures_are_per_second_and_in_microseconds() {
        let answer = Answer { commands: 500, elapsed_ns: 250_000_000, p50_ns: 1_500, ..Answer::default() };
        assert_eq!((rate(&answer), p50(&answer)), (2_000.0, 1.5));
    }
}
