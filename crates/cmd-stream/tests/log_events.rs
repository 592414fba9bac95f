//! The table of log events in docs/OBSERVING.md, held against the sources: each event of `tracing` is in it, with its level, its
//! target and its fields, and no other is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What a message stands for that is put together at run time: its module and level, what it begins with in the source, and all
/// that it can begin with.
const PUT_TOGETHER: [(&str, &str, &str, &[&str]); 5] = [
    (
        "group::keeper",
        "error",
        "{what} panicked",
        &["`Endpoints::next` panicked", "`Endpoints::refresh` panicked"],
    ),
    ("stats::slow", "warn", "{what}", &["slow command", "slow call"]),
    ("server::notices", "error", "{what}", &["connection closed: something panicked that is no Command"]),
    (
        "server::notices",
        "warn",
        "{what}",
        &[
            "connection refused: all places are taken (`Limits::connections`, `waiting`)",
            "connection refused: too many per second (`Limits::connection_rate`)",
            "connection refused: too many of its address (`Limits::address_rate`)",
            "connection refused: its handshake failed",
            "connection refused: its handshake took too long (`Limits::handshake`)",
            "connection closed: it sent what is no Command",
            "connection closed: a Command was too large (`Limits::frame`)",
            "connection closed: no Command came in time (`Limits::frame_time`, `first_frame`)",
            "connection closed: it took no output (`Limits::output_stall`)",
            "connection closed: nothing moved while it was not read (`Limits::paused`)",
            "connection closed: it was idle, and others waited (`Limits::make_room`)",
            "commands dropped: their connections had ended, and much was taken (`Limits::memory`, `commands`)",
            "command failed, and ended its connection",
            "command refused, and ended its connection",
        ],
    ),
    (
        "server::notices",
        "debug",
        "{what}",
        &[
            "connection not read: it has too much in flight (`Limits::in_flight`, `in_flight_bytes`)",
            "connection not read: its output is full (`Limits::output`)",
            "connection not read: too many Commands per second (`Limits::command_rate`)",
            "connection not read: the server is overloaded (`Limits::shed_after`)",
            "connection not read: it has its share of memory (`Limits::memory`, `commands`)",
        ],
    ),
];

/// An event: its level, its target without `cmd_stream::`, and its text.
type Event = (String, String, String);

#[test]
fn the_table_of_log_events_is_that_of_the_sources() {
    let mut found = BTreeSet::new();
    let mut fields = Vec::new();
    for (target, source) in sources() {
        for (level, arguments) in calls(&source) {
            let (text, named) = arguments.split_last().expect("an event has a text");
            let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            let text = text.unwrap_or_else(|| panic!("{target}: an event has its text last: {arguments:?}"));
            for text in texts(&target, &level, text) {
                let event = (level.clone(), target.clone(), text);
                fields.push((event.clone(), named.iter().map(|field| name(field)).collect::<Vec<_>>()));
                found.insert(event);
            }
        }
    }
    assert!(found.len() > 30, "the sources are not where this test looks for them");
    let documented = documented();
    let events: BTreeSet<_> = documented.iter().map(|(event, _)| event.clone()).collect();
    assert_eq!(found, events);
    for (event, fields) in fields {
        let (_, row) =
            documented.iter().find(|(documented, _)| *documented == event).expect("it was compared above");
        for field in fields {
            assert!(row.contains(&field), "{event:?} has the field {field}");
        }
    }
    for (event, row) in documented {
        assert!(!row.iter().any(String::is_empty), "{event:?}");
    }
}

#[test]
fn no_event_goes_to_a_target_of_its_own() {
    for (module, source) in sources() {
        for (_, arguments) in calls(&source) {
            let has_target = arguments.iter().any(|argument| argument.starts_with("target:"));
            assert!(!has_target, "{module}: the page says that targets are modules: {arguments:?}");
        }
    }
}

/// The rows of the page, with the names of their fields.
fn documented() -> Vec<(Event, Vec<String>)> {
    let page = include_str!("../../../docs/OBSERVING.md");
    let rows =
        page.lines().filter(|line| LEVELS.iter().any(|level| line.starts_with(&format!("| `{level}` |"))));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [level, target, text, fields, meaning] = cells[..] else { panic!("a row has five cells: {row}") };
        assert!(!meaning.is_empty(), "{row}");
        let plain = |cell: &str| cell.trim_matches('`').to_owned();
        let fields = fields.split(", ").filter(|field| !field.is_empty()).map(plain).collect();
        ((plain(level), plain(target), text.to_owned()), fields)
    })
    .collect()
}

const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

/// The modules of the crate, with their text.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let module = |file: &PathBuf| {
        let path = file.strip_prefix(&root).expect("it is below").with_extension("");
        path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("::")
    };
    files.iter().map(|file| (module(file), fs::read_to_string(file).expect("a source"))).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests" || stem == "models");
        if path.is_dir() {
            collect(&path, files);
        } else if !is_test && path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The calls of the macros of `tracing`, with their level and their arguments.
fn calls(source: &str) -> Vec<(String, Vec<String>)> {
    let calls = source.match_indices("tracing::").filter_map(|(at, found)| {
        let (level, rest) = source[at + found.len()..].split_once("!(")?;
        LEVELS.contains(&level).then(|| (level.to_owned(), arguments(rest)))
    });
    calls.collect()
}

/// What is between the parentheses, the first of which is open, split at its commas.
fn arguments(rest: &str) -> Vec<String> {
    let (mut depth, mut in_text, mut arguments) = (0, false, vec![String::new()]);
    for char in rest.chars() {
        match char {
            '"' => in_text = !in_text,
            _ if in_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        arguments.last_mut().expect("there is one from the start").push(char);
    }
    arguments.retain(|argument| !argument.trim().is_empty()); // after the last comma
    arguments.iter().map(|argument| argument.trim().to_owned()).collect()
}

/// The name of a field: `name`, `%name`, `?name`, `name = value`.
fn name(field: &str) -> String {
    field.split(" = ").next().unwrap_or_default().trim_start_matches(['%', '?']).to_owned()
}

fn texts(target: &str, level: &str, text: &str) -> Vec<String> {
    for (module, of_level, begins, all) in PUT_TOGETHER {
        if let Some(rest) = text.strip_prefix(begins).filter(|_| target == module && level == of_level) {
            return all.iter().map(|one| format!("{one}{rest}")).collect();
        }
    }
    assert!(!text.contains('{'), "{target}: say in this test what {text:?} stands for");
    vec![text.to_owned()]
}

#[test]
fn all_that_a_server_tells_at_most_once_a_second_is_known_here() {
    let (_, source) =
        sources().into_iter().find(|(module, _)| module == "server::notices").expect("its source");
    let known = PUT_TOGETHER.iter().filter(|(module, ..)| *module == "server::notices");
    let known: BTreeSet<_> = known.flat_map(|(.., all)| all.iter().map(|one| (*one).to_owned())).collect();
    let texts = source.split('"').skip(1).step_by(2).filter(|text| text.starts_with("co"));
    assert_eq!(known, texts.map(str::to_owned).collect());
}
