//! A participant's process, as its runner sees it: a line in, a line out.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// The process ends when this is dropped.
pub(crate) struct Pipe {
    process: Child,
    requests: ChildStdin,
    answers: Receiver<std::io::Result<String>>,
}

impl Pipe {
    /// Starts a program.
    pub(crate) fn start(mut program: Command) -> Result<Self, String> {
        let spawned = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = spawned.map_err(|error| error.to_string())?;
        let requests = process.stdin.take().expect("stdin is piped");
        let lines = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
        let (sender, answers) = mpsc::channel();
        // A pipe cannot be read with a timeout; a channel can.
        thread::spawn(move || lines.map(|line| sender.send(line)).take_while(Result::is_ok).for_each(drop));
        Ok(Self { process, requests, answers })
    }

    /// Sends a line, and waits for the answer.
    pub(crate) fn ask(&mut self, line: &str, patience: Duration) -> Result<String, String> {
        writeln!(self.requests, "{line}").map_err(|error| format!("takes no request: {error}"))?;
        match self.answers.recv_timeout(patience) {
            Ok(line) => line.map_err(|error| error.to_string()),
            Err(RecvTimeoutError::Timeout) => Err("gave no answer in time".to_owned()),
            Err(RecvTimeoutError::Disconnected) => Err("ended without an answer".to_owned()),
        }
    }

    /// Of the process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // It has answered, or failed to, so there is nothing to wait for. An error here means that it is already gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
