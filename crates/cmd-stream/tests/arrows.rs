//! Which module may use which: the layers of ARCHITECTURE.md, read out of the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// For each top-level module, those that it may use.
const ALLOWED: [(&str, &[&str]); 13] = [
    ("client", &["connection", "error", "format", "getters", "proto", "protocol", "transport"]),
    ("connection", &["error", "transport"]),
    ("error", &["proto"]),
    ("format", &["error", "proto"]),
    ("getters", &[]),
    ("mus", &[]),
    ("problem", &["error", "protocol"]),
    ("proto", &[]),
    ("protocol", &["error", "format", "proto"]),
    ("sender", &["client", "error", "format", "protocol", "transport"]),
    ("server", &["connection", "error", "format", "getters", "proto", "protocol", "transport"]),
    ("testing", &["client", "connection", "error", "format", "proto", "protocol", "transport"]),
    ("transport", &[]),
];

/// All Rust files below a directory.
fn files(directory: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(directory).expect("it is a directory") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The code of a file: no comments, and not what `protocol!` expands to, which is part of the user's crate.
fn code(text: &str) -> String {
    let code: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    code.join("\n").replace("$crate::", "")
}

/// Which top-level modules each one uses.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&sources, &mut paths);
    let modules: BTreeSet<String> = paths
        .iter()
        .filter(|path| path.parent() == Some(&sources))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    let mut arrows = BTreeMap::<_, BTreeSet<_>>::new();
    for path in &paths {
        let inside = path.strip_prefix(&sources).expect("it was found there");
        let first = inside.components().next().expect("it has a name").as_os_str().to_string_lossy();
        let from = first.trim_end_matches(".rs").to_owned();
        let text = code(&fs::read_to_string(path).expect("it can be read"));
        let used = arrows.entry(from.clone()).or_default();
        for part in text.split("crate::").skip(1) {
            let to: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if to != from && modules.contains(&to) {
                used.insert(to);
            }
        }
    }
    arrows.remove("lib");
    arrows
}

#[test]
fn modules_use_only_what_is_below_them() {
    let arrows = arrows();
    let allowed = BTreeMap::from(ALLOWED);
    assert_eq!(
        arrows.keys().map(String::as_str).collect::<Vec<_>>(),
        allowed.keys().copied().collect::<Vec<_>>()
    );
    for (from, used) in &arrows {
        for to in used {
            assert!(allowed[from.as_str()].contains(&to.as_str()), "`{from}` uses `{to}`");
        }
    }
}

#[test]
fn there_is_no_circle_between_modules() {
    let mut arrows = arrows();
    // Modules that use nothing that is left are taken away until none is left.
    while !arrows.is_empty() {
        let left: BTreeSet<_> = arrows.keys().cloned().collect();
        let before = arrows.len();
        arrows.retain(|_, used| used.iter().any(|to| left.contains(to)));
        assert!(arrows.len() < before, "a circle: {arrows:?}");
    }
}
