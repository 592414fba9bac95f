//! What a side's program counts itself, and what valgrind counts of it. Uses only commands that older revisions have, too:
//! `--allocations --json` and `participant cmd-stream`.

use std::io::Write;
use std::process::{Command, Stdio};

use bench_harness::valgrind;
use serde::Deserialize;

use super::build::Side;
use super::clock::Clock;
use crate::runner::Plan;
use bench_harness::format::Format;
use bench_harness::lines::{Answer, Request};

/// Commands in flight while instructions are counted, and connections. Found by experiment: runs of the same program differ by
/// less than 0.1 %, also on a busy machine.
pub(crate) const IN_FLIGHT: u32 = 64;
pub(crate) const CONNECTIONS: u32 = 2;

/// A line of `--allocations --json`: the fields that are used here.
#[derive(Debug, Deserialize, PartialEq)]
pub(crate) struct Counted {
    format: String,
    in_flight: u32,
    round_trips: u64,
    net_allocations: f64,
}

/// Allocations per round trip beyond the user's own values, for each setting of the plan, in its order.
pub(crate) fn allocations(side: &Side, clock: &Clock, plan: &Plan) -> Result<Vec<f64>, String> {
    let list = |items: Vec<String>| items.join(",");
    let formats = list(plan.formats.iter().map(|format| format.name().to_owned()).collect());
    let in_flight = list(plan.in_flight.iter().map(u32::to_string).collect());
    let mut program = Command::new(&side.program);
    program.args(arguments(&formats, &in_flight, &plan.connections.to_string()));
    side.set(&mut program);
    let counted = parse(&run(clock.set(&mut program), "")?.stdout)?;
    let of_setting = |(format, in_flight): (Format, u32)| {
        let mut counted = counted.iter();
        let found = counted.find(|count| count.format == format.name() && count.in_flight == in_flight);
        found
            .map(|count| count.net_allocations)
            .ok_or_else(|| format!("{} has not counted {}, {in_flight} in flight", side.name, format.name()))
    };
    plan.settings().map(of_setting).collect()
}

/// Instructions per round trip, client and server together: the difference between two runs with different numbers of round
/// trips, so that the start-up does not count.
///
/// The longer run also counts allocations. For that it decodes one more value per round trip.
pub(crate) fn instructions(side: &Side, clock: &Clock, format: Format) -> Result<f64, String> {
    let (in_flight, connections) = (IN_FLIGHT.to_string(), CONNECTIONS.to_string());
    let many = in_valgrind(side, clock, &arguments(format.name(), &in_flight, &connections), "")?;
    // It makes as many round trips to warm up as it counts.
    let counted: u64 = parse(&many.stdout)?.iter().map(|count| 2 * count.round_trips).sum();
    let request =
        Request { format, in_flight: IN_FLIGHT, connections: CONNECTIONS, duration_ms: 1, warmup_ms: 0 };
    let request = serde_json::to_string(&request).expect("a request is numbers and a name");
    let few = in_valgrind(side, clock, &["participant", "cmd-stream"], &(request + "\n"))?;
    let answer: Answer = serde_json::from_str(&few.stdout)
        .map_err(|error| format!("{} answered {:?}: {error}", side.name, few.stdout))?;
    if !answer.error.is_empty() {
        return Err(format!("{}: {}", side.name, answer.error));
    }
    each((valgrind::counted(&many.stderr)?, counted), (valgrind::counted(&few.stderr)?, answer.verified))
        .ok_or_else(|| format!("{} has made too few round trips: {counted}", side.name))
}

fn arguments<'a>(formats: &'a str, in_flight: &'a str, connections: &'a str) -> [&'a str; 8] {
    ["--allocations", "--json", "--formats", formats, "--in-flight", in_flight, "--connections", connections]
}

/// The instructions per round trip, from the instructions and round trips of two runs.
fn each(many: (u64, u64), few: (u64, u64)) -> Option<f64> {
    let (instructions, round_trips) = (many.0.checked_sub(few.0)?, many.1.checked_sub(few.1)?);
    (round_trips > 0).then(|| instructions as f64 / round_trips as f64)
}

fn parse(lines: &str) -> Result<Vec<Counted>, String> {
    let parse = |line| serde_json::from_str(line).map_err(|error| format!("counted {line:?}: {error}"));
    lines.lines().map(parse).collect()
}

/// Runs the program in valgrind. All threads run on one processor, where they take turns at the same places.
fn in_valgrind(side: &Side, clock: &Clock, arguments: &[&str], input: &str) -> Result<Output, String> {
    let mut program = Command::new("taskset");
    program.args(["--cpu-list", &processor()?]).args(valgrind::COMMAND);
    side.set(&mut program);
    run(clock.set(program.arg(&side.program).args(arguments)), input)
}

/// The first processor that this process may use.
fn processor() -> Result<String, String> {
    const STATUS: &str = "/proc/self/status";
    let status = std::fs::read_to_string(STATUS).map_err(|error| format!("{STATUS}: {error}"))?;
    first_processor(&status).ok_or_else(|| format!("{STATUS} has no list of processors"))
}

fn first_processor(status: &str) -> Option<String> {
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?.trim();
    let first = list.split([',', '-']).next()?;
    first.parse::<u32>().ok().map(|number| number.to_string())
}

/// The output of a program.
struct Output {
    stdout: String,
    stderr: String,
}

fn run(program: &mut Command, input: &str) -> Result<Output, String> {
    let name = program.get_program().to_owned();
    let name = name.display();
    let spawned = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut process = spawned.map_err(|error| format!("cannot start {name}: {error}"))?;
    let mut stdin = process.stdin.take().expect("stdin is piped");
    // A program that fails at once does not read its input; its exit status says more.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = process.wait_with_output().map_err(|error| format!("{name}: {error}"))?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    if output.status.success() {
        Ok(Output { stdout, stderr })
    } else {
        Err(format!("{name}: {}: {stderr}", output.status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_line_is_read_as_the_first_revision_prints_it() {
        let line = concat!(
            r#"{"participant":"cmd-stream","format":"mus","in_flight":64,"connections":2,"round_trips":49984,"#,
            r#""allocations":2.03,"bytes":1050.2,"own_allocations":2.0,"own_bytes":997.0,"net_allocations":0.03,"#,
            r#""net_bytes":53.2}"#,
            "\n"
        );
        let counted =
            Counted { format: "mus".to_owned(), in_flight: 64, round_trips: 49_984, net_allocations: 0.03 };
        assert_eq!(parse(line), Ok(vec![counted]));
        assert!(parse("heap allocations\n").unwrap_err().contains("heap allocations"));
    }

    #[test]
    fn what_is_done_once_does_not_count() {
        assert_eq!(each((1_000 + 40 * 100, 100), (1_000 + 40 * 10, 10)), Some(40.0));
        assert_eq!(each((5_000, 10), (1_000, 10)), None);
        assert_eq!(each((5_000, 10), (6_000, 11)), None);
    }

    #[test]
    fn first_processor_may_be_any() {
        assert_eq!(first_processor("Name:\tbench\nCpus_allowed_list:\t0-1\n").as_deref(), Some("0"));
        assert_eq!(first_processor("Cpus_allowed_list:\t7\n").as_deref(), Some("7"));
        assert_eq!(first_processor("Cpus_allowed_list:\t3,5-6\n").as_deref(), Some("3"));
        assert_eq!(first_processor("Cpus_allowed_list:\t\n"), None);
    }

    #[test]
    fn program_that_fails_is_an_error_with_what_it_said() {
        let error = run(Command::new("sh").args(["-c", "echo no such option >&2; exit 2"]), "x\n");
        let error = error.map(drop).unwrap_err();
        assert!(error.contains("no such option"), "{error}");
        assert!(run(&mut Command::new("/no/such/program"), "").is_err());
    }
}
