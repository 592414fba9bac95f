//! The other side: the Go program `muscheck`, which is asked about many values at once.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use interop::go;

/// How Go decodes some bytes.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It decoded this many of them, and encoded the value again.
    Value { bytes: Vec<u8>, consumed: usize },
    /// It refused them after this many.
    Refused { consumed: usize, why: String },
}

/// Asks about values of the type with that name, and returns one answer for each.
pub(crate) fn ask(type_name: &str, values: &[Vec<u8>]) -> Vec<Answer> {
    let mut process = Command::new(muscheck())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it was built just now");
    let mut stdin = process.stdin.take().expect("it is piped");
    let stdout = BufReader::new(process.stdout.take().expect("it is piped"));
    let answers: Vec<_> = thread::scope(|scope| {
        // It answers while it reads, so the writer cannot wait for it.
        scope.spawn(move || {
            let lines: String = values.iter().map(|bytes| format!("{type_name} {}\n", hex(bytes))).collect();
            // If it has ended, its answers are missing.
            let _ = stdin.write_all(lines.as_bytes());
        });
        stdout.lines().map(|line| parse(&line.expect("it writes text"))).collect()
    });
    let status = process.wait().expect("it ends when its input does");
    assert!(status.success(), "{type_name}: muscheck ended with {status}");
    assert_eq!(answers.len(), values.len(), "{type_name}: an answer to each value");
    answers
}

/// The program; the first caller builds it.
fn muscheck() -> &'static Path {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| go::build("go", "muscheck", Path::new(env!("CARGO_TARGET_TMPDIR"))));
    built.as_deref().unwrap_or_else(|message| panic!("{message}"))
}

fn parse(line: &str) -> Answer {
    let (first, rest) = line.split_once(' ').expect("two words at least");
    let (number, why) = rest.split_once(' ').unwrap_or((rest, ""));
    let consumed = number.parse().expect("a number");
    match first {
        "error" => Answer::Refused { consumed, why: why.to_owned() },
        _ => Answer::Value { bytes: unhex(first), consumed },
    }
}

/// The hex of the bytes, or a dash if there are none.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if bytes.is_empty() {
        return "-".to_owned();
    }
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    if text == "-" {
        return Vec::new();
    }
    let digit = |digit: u8| char::from(digit).to_digit(16).expect("a hex digit") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
