//! A participant's side of the pipe, as the command line of `bench` and `--against` start it: requests as JSON on stdin, an
//! answer to each on stdout. (What the suite asks is [`bench_harness::lines::Ask`].)

use std::io::{self, BufRead, Write};

use bench_harness::lines::Answer;
use tokio::runtime::Runtime;

use crate::participants::Participant;

/// Answers requests until stdin ends.
pub(crate) fn serve(participant: Participant) -> Result<(), String> {
    let runtime = runtime()?;
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| format!("stdin: {error}"))?;
        let answer = answer(&runtime, participant, &line).unwrap_or_else(Answer::failed);
        let answer = serde_json::to_string(&answer).expect("an answer is numbers and a string");
        writeln!(io::stdout(), "{answer}").map_err(|error| format!("stdout: {error}"))?;
    }
    Ok(())
}

/// The runtime of every Rust participant, client and server together.
pub(crate) fn runtime() -> Result<Runtime, String> {
    bench_harness::participant::runtime().map_err(|error| format!("runtime: {error}"))
}

fn answer(runtime: &Runtime, participant: Participant, line: &str) -> Result<Answer, String> {
    let request = serde_json::from_str(line).map_err(|error| format!("request: {error}"))?;
    runtime.block_on(participant.measure(&request)).map(Answer::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_that_makes_no_sense_is_an_error() {
        let error = answer(&runtime().unwrap(), Participant::RawTcp, r#"{"format":"xml"}"#).unwrap_err();
        assert!(error.starts_with("request: "), "{error}");
    }
}
