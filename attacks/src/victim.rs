//! The attacked process, as the attacker's side sees it: started, asked, measured from outside, killed in the end.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{env, fs};

use crate::setting::{Format, Setting};

/// A process that serves. It is killed when this is dropped.
pub(crate) struct Victim {
    child: Mutex<Child>,
    id: u32,
    pipes: Mutex<Pipes>,
    pub(crate) address: String,
}

struct Pipes {
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What it holds and has counted at a moment, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Look(HashMap<String, u64>);

/// What the system says of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Resources {
    /// Its resident memory, in bytes.
    pub(crate) memory: u64,
    /// The most that it ever was.
    pub(crate) peak: u64,
    pub(crate) descriptors: u64,
}

/// What a process has had of the machine's processors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Processor {
    ran: Duration,
    waited: Duration,
}

impl Processor {
    /// How many times longer than it ran it was on its way, from one moment to the next: 1 if it never waited for others,
    /// the attackers among them.
    pub(crate) fn stretch(before: Self, after: Self) -> f64 {
        let ran = after.ran.saturating_sub(before.ran).as_secs_f64();
        let waited = after.waited.saturating_sub(before.waited).as_secs_f64();
        if ran > 0.0 { 1.0 + waited / ran } else { 1.0 }
    }
}

impl Victim {
    pub(crate) fn start(format: Format, settings: &[Setting]) -> Result<Self, String> {
        let this = env::current_exe().map_err(|error| format!("path of this program: {error}"))?;
        let mut child = Command::new(this)
            .args(["serve", format.name()])
            .args(settings.iter().map(ToString::to_string))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the server cannot start: {error}"))?;
        let requests = child.stdin.take().ok_or("no stdin")?;
        let mut answers = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let id = child.id();
        let child = Mutex::new(child);
        let mut line = String::new();
        answers.read_line(&mut line).map_err(|error| format!("the server said nothing: {error}"))?;
        let address = line.trim().strip_prefix("listening on ").map(str::to_owned);
        let pipes = Mutex::new(Pipes { requests, answers });
        match address {
            Some(address) => Ok(Self { child, id, pipes, address }),
            None => Err(format!("the server said {line:?}")),
        }
    }

    /// Asks it for something, and returns its answer.
    pub(crate) fn ask(&self, request: &str) -> Result<String, String> {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut line = String::new();
        let asked = writeln!(pipes.requests, "{request}").and_then(|()| pipes.answers.read_line(&mut line));
        match asked {
            Ok(1..) => Ok(line.trim().to_owned()),
            Ok(0) => Err("the server's process has ended".to_owned()),
            Err(error) => Err(format!("the server's process has ended: {error}")),
        }
    }

    pub(crate) fn look(&self) -> Result<Look, String> {
        let answer = self.ask("look")?;
        let words = answer.split_whitespace().map(|word| {
            let (name, number) = word.split_once('=')?;
            Some((name.to_owned(), number.parse().ok()?))
        });
        words.collect::<Option<_>>().map(Look).ok_or_else(|| format!("the server answered {answer:?}"))
    }

    pub(crate) fn resources(&self) -> Result<Resources, String> {
        let path = format!("/proc/{}/status", self.id);
        let status = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let bytes = |name: &str| bytes_of(&status, name).ok_or_else(|| format!("{path} has no {name}"));
        let path = format!("/proc/{}/fd", self.id);
        let descriptors = fs::read_dir(&path).map_err(|error| format!("{path}: {error}"))?.count() as u64;
        Ok(Resources { memory: bytes("VmRSS:")?, peak: bytes("VmHWM:")?, descriptors })
    }

    /// How long its threads have run, and how long they have waited for a processor, as far as the system tells.
    pub(crate) fn processor(&self) -> Processor {
        let threads = fs::read_dir(format!("/proc/{}/task", self.id)).into_iter().flatten().flatten();
        let each = threads.filter_map(|thread| {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            let mut nanoseconds = text.split_whitespace().map(|word| word.parse::<u64>().ok());
            let mut next = || Some(Duration::from_nanos(nanoseconds.next()??));
            Some(Processor { ran: next()?, waited: next()? })
        });
        each.fold(Processor::default(), |sum, one| Processor {
            ran: sum.ran + one.ran,
            waited: sum.waited + one.waited,
        })
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        // Both fail only if it has ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Look {
    /// The number with this name.
    pub(crate) fn get(&self, name: &str) -> u64 {
        *self.0.get(name).unwrap_or_else(|| panic!("the server says nothing of {name}"))
    }
}

fn bytes_of(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_linux_writes_it() {
        let status = "VmPeak:\t  216204 kB\nVmHWM:\t    1732 kB\nVmRSS:\t    1700 kB\n";
        assert_eq!(bytes_of(status, "VmHWM:"), Some(1732 * 1024));
        assert_eq!(bytes_of(status, "VmSwap:"), None);
    }

    #[test]
    fn a_process_that_waits_as_long_as_it_runs_is_stretched_twofold() {
        let [zero, one, two] = [0, 1, 2].map(Duration::from_secs);
        let at = |ran, waited| Processor { ran, waited };
        assert_eq!(Processor::stretch(at(one, two), at(one, two)), 1.0);
        assert_eq!(Processor::stretch(at(zero, zero), at(two, zero)), 1.0);
        assert_eq!(Processor::stretch(at(one, one), at(two, two)), 2.0);
    }
}
