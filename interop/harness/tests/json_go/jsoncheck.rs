//! The other side: the Go program `jsoncheck`, which is asked about many values at once.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use interop::go;

/// What Go makes of values of the type with that name: it writes each again, or says `error`.
pub(crate) fn ask(type_name: &str, values: &[String]) -> Vec<String> {
    let lines: String = values.iter().map(|json| format!("{type_name} {json}\n")).collect();
    let answers: Vec<_> = run(&[], lines).lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), values.len(), "{type_name}: an answer to each value");
    answers
}

/// The values of the type with that name that are made in Go.
pub(crate) fn samples(type_name: &str) -> Vec<String> {
    all_samples().get(type_name).unwrap_or_else(|| panic!("there are samples of {type_name}")).clone()
}

/// The names of all types.
pub(crate) fn types() -> Vec<&'static str> {
    all_samples().keys().map(String::as_str).collect()
}

fn all_samples() -> &'static BTreeMap<String, Vec<String>> {
    static SAMPLES: OnceLock<BTreeMap<String, Vec<String>>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let mut samples = BTreeMap::<_, Vec<_>>::new();
        for line in run(&["samples"], String::new()).lines() {
            let (name, json) = line.split_once(' ').expect("a type and JSON");
            samples.entry(name.to_owned()).or_default().push(json.to_owned());
        }
        samples
    })
}

/// Runs the program, and returns what it prints.
fn run(arguments: &[&str], input: String) -> String {
    let mut command = Command::new(program());
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().expect("it was built just now");
    let mut stdin = process.stdin.take().expect("it is piped");
    // It answers while it reads, so the writer cannot wait for it. If it has ended, its answers are missing.
    let writer = thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = process.wait_with_output().expect("it ends when its input does");
    writer.join().expect("the writer does not panic");
    assert!(output.status.success(), "jsoncheck ended with {}", output.status);
    String::from_utf8(output.stdout).expect("it writes text")
}

/// The program; the first caller builds it.
fn program() -> &'static Path {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| go::build("go", "jsoncheck", Path::new(env!("CARGO_TARGET_TMPDIR"))));
    built.as_deref().unwrap_or_else(|message| panic!("{message}"))
}
