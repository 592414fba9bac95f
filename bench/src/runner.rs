//! Starts a process for each participant, and asks them for their rounds in turn.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::participants::Participant;
use crate::pipe::Pipe;
use bench_harness::format::Format;
use bench_harness::lines::{Answer, Request};
use bench_harness::participant::THREADS;

const WARMUP: Duration = Duration::from_millis(200);

/// How long after its round a participant may take to answer: longer than it waits for its own last replies.
const PATIENCE: Duration = Duration::from_secs(45);

/// Where the Go module with the Go participant is.
pub(crate) const INTEROP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../interop");

/// What to measure.
pub(crate) struct Plan {
    pub(crate) participants: Vec<Participant>,
    pub(crate) formats: Vec<Format>,
    pub(crate) in_flight: Vec<u32>,
    pub(crate) connections: u32,
    pub(crate) rounds: u32,
    pub(crate) duration: Duration,
}

/// One participant's answer to one request.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) participant: Participant,
    pub(crate) format: Format,
    pub(crate) in_flight: u32,
    pub(crate) round: u32,
    pub(crate) answer: Answer,
}

impl Sample {
    /// Commands per second.
    pub(crate) fn rate(&self) -> f64 {
        self.answer.commands as f64 / Duration::from_nanos(self.answer.elapsed_ns).as_secs_f64()
    }
}

/// Runs the plan. Rounds are the outer loop and participants the innermost, so that a quiet or a noisy minute affects all of
/// them. Each round starts with a different participant.
pub(crate) fn run(plan: &Plan) -> Result<Vec<Sample>, String> {
    let start = |participant: &Participant| {
        Peer::start(participant.name(), command(*participant)?).map(|peer| (*participant, peer))
    };
    let mut peers = plan.participants.iter().map(start).collect::<Result<Vec<_>, _>>()?;
    let mut samples = Vec::new();
    for round in 0..plan.rounds {
        eprintln!("round {} of {}", round + 1, plan.rounds);
        for (format, in_flight) in plan.settings() {
            for (participant, peer) in &mut peers {
                let answer = peer.ask(&plan.request(format, in_flight))?;
                samples.push(Sample { participant: *participant, format, in_flight, round, answer });
            }
        }
        peers.rotate_left(1);
    }
    Ok(samples)
}

impl Plan {
    /// Each format with each number of commands in flight.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (Format, u32)> {
        self.formats.iter().flat_map(|format| self.in_flight.iter().map(|in_flight| (*format, *in_flight)))
    }

    /// The request for one round of a setting.
    pub(crate) fn request(&self, format: Format, in_flight: u32) -> Request {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Request {
            format,
            in_flight,
            connections: self.connections,
            duration_ms: millis(self.duration),
            warmup_ms: millis(WARMUP),
        }
    }
}

/// A participant's process.
pub(crate) struct Peer {
    name: String,
    pipe: Pipe,
}

impl Peer {
    /// Starts the program of a participant. Errors have this name.
    pub(crate) fn start(name: &str, program: Command) -> Result<Self, String> {
        let pipe = Pipe::start(program).map_err(|error| format!("{name}: {error}"))?;
        Ok(Self { name: name.to_owned(), pipe })
    }

    /// Asks for one round, and waits for its answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Answer, String> {
        let line = serde_json::to_string(request).expect("a request is numbers and a name");
        let answer = self.pipe.ask(&line, request.warmup() + request.duration() + PATIENCE);
        answer
            .and_then(|line| parse(&line))
            .map_err(|error| format!("{}, {} in flight: {error}", self.name, request.in_flight))
    }
}

fn parse(line: &str) -> Result<Answer, String> {
    let answer: Answer = serde_json::from_str(line).map_err(|error| format!("answered {line:?}: {error}"))?;
    match answer {
        Answer { error, .. } if !error.is_empty() => Err(error),
        Answer { elapsed_ns: 0, .. } => Err("measured no time".to_owned()),
        Answer { commands, verified, .. } if verified < commands => {
            Err(format!("compared {verified} of {commands} replies"))
        }
        answer => Ok(answer),
    }
}

/// Participants in Rust are this program again.
fn command(participant: Participant) -> Result<Command, String> {
    let this = env::current_exe().map_err(|error| format!("path of this program: {error}"))?;
    if participant == Participant::CmdStreamGo {
        let mut command = Command::new(build_go(&this)?);
        command.env("GOMAXPROCS", THREADS.to_string());
        return Ok(command);
    }
    let mut command = Command::new(this);
    command.args(["participant", participant.name()]);
    Ok(command)
}

/// Builds the Go participant next to this program.
fn build_go(this: &Path) -> Result<PathBuf, String> {
    go_program("cmd-stream-go", Path::new(INTEROP), "./cmd/benchpeer", this.with_file_name("benchpeer"))
}

/// Builds a package of the Go module in a folder.
pub(crate) fn go_program(
    participant: &str,
    module: &Path,
    package: &str,
    program: PathBuf,
) -> Result<PathBuf, String> {
    let built =
        Command::new("go").args(["build", "-o"]).arg(&program).arg(package).current_dir(module).output();
    let built = built.map_err(|error| {
        let module = module.display();
        format!("the {participant} participant needs Go, and `go build` in {module} can't run: {error}")
    })?;
    if built.status.success() {
        Ok(program)
    } else {
        let stderr = String::from_utf8_lossy(&built.stderr);
        Err(format!("the {participant} participant does not build ({}):\n{stderr}", built.status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Answer, String> {
        parse(line)
    }

    #[test]
    fn answer_with_an_error_is_that_error() {
        assert_eq!(
            parsed(r#"{"commands":5,"elapsed_ns":1,"verified":5,"error":"cut"}"#),
            Err("cut".to_owned())
        );
    }

    #[test]
    fn answer_that_measured_or_verified_too_little_is_an_error() {
        assert_eq!(parsed("{}"), Err("measured no time".to_owned()));
        let error = parsed(r#"{"commands":5,"elapsed_ns":1,"verified":4}"#).unwrap_err();
        assert_eq!(error, "compared 4 of 5 replies");
        assert!(parsed("panic: oops").is_err());
    }

    #[test]
    fn rate_is_per_second_of_the_time_that_was_measured() {
        let answer = parsed(r#"{"commands":500,"elapsed_ns":250000000,"verified":500}"#).unwrap();
        let participant = Participant::CmdStreamGo;
        let sample = Sample { participant, format: Format::Json, in_flight: 1, round: 0, answer };
        assert_eq!(sample.rate(), 2000.0);
    }
}
