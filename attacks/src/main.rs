//! Attacks a server and a client of the library on loopback, and prints what that costs either side, and what an honest
//! client notices. Fails if anything is over its bound. This file is only the command line.

mod attacker;
mod attacks;
mod bounds;
mod honest;
mod report;
mod run;
mod scenario;
mod scene;
mod served;
mod service;
mod setting;
mod victim;

use std::env;
use std::process::ExitCode;
use std::time::Instant;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::scenario::{ALL, Scenario};
use crate::scene::Size;

const HELP: &str = "\
attacks: what one peer can do to a server or a client of this library, and what others notice

    attacks --quick          every attack, small: for CI
    attacks --full           every attack, as large as it gets
    attacks --only NAME      with either: only this one; may be given several times
    attacks --list           the names, and what they are
    attacks --help           this

Each attack has a server process of its own, with two workers. An honest client makes one call after the other, with a
pause of a millisecond, first without the attack, then beside it. The columns:

    lasted, sent, conns      what the attacker has sent in this time, and how often it has connected
    memory                   the most resident memory of the attacked process, less what it has when it is idle
    tasks, Commands, fds     the most of each that it had at a time
    p99 without, p99 beside  99 of 100 calls of the honest client took no longer
    stretch                  how many times longer the attacked process took because it waited for a processor; the bounds
                             of the p99 and the longest call are multiplied by it
    idle after               how long the server took to give everything back

Exits with 1 if a bound is broken: of memory, of the p99 and the longest call, or if the server does not serve on, or is
not idle again in time. Linux only.
";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((role, rest)) if role == "serve" => served::serve(rest).map(|()| true),
        _ => attack(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Returns whether all bounds were held.
fn attack(arguments: &[String]) -> Result<bool, String> {
    let (mut size, mut only) = (None, Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match &**argument {
            "--quick" => size = Some(Size::Quick),
            "--full" => size = Some(Size::Full),
            "--only" => only.push(named(arguments.next().ok_or("--only needs a name; see --list")?)?),
            "--list" => {
                for scenario in ALL {
                    println!("{:<18}{}", scenario.name, scenario.what);
                }
                return Ok(true);
            }
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(true);
            }
            other => return Err(format!("unknown argument: {other}\n\n{HELP}")),
        }
    }
    let size = size.ok_or_else(|| format!("--quick or --full?\n\n{HELP}"))?;
    allow_open_files()?;
    let scenarios = if only.is_empty() { ALL.iter().collect() } else { only };
    run_all(&scenarios, size)
}

fn named(name: &str) -> Result<&'static Scenario, String> {
    let found = ALL.iter().find(|scenario| scenario.name == name);
    found.ok_or_else(|| format!("no attack is called {name}; see --list"))
}

fn run_all(scenarios: &[&Scenario], size: Size) -> Result<bool, String> {
    let began = Instant::now();
    println!("{}", report::header());
    let mut all_held = true;
    for scenario in scenarios {
        let seen = run::run(scenario, size).map_err(|error| format!("{}: {error}", scenario.name))?;
        println!("{}", report::row(scenario.name, &seen));
        for broken in &seen.broken {
            println!("{}: BROKEN: {broken}", scenario.name);
            all_held = false;
        }
    }
    let held = if all_held { "all bounds were held" } else { "bounds were broken" };
    println!("\n{held}, in {:.0?}", began.elapsed());
    Ok(all_held)
}

/// Lets this process, and those that it starts, have as many open files as the system allows, or as are needed.
fn allow_open_files() -> Result<(), String> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= OPEN_FILES) {
        return Ok(());
    }
    // Beyond the maximum only a privileged process may go.
    let raised =
        Rlimit { current: Some(OPEN_FILES), maximum: maximum.map(|maximum| maximum.max(OPEN_FILES)) };
    setrlimit(Resource::Nofile, raised)
        .map_err(|error| format!("{OPEN_FILES} open files are needed, and {maximum:?} allowed: {error}"))
}

/// 10,000 connections, a reserve that the server keeps free, and what a process has beside them.
const OPEN_FILES: u64 = 12_000;
