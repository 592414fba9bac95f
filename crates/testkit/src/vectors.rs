//! The folder of golden vectors, `wire/vectors` (its README is the key). A file that is dropped there is tested: its
//! contents tell its layout, and each layout has a test that reads all files of it. A file that is empty, unreadable,
//! without vectors, or of a layout that no test knows fails every one of these tests.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What the vectors of a file are about, and with it which test reads them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// Single values. `tests/vectors` of `mus-format` reads them, except for those of [`OF_CONNECTIONS`]; these and the
    /// varints are read by `tests/wire_vectors` of `cmd-stream`.
    Values,
    /// Whole frames in one Format; `tests/wire_vectors` of `cmd-stream`.
    Frames,
    /// Recorded connections; `tests/wire_sessions` of `cmd-stream`.
    Sessions,
    /// What an attacker sends; `tests/hostile.rs` of `cmd-stream`.
    Hostile,
    /// Calls and the states of a circuit breaker; `tests/wire_vectors` of `cmd-stream`.
    CircuitBreaker,
    /// Calls, and the spans and metrics that are made of them; `tests/go_vectors` of `cmd-stream-otel`.
    OpenTelemetry,
}

/// The types of values that only a connection knows, and no serialization format.
pub const OF_CONNECTIONS: [&str; 2] = ["server_info", "seq"];

/// A file of the folder.
#[derive(Clone, PartialEq, Debug)]
pub struct File {
    /// Its name in the folder, with the extension.
    pub name: String,
    /// What its vectors are about.
    pub layout: Layout,
    /// What stands in it beside its vectors.
    pub content: Value,
    /// Its vectors, sessions or scenarios; at least one.
    pub vectors: Vec<Value>,
}

/// The files of this layout.
///
/// # Panics
///
/// If there is none, or any file of the folder, of whatever layout, is not as it must be.
pub fn files_of(layout: Layout) -> Vec<File> {
    let files = read_folder(&folder()).unwrap_or_else(|error| panic!("{error}"));
    let files: Vec<_> = files.into_iter().filter(|file| file.layout == layout).collect();
    assert!(!files.is_empty(), "no file of the layout {layout:?}");
    files
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wire/vectors")
}

/// All files of a folder, in the order of their names.
fn read_folder(folder: &Path) -> Result<Vec<File>, String> {
    let in_folder = |error| format!("{}: {error}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(in_folder)? {
        paths.push(entry.map_err(in_folder)?.path());
    }
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "README.md" {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
        files.push(File::parse(name, &text)?);
    }
    Ok(files)
}

impl File {
    fn parse(name: String, text: &str) -> Result<Self, String> {
        let mut content: Value = serde_json::from_str(text).map_err(|error| format!("{name}: {error}"))?;
        let lists = ["vectors", "sessions", "scenarios"];
        let mut lists = lists.iter().filter_map(|list| Some((*list, content.get_mut(list)?.take())));
        let (Some((list, Value::Array(vectors))), None) = (lists.next(), lists.next()) else {
            return Err(format!(
                "{name}: neither vectors nor sessions nor scenarios, or more than one of these"
            ));
        };
        let Some(first) = vectors.first() else { return Err(format!("{name}: its {list} are none")) };
        let has = |field: &str| first.get(field).is_some();
        let layout = match list {
            "sessions" => Layout::Sessions,
            "scenarios" if has("steps") && has("state_callbacks") => Layout::CircuitBreaker,
            "scenarios" if has("client_spans") && has("server_metrics") => Layout::OpenTelemetry,
            "vectors" if has("direction") && has("kind") => Layout::Frames,
            "vectors" if has("client_to_server") && has("expected") => Layout::Hostile,
            "vectors" if has("type") && has("kind") => Layout::Values,
            _ => return Err(format!("{name}: a layout that no test knows")),
        };
        Ok(Self { name, layout, content, vectors })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        File::parse("new.json".into(), text).expect_err(text)
    }

    #[test]
    fn every_file_of_the_folder_is_of_a_layout_that_a_test_reads() {
        read_folder(&folder()).expect("each file is as it must be");
    }

    #[test]
    fn a_file_is_known_by_its_contents_whatever_its_name() {
        for (text, layout) in [
            (r#"{"vectors":[{"type":"varint.int","kind":"decode"}]}"#, Layout::Values),
            (
                r#"{"vectors":[{"type":"Echo","kind":"decode","direction":"client_to_server"}]}"#,
                Layout::Frames,
            ),
            (r#"{"vectors":[{"client_to_server":"00","expected":"close"}]}"#, Layout::Hostile),
            (r#"{"sessions":[{"name":"one"}]}"#, Layout::Sessions),
            (r#"{"scenarios":[{"steps":[],"state_callbacks":[]}]}"#, Layout::CircuitBreaker),
            (r#"{"scenarios":[{"client_spans":[],"server_metrics":[]}]}"#, Layout::OpenTelemetry),
        ] {
            let file = File::parse("new.json".into(), text).expect(text);
            assert_eq!((file.layout, file.vectors.len()), (layout, 1), "{text}");
        }
    }

    #[test]
    fn an_empty_file_fails() {
        assert!(error("").contains("new.json: EOF"), "{}", error(""));
        for list in ["vectors", "sessions", "scenarios"] {
            assert_eq!(error(&format!(r#"{{"{list}":[]}}"#)), format!("new.json: its {list} are none"));
        }
    }

    #[test]
    fn a_file_that_is_not_json_fails() {
        for text in ["vectors", r#"{"vectors":[{"type":"a"}"#, "\0"] {
            assert!(error(text).starts_with("new.json: "), "{}", error(text));
        }
    }

    #[test]
    fn a_file_of_a_layout_that_no_test_reads_fails() {
        for text in [
            "{}",
            "[]",
            r#"{"vectors":{}}"#,
            r#"{"vectors":[1]}"#,
            r#"{"vectors":[{"type":"varint.int"}]}"#,
            r#"{"scenarios":[{"name":"one"}]}"#,
            r#"{"vectors":[{"type":"a","kind":"b"}],"sessions":[{"name":"one"}]}"#,
        ] {
            let error = error(text);
            assert!(
                error.contains("no test knows") || error.contains("neither vectors nor"),
                "{text}: {error}"
            );
        }
    }
}
