//! Shows the samples: medians with their spread, and ratios of the same round, as tables or as lines of JSON.

use std::fmt::Write;

use bench::spread::{Spread, thousands};
use serde::Serialize;

use crate::participants::Participant;
use crate::runner::{Plan, Sample};
use bench_harness::format::Format;
use bench_harness::lines::Answer;

/// The participants that the others are compared with.
const BASELINES: [Participant; 3] = [Participant::CmdStream, Participant::CmdStreamGo, Participant::RawTcp];

/// Printed where nothing was measured.
const NOTHING: &str = "-";

/// One participant in one setting, over all rounds.
#[derive(Serialize)]
struct Row {
    participant: &'static str,
    format: &'static str,
    in_flight: u32,
    connections: u32,
    rounds: u32,
    rate: f64,
    rate_min: f64,
    rate_max: f64,
    p50_us: Option<f64>,
    p99_us: Option<f64>,
    p999_us: Option<f64>,
    verified: u64,
    /// Of each round, in their order.
    rates: Vec<f64>,
    /// Of each round, in their order; empty if single commands are not timed.
    p50s_us: Vec<f64>,
}

/// One object per line, each a participant in a setting.
pub(crate) fn json_lines(plan: &Plan, samples: &[Sample]) -> String {
    let mut text = String::new();
    for (format, in_flight) in plan.settings() {
        for row in rows(plan, samples, format, in_flight) {
            text += &serde_json::to_string(&row).expect("a row is numbers and names");
            text.push('\n');
        }
    }
    text
}

/// For people: one table per setting, with the ratios below it.
pub(crate) fn tables(plan: &Plan, samples: &[Sample]) -> String {
    let mut text = String::from(
        "Echo of {bool, i64, string of 0 to 1000 bytes, f64}: each participant's client and server in one process, over\n\
         TCP on the loopback interface, on two threads; closed loop; every reply compared with what was sent.\n",
    );
    for (format, in_flight) in plan.settings() {
        table(&mut text, plan, samples, format, in_flight).expect("a String takes all that is written to it");
    }
    text
}

fn table(
    text: &mut String,
    plan: &Plan,
    samples: &[Sample],
    format: Format,
    in_flight: u32,
) -> std::fmt::Result {
    writeln!(
        text,
        "\n{}, {in_flight} in flight over {} connections; rounds: {} of {:?}; median (min to max)\n",
        format.name(),
        plan.connections,
        plan.rounds,
        plan.duration,
    )?;
    let heads = ["participant", "commands/s", "(spread)", "p50 us", "p99 us", "p99.9 us", "verified"];
    let [participant, rate, spread, p50, p99, p999, verified] = heads;
    writeln!(text, "{participant:<16}{rate:>12} {spread:<24}{p50:>10}{p99:>10}{p999:>10}{verified:>14}")?;
    for row in rows(plan, samples, format, in_flight) {
        let spread = format!("({} to {})", thousands(row.rate_min), thousands(row.rate_max));
        let [p50, p99, p999] = [row.p50_us, row.p99_us, row.p999_us].map(micros);
        let (participant, rate, verified) =
            (row.participant, thousands(row.rate), thousands(row.verified as f64));
        writeln!(text, "{participant:<16}{rate:>12} {spread:<24}{p50:>10}{p99:>10}{p999:>10}{verified:>14}")?;
    }
    let compared: Vec<_> = comparisons(plan, samples, format, in_flight).collect();
    if !compared.is_empty() {
        writeln!(text, "\n{:<32}{:<28}p50", "ratio, round by round", "commands/s")?;
    }
    for Comparison { of, to, rate, p50 } in compared {
        let names = format!("{} / {}", of.name(), to.name());
        let rate = rate.times();
        let p50 = p50.map_or_else(|| NOTHING.to_owned(), Spread::times);
        writeln!(text, "{names:<32}{rate:<28}{p50}")?;
    }
    Ok(())
}

fn rows(plan: &Plan, samples: &[Sample], format: Format, in_flight: u32) -> impl Iterator<Item = Row> {
    plan.participants.iter().map(move |participant| {
        let samples = select(samples, *participant, format, in_flight);
        let rates: Vec<f64> = samples.iter().map(|sample| sample.rate()).collect();
        let rate = Spread::of(rates.iter().copied()).expect("a plan has at least one round");
        let timed_us = |nanos: fn(&Answer) -> u64| {
            let timed = samples.iter().map(move |sample| nanos(&sample.answer)).filter(|nanos| *nanos > 0);
            timed.map(|nanos| nanos as f64 / 1e3)
        };
        let median_us = |nanos| Spread::of(timed_us(nanos)).map(|spread| rounded(spread.median, 100.0));
        Row {
            participant: participant.name(),
            format: format.name(),
            in_flight,
            connections: plan.connections,
            rounds: plan.rounds,
            rate: rounded(rate.median, 10.0),
            rate_min: rounded(rate.min, 10.0),
            rate_max: rounded(rate.max, 10.0),
            p50_us: median_us(|answer| answer.p50_ns),
            p99_us: median_us(|answer| answer.p99_ns),
            p999_us: median_us(|answer| answer.p999_ns),
            verified: samples.iter().map(|sample| sample.answer.verified).sum(),
            rates: rates.iter().map(|rate| rounded(*rate, 10.0)).collect(),
            p50s_us: timed_us(|answer| answer.p50_ns).map(|us| rounded(us, 100.0)).collect(),
        }
    })
}

/// One participant compared with a baseline.
struct Comparison {
    of: Participant,
    to: Participant,
    rate: Spread,
    /// `None` if either does not time single commands.
    p50: Option<Spread>,
}

/// Each participant against each baseline. Raw TCP itself is compared with nothing, and with this library only itself, over
/// TLS.
fn comparisons(
    plan: &Plan,
    samples: &[Sample],
    format: Format,
    in_flight: u32,
) -> impl Iterator<Item = Comparison> {
    let baselines = BASELINES.into_iter().filter(|to| plan.participants.contains(to));
    baselines.flat_map(move |to| {
        let others = plan.participants.iter().filter(move |of| match to {
            Participant::CmdStream => **of == Participant::CmdStreamTls,
            _ => **of != to && **of != Participant::RawTcp,
        });
        others.filter_map(move |of| {
            let select = |participant| select(samples, participant, format, in_flight);
            let (ours, theirs) = (select(*of), select(to));
            Some(Comparison {
                of: *of,
                to,
                rate: ratios(&ours, &theirs, Sample::rate)?,
                p50: ratios(&ours, &theirs, |sample| sample.answer.p50_ns as f64),
            })
        })
    })
}

/// The ratios of figures of the same round. Rounds in which either has no figure are left out.
fn ratios(ours: &[&Sample], theirs: &[&Sample], figure: fn(&Sample) -> f64) -> Option<Spread> {
    let same_round = |sample: &&&Sample, round| sample.round == round;
    Spread::of(ours.iter().filter_map(|our| {
        let their = theirs.iter().find(|their| same_round(their, our.round))?;
        let (our, their) = (figure(our), figure(their));
        (our > 0.0 && their > 0.0).then(|| our / their)
    }))
}

fn select(samples: &[Sample], participant: Participant, format: Format, in_flight: u32) -> Vec<&Sample> {
    let of_setting = |sample: &&Sample| {
        sample.participant == participant && sample.format == format && sample.in_flight == in_flight
    };
    let mut found: Vec<_> = samples.iter().filter(of_setting).collect();
    found.sort_by_key(|sample| sample.round);
    found
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

fn micros(value: Option<f64>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |micros| format!("{micros:.1}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use Participant::{CmdStream, CmdStreamGo, RawTcp};

    fn plan(rounds: u32) -> Plan {
        Plan {
            participants: vec![CmdStream, CmdStreamGo, RawTcp],
            formats: vec![Format::Json],
            in_flight: vec![64],
            connections: 2,
            rounds,
            duration: Duration::from_secs(1),
        }
    }

    fn sample(participant: Participant, round: u32, commands: u64, p50_ns: u64) -> Sample {
        let answer = Answer {
            commands,
            elapsed_ns: 500_000_000,
            verified: commands + 1,
            p50_ns,
            p99_ns: p50_ns * 2,
            p999_ns: p50_ns * 3,
            error: String::new(),
        };
        Sample { participant, format: Format::Json, in_flight: 64, round, answer }
    }

    fn samples() -> Vec<Sample> {
        vec![
            sample(CmdStream, 0, 1000, 10_000),
            sample(CmdStreamGo, 0, 100, 20_000),
            sample(RawTcp, 0, 2000, 0),
            sample(CmdStreamGo, 1, 50, 40_000),
            sample(RawTcp, 1, 1600, 0),
            sample(CmdStream, 1, 800, 30_000),
        ]
    }

    #[test]
    fn rows_hold_medians_per_second_and_the_sum_of_what_was_verified() {
        let row = rows(&plan(2), &samples(), Format::Json, 64).next().unwrap();
        assert_eq!((row.rate, row.rate_min, row.rate_max), (1800.0, 1600.0, 2000.0));
        assert_eq!((row.p50_us, row.p99_us, row.p999_us), (Some(20.0), Some(40.0), Some(60.0)));
        assert_eq!(row.verified, 1802);
    }

    #[test]
    fn json_has_the_promised_names_in_order_and_null_where_nothing_was_timed() {
        let plan = Plan { participants: vec![RawTcp], ..plan(2) };
        assert_eq!(
            json_lines(&plan, &samples()),
            concat!(
                r#"{"participant":"raw-tcp","format":"json","in_flight":64,"connections":2,"rounds":2,"#,
                r#""rate":3600.0,"rate_min":3200.0,"rate_max":4000.0,"p50_us":null,"p99_us":null,"#,
                r#""p999_us":null,"verified":3602,"rates":[4000.0,3200.0],"p50s_us":[]}"#,
                "\n"
            )
        );
    }

    #[test]
    fn ratios_compare_same_rounds_not_medians() {
        let samples = samples();
        let compared: Vec<_> = comparisons(&plan(2), &samples, Format::Json, 64).collect();
        let names: Vec<_> = compared.iter().map(|c| (c.of, c.to)).collect();
        assert_eq!(names, [(CmdStream, CmdStreamGo), (CmdStream, RawTcp), (CmdStreamGo, RawTcp)]);
        assert_eq!(compared[0].rate, Spread { median: 13.0, min: 10.0, max: 16.0 });
        assert_eq!(compared[0].p50, Some(Spread { median: 0.625, min: 0.5, max: 0.75 }));
        assert_eq!(compared[1].rate, Spread { median: 0.5, min: 0.5, max: 0.5 });
        assert_eq!(compared[1].p50, None);
    }

    #[test]
    fn tables_show_each_participant_and_each_ratio() {
        let text = tables(&plan(2), &samples());
        assert!(text.contains("json, 64 in flight over 2 connections; rounds: 2 of 1s"), "{text}");
        assert!(text.contains("raw-tcp                3,600 (3,200 to 4,000)"), "{text}");
        assert!(text.contains("cmd-stream / cmd-stream-go      13.00x (10.00 to 16.00)"), "{text}");
        assert!(text.contains("cmd-stream-go / raw-tcp         0.041x (0.031 to 0.050)"), "{text}");
    }
}
