//! Checks programs that must fail to compile with certain messages, and programs that must compile.
//!
//! Each file in `tests/compile_fail/` of a crate is one program. It begins with the comment `// compiles`, or with one
//! or more of `// error: TEXT`: an error must contain this text, which is one of our own messages and not the
//! compiler's. With ``// error at `CODE`: TEXT``, that error must also point at exactly this piece of the program. One
//! run of cargo checks all programs, in a package created for them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The programs of a crate, and the crates they may use.
pub struct Suite<'a> {
    /// The crate's folder: its `env!("CARGO_MANIFEST_DIR")`. Its programs are in `tests/compile_fail/`.
    pub folder: &'a str,
    /// The folder for generated packages: `env!("CARGO_TARGET_TMPDIR")` of the test.
    pub scratch: &'a str,
    /// Lines of a manifest: the dependencies of the programs.
    pub dependencies: &'a str,
    /// The path in `tests/compile_fail/` of the source of another crate that they may use, named `shared`.
    pub shared: Option<&'a str>,
}

impl Suite<'_> {
    /// Checks every program.
    ///
    /// # Panics
    ///
    /// If a program compiles but should not, or the reverse, or if an expected message is missing. The panic lists all
    /// of them.
    pub fn check(&self) {
        let fixtures = self.fixtures();
        let checked = check(&self.package(&fixtures), &fixtures);
        let wrong: String =
            fixtures.iter().filter_map(|fixture| checked.what_is_wrong_with(fixture)).collect();
        assert!(wrong.is_empty(), "{wrong}");
    }

    fn programs(&self) -> PathBuf {
        Path::new(self.folder).join("tests/compile_fail")
    }

    fn fixtures(&self) -> Vec<Fixture> {
        let entries = fs::read_dir(self.programs()).expect("the folder of the fixtures");
        let paths = entries.map(|entry| entry.expect("a file").path()).filter(|path| path.is_file());
        let mut fixtures: Vec<_> = paths.map(Fixture::read).collect();
        fixtures.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(fixtures.iter().any(|fixture| fixture.errors.is_empty()), "no fixture that compiles");
        assert!(fixtures.iter().any(|fixture| !fixture.errors.is_empty()), "no fixture that fails");
        fixtures
    }

    /// Writes a package with a program for each fixture, and the shared crate beside it.
    fn package(&self, fixtures: &[Fixture]) -> PathBuf {
        let name = Path::new(self.folder).file_name().expect("a crate has a folder").to_string_lossy();
        let package = Path::new(self.scratch).join(format!("compile_fail-{name}"));
        let (members, dependency) = match self.shared {
            Some(_) => ("members = [\"shared\"]\n", "shared = { path = \"shared\" }\n"),
            None => ("", ""),
        };
        let mut manifest = format!(
            "[workspace]\n{members}\n\
             [package]\nname = \"fixtures\"\nversion = \"0.0.0\"\nedition = \"2024\"\nautobins = false\n\n\
             [dependencies]\n{}{dependency}",
            self.dependencies
        );
        for Fixture { name, path, .. } in fixtures {
            write!(manifest, "\n[[bin]]\nname = {name:?}\npath = {path:?}\n").expect("a string");
        }
        fs::create_dir_all(package.join("shared")).expect("a folder of our own");
        write_if_changed(&package.join("Cargo.toml"), manifest.as_bytes());
        if let Some(shared) = self.shared {
            let manifest = format!(
                "[package]\nname = \"shared\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
                 [lib]\npath = {:?}\n\n[dependencies]\n{}",
                self.programs().join(shared),
                self.dependencies
            );
            write_if_changed(&package.join("shared/Cargo.toml"), manifest.as_bytes());
        }
        // Use the versions that the workspace was built with: they are already downloaded.
        let lock = fs::read(Path::new(self.folder).join("../../Cargo.lock"))
            .expect("the lock file of the workspace");
        write_if_changed(&package.join("Cargo.lock"), &lock);
        package
    }
}

struct Fixture {
    name: String,
    path: PathBuf,
    /// The errors it must fail with. Empty if it must compile.
    errors: Vec<Expected>,
}

struct Expected {
    text: String,
    /// What the error must point at, if that matters.
    at: Option<String>,
}

impl Fixture {
    fn read(path: PathBuf) -> Self {
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a plain file name").to_owned();
        let text = fs::read_to_string(&path).expect("a text file");
        let comments = text.lines().take_while(|line| line.starts_with("//"));
        let errors: Vec<_> = comments.clone().filter_map(Expected::parse).collect();
        let compiles = comments.into_iter().any(|line| line == "// compiles");
        assert!(compiles == errors.is_empty(), "{name} must say either `// compiles` or `// error: ..`");
        Self { name, path, errors }
    }
}

impl Expected {
    fn parse(comment: &str) -> Option<Self> {
        if let Some(text) = comment.strip_prefix("// error: ") {
            return Some(Self { text: text.to_owned(), at: None });
        }
        let (at, text) = comment.strip_prefix("// error at `")?.split_once("`: ")?;
        Some(Self { text: text.to_owned(), at: Some(at.to_owned()) })
    }
}

/// The output of cargo.
#[derive(Default)]
struct Checked {
    compiled: BTreeSet<String>,
    /// The errors of each program.
    errors: BTreeMap<String, Vec<Said>>,
}

/// An error of the compiler.
struct Said {
    /// Messages, labels and notes, one per line, without the source lines that the compiler shows.
    text: String,
    /// The pieces of the program that it points at.
    at: Vec<String>,
}

impl Checked {
    fn what_is_wrong_with(&self, fixture: &Fixture) -> Option<String> {
        let Fixture { name, errors, .. } = fixture;
        let said = self.errors.get(name).map_or(&[][..], Vec::as_slice);
        let compiled = self.compiled.contains(name);
        let mut wrong = String::new();
        if errors.is_empty() && !compiled {
            writeln!(wrong, "\n{name} does not compile").expect("a string");
        } else if !errors.is_empty() && compiled {
            writeln!(wrong, "\n{name} compiles, but should not").expect("a string");
        }
        for Expected { text, at } in errors.iter().filter(|error| !said.iter().any(|said| said.meets(error)))
        {
            let place = at.as_ref().map(|at| format!(" at `{at}`")).unwrap_or_default();
            writeln!(wrong, "\n{name} does not say {text:?}{place}").expect("a string");
        }
        if wrong.is_empty() {
            return None;
        }
        for Said { text, at } in said {
            writeln!(wrong, "  at {at:?}:\n{text}").expect("a string");
        }
        Some(wrong)
    }
}

impl Said {
    fn new(message: &Value) -> Self {
        let mut text = String::new();
        add_texts(message, &mut text);
        let spans = message["spans"].as_array().into_iter().flatten();
        Self { text, at: spans.filter(|span| span["is_primary"] == true).map(highlighted).collect() }
    }

    fn meets(&self, expected: &Expected) -> bool {
        self.text.contains(&expected.text) && expected.at.as_ref().is_none_or(|at| self.at.contains(at))
    }
}

/// Adds the texts of a message, one per line.
fn add_texts(message: &Value, out: &mut String) {
    let labels = message["spans"].as_array().into_iter().flatten().filter_map(|span| span["label"].as_str());
    for text in message["message"].as_str().into_iter().chain(labels) {
        writeln!(out, "    {text}").expect("a string");
    }
    message["children"].as_array().into_iter().flatten().for_each(|child| add_texts(child, out));
}

/// Returns the piece of a program that a span covers, its lines joined by spaces.
fn highlighted(span: &Value) -> String {
    let lines = span["text"].as_array().into_iter().flatten().map(|line| {
        // Columns count characters, from 1.
        let column = |name: &str| {
            line[name].as_u64().and_then(|column| usize::try_from(column - 1).ok()).expect("a column")
        };
        let (start, end) = (column("highlight_start"), column("highlight_end"));
        let text = line["text"].as_str().expect("a line");
        text.chars().skip(start).take(end - start).collect::<String>().trim().to_owned()
    });
    lines.collect::<Vec<_>>().join(" ")
}

fn check(package: &Path, fixtures: &[Fixture]) -> Checked {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["check", "--bins", "--keep-going", "--offline", "--quiet", "--message-format=json"])
        .current_dir(package)
        .env("CARGO_TARGET_DIR", package.join("target"))
        .stderr(Stdio::piped())
        .output()
        .expect("cargo runs");
    let mut checked = Checked::default();
    for line in output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let line: Value = serde_json::from_slice(line).expect("cargo prints JSON");
        let Some(name) = line["target"]["name"].as_str().map(ToOwned::to_owned) else { continue };
        if line["reason"] == "compiler-artifact" {
            checked.compiled.insert(name);
        } else if line["message"]["level"] == "error" {
            checked.errors.entry(name).or_default().push(Said::new(&line["message"]));
        }
    }
    let unheard_of = |fixture: &&Fixture| {
        !checked.compiled.contains(&fixture.name) && !checked.errors.contains_key(&fixture.name)
    };
    if let Some(fixture) = fixtures.iter().find(unheard_of) {
        panic!("cargo did not check {}:\n{}", fixture.name, String::from_utf8_lossy(&output.stderr));
    }
    checked
}

/// Writes a file only if its content changes, so that cargo does not build again.
fn write_if_changed(path: &Path, content: &[u8]) {
    if fs::read(path).ok().as_deref() != Some(content) {
        fs::write(path, content).expect("a file of our own");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Expected, Said};

    fn error() -> Said {
        let line = |text: &str, start: u64, end: u64| json!({"text": text, "highlight_start": start, "highlight_end": end});
        Said::new(&json!({
            "message": "duplicate option `raw`",
            "spans": [
                {"is_primary": true, "label": "here", "text": [line("    #[mus(raw,", 11, 15), line("    raw)]", 1, 8)]},
                {"is_primary": false, "label": "first", "text": [line("struct Über;", 8, 12)]},
            ],
            "children": [{"message": "remove it", "spans": [], "children": []}],
        }))
    }

    fn expected(comment: &str) -> Expected {
        Expected::parse(comment).expect("a comment that expects an error")
    }

    #[test]
    fn an_error_is_met_by_its_message_labels_and_notes() {
        for text in ["duplicate option", "first", "remove it"] {
            assert!(error().meets(&expected(&format!("// error: {text}"))));
        }
        assert!(!error().meets(&expected("// error: unknown option")));
    }

    #[test]
    fn an_error_is_met_only_where_it_points() {
        assert!(error().meets(&expected("// error at `raw, raw`: duplicate option `raw`")));
        for comment in [
            "// error at `raw`: duplicate",
            "// error at `Über`: duplicate",
            "// error at `raw, raw`: unknown",
        ] {
            assert!(!error().meets(&expected(comment)), "{comment}");
        }
    }

    #[test]
    fn other_comments_expect_nothing() {
        for comment in ["// compiles", "//! error: text", "// error at raw: text"] {
            assert!(Expected::parse(comment).is_none(), "{comment}");
        }
    }
}
