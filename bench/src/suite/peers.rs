//! The participants of the suite: where their programs come from, and how one is asked.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bench_harness::lines::{Ask, Description, Elsewhere, Load, Measure, Outcome, Serving, Setting};
use bench_harness::participant::THREADS;
use serde::de::DeserializeOwned;

use crate::pipe::Pipe;
use crate::runner::{INTEROP, go_program};

/// The workspace of the peers in Rust.
const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// How long a participant may take beyond the time that it measures: it opens connections, and waits for its last replies.
const PATIENCE: Duration = Duration::from_secs(180);

/// Where a participant's program comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// This program again.
    This,
    /// A package of the peers' workspace.
    Cargo(&'static str),
    /// A folder of the Go module, which may be a module of its own.
    Go(&'static str),
}

/// All participants, in the order of tables and of the first round.
const ALL: &[(&str, Source)] = &[
    ("cmd-stream", Source::This),
    ("cmd-stream-go", Source::Go("cmd/benchpeer")),
    ("raw", Source::This),
    ("tonic", Source::Cargo("peer-tonic")),
    ("tarpc", Source::Cargo("peer-tarpc")),
    ("volo", Source::Cargo("peer-volo")),
    ("capnp-rpc", Source::Cargo("peer-capnp")),
    ("jsonrpsee", Source::Cargo("peer-jsonrpsee")),
    ("grpc-go", Source::Go("cmd/grpcpeer")),
];

/// The names of all participants.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

/// Builds the program of a participant, optimized.
pub(crate) fn build(name: &str) -> Result<Command, String> {
    let this = std::env::current_exe().map_err(|error| format!("path of this program: {error}"))?;
    match ALL.iter().find(|(known, _)| *known == name) {
        None => Err(format!("there is no participant {name}")),
        Some((_, Source::This)) => {
            let mut command = Command::new(this);
            command.args(["suite-participant", name]);
            Ok(command)
        }
        Some((_, Source::Cargo(package))) => {
            cargo_program(name, Path::new(PEERS), package, &this).map(Command::new)
        }
        Some((_, Source::Go(folder))) => {
            let folder = Path::new(INTEROP).join(folder);
            let program = go_program(name, &folder, ".", this.with_file_name(format!("suite-{name}")))?;
            let mut command = Command::new(program);
            command.env("GOMAXPROCS", THREADS.to_string());
            Ok(command)
        }
    }
}

/// Builds a package of a workspace next to the folder of this program, and returns the program.
fn cargo_program(name: &str, workspace: &Path, package: &str, this: &Path) -> Result<PathBuf, String> {
    let target = this.ancestors().nth(2).ok_or("this program is in no folder")?.join("peers");
    let built = Command::new("cargo")
        .args(["build", "--release", "--locked", "--quiet", "--package", package, "--target-dir"])
        .arg(&target)
        .current_dir(workspace)
        .output()
        .map_err(|error| format!("{name}: `cargo build` can't run: {error}"))?;
    if built.status.success() {
        return Ok(target.join("release").join(package));
    }
    let stderr = String::from_utf8_lossy(&built.stderr);
    Err(format!(
        "{name} does not build ({}), and was not left out by `--without {name}`:\n{stderr}",
        built.status
    ))
}

/// A participant that runs: one process for both ends, and another one with the server alone when a workload asks for it.
pub(crate) struct Peer {
    pub(crate) description: Description,
    pipe: Pipe,
    server: Option<Pipe>,
    program: Command,
}

impl Peer {
    /// Starts the program of the participant with this name.
    pub(crate) fn start(name: &str, program: Command) -> Result<Self, String> {
        let start = |error| format!("{name}: {error}");
        let mut pipe = Pipe::start(again(&program)).map_err(start)?;
        let description: Description = ask(&mut pipe, &Ask::Describe, PATIENCE).map_err(start)?;
        if description.name != name {
            return Err(format!("{name}: its program says that it is {}", description.name));
        }
        Ok(Self { description, pipe, server: None, program })
    }

    /// One round. With `apart`, the server is in a process of its own.
    pub(crate) fn measure(&mut self, mut measure: Measure, apart: bool) -> Result<Outcome, String> {
        let patience = PATIENCE + Duration::from_millis(measure.warmup_ms + measure.duration_ms);
        if apart {
            measure.server = Some(self.serve(&measure.setting)?);
        }
        let is_idle = matches!(measure.load, Load::Idle { .. });
        let outcome = ask(&mut self.pipe, &Ask::Measure(measure), patience)?;
        if let Some(server) = self.server.as_mut().filter(|_| apart) {
            let Serving { error, .. } = ask(server, &Ask::Stop, PATIENCE)?;
            if !error.is_empty() {
                return Err(format!("its server does not stop: {error}"));
            }
            if is_idle {
                // What it keeps of this round's memory would not show as growth in the next one.
                self.server = None;
            }
        }
        Ok(outcome)
    }

    /// Starts a server in the other process.
    fn serve(&mut self, setting: &Setting) -> Result<Elsewhere, String> {
        if self.server.is_none() {
            self.server = Some(Pipe::start(again(&self.program))?);
        }
        let server = self.server.as_mut().expect("it was started");
        let Serving { address, error } = ask(server, &Ask::Serve { setting: setting.clone() }, PATIENCE)?;
        if error.is_empty() {
            Ok(Elsewhere { address, pid: server.id() })
        } else {
            Err(format!("its server: {error}"))
        }
    }
}

/// The same program once more.
fn again(program: &Command) -> Command {
    let mut command = Command::new(program.get_program());
    command.args(program.get_args());
    for (name, value) in program.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command
}

fn ask<A: DeserializeOwned>(pipe: &mut Pipe, ask: &Ask, patience: Duration) -> Result<A, String> {
    let line = serde_json::to_string(ask).expect("what is asked is numbers and text");
    let answer = pipe.ask(&line, patience)?;
    serde_json::from_str(&answer).map_err(|error| format!("answered {answer:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn participant_that_cannot_be_built_is_an_error_with_its_name() {
        let this = std::env::current_exe().unwrap();
        let error = cargo_program("tonic", Path::new(PEERS), "peer-that-is-not-there", &this).unwrap_err();
        assert!(error.starts_with("tonic does not build") && error.contains("--without tonic"), "{error}");
        let error =
            go_program("grpc-go", Path::new(INTEROP), "./cmd/none", this.with_file_name("none")).unwrap_err();
        assert!(error.starts_with("the grpc-go participant does not build"), "{error}");
        assert_eq!(build("nobody").err().unwrap(), "there is no participant nobody");
    }
}
