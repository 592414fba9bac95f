//! The folder of golden vectors (`wire/vectors`; its README is the key): every file in it has a layout that a test
//! plays, or is left out by name, as it is tested elsewhere or waits for a later capability.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// Files of capabilities that are not here yet. Any other file in the folder is tested as what its layout says.
const WAITING: [&str; 2] = ["circuit_breaker.json", "otel.json"];

/// Files of values that stand in MUS alone: `mus_format` is held to them, by its `tests/vectors.rs`.
const ELSEWHERE: [&str; 6] =
    ["foreign.json", "ord.json", "raw.json", "struct.json", "time.json", "unsafe.json"];

/// What a file is about. Each layout is tested by one test file of this folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layout {
    /// Single values; `wire_vectors.rs`.
    Values,
    /// Whole frames; `wire_vectors.rs`.
    Frames,
    /// Recorded connections; `wire_sessions.rs`.
    Sessions,
    /// What an attacker sends; `hostile.rs`.
    Hostile,
}

impl Layout {
    /// The layout of a file, told by its contents.
    ///
    /// # Panics
    ///
    /// If it has none that a test knows.
    fn of(name: &str, file: &Value) -> Self {
        let first = &file["vectors"][0];
        let has = |field: &str| first.get(field).is_some();
        match file.get("types") {
            Some(_) if file.get("sessions").is_some() => Self::Sessions,
            Some(_) if has("direction") => Self::Frames,
            None if has("client_to_server") && has("expected") => Self::Hostile,
            None if has("type") && has("kind") => Self::Values,
            _ => panic!("{name}: a layout that no test knows"),
        }
    }
}

/// The files of this layout: their names and contents.
///
/// # Panics
///
/// If there is none, if any file of the folder has an unknown layout, and if a file that is left out is not there.
pub(crate) fn files_of(layout: Layout) -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wire/vectors");
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).expect("the folder of the vectors") {
        let path = entry.expect("an entry of the folder").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name == "README.md" || WAITING.contains(&&*name) || ELSEWHERE.contains(&&*name) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let file = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        if Layout::of(&name, &file) == layout {
            files.push((name, file));
        }
    }
    for name in WAITING.iter().chain(&ELSEWHERE) {
        assert!(folder.join(name).exists(), "{name} is said to be left out here, and is not there");
    }
    assert!(!files.is_empty(), "no file of the layout {layout:?}");
    files
}
