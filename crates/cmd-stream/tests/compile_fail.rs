//! Programs that must not compile, each with a message of our own that says why, and programs that must compile.
//!
//! Each file in `compile_fail/` is one. Comments at its start say `// compiles`, or once or more `// error: TEXT`: a
//! text of ours, not of the compiler's, that an error of it has to hold. All are checked by one run of cargo in a
//! package that is made for it; `compile_fail/shared/` is another crate there, which they may use.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn every_program_compiles_or_fails_with_our_own_message() {
    let fixtures = fixtures();
    let checked = check(&fixtures);
    let mut wrong = String::new();
    for fixture in &fixtures {
        let Fixture { name, errors, .. } = fixture;
        let said = checked.errors.get(name).map_or("", String::as_str);
        let compiled = checked.compiled.contains(name);
        if errors.is_empty() && !compiled {
            write!(wrong, "\n{name} does not compile:\n{said}").expect("a string");
        } else if !errors.is_empty() && compiled {
            write!(wrong, "\n{name} compiles, but should not\n").expect("a string");
        }
        for error in errors.iter().filter(|error| !said.contains(error.as_str())) {
            write!(wrong, "\n{name} does not say {error:?}, but:\n{said}").expect("a string");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

struct Fixture {
    name: String,
    path: PathBuf,
    /// What it must fail with; nothing if it must compile.
    errors: Vec<String>,
}

fn fixtures() -> Vec<Fixture> {
    let folder = Path::new(HERE).join("tests/compile_fail");
    let mut fixtures = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder of the fixtures") {
        let path = entry.expect("a file").path();
        if path.is_file() {
            fixtures.push(fixture(path));
        }
    }
    fixtures.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(fixtures.iter().any(|fixture| fixture.errors.is_empty()), "no fixture that compiles");
    assert!(fixtures.iter().any(|fixture| !fixture.errors.is_empty()), "no fixture that fails");
    fixtures
}

fn fixture(path: PathBuf) -> Fixture {
    let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a plain file name").to_owned();
    let text = fs::read_to_string(&path).expect("a text file");
    let comments = text.lines().take_while(|line| line.starts_with("//"));
    let errors: Vec<_> =
        comments.clone().filter_map(|line| line.strip_prefix("// error: ")).map(Into::into).collect();
    let compiles = comments.into_iter().any(|line| line == "// compiles");
    assert!(compiles == errors.is_empty(), "{name} must say either `// compiles` or `// error: ..`");
    Fixture { name, path, errors }
}

/// What cargo said.
#[derive(Default)]
struct Checked {
    compiled: BTreeSet<String>,
    /// The errors of each program: messages, labels and notes, without the source lines that the compiler shows.
    errors: BTreeMap<String, String>,
}

fn check(fixtures: &[Fixture]) -> Checked {
    let package = package(fixtures);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["check", "--bins", "--keep-going", "--offline", "--quiet", "--message-format=json"])
        .current_dir(&package)
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
            said(&line["message"], checked.errors.entry(name).or_default());
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

/// Adds the texts of a message, one a line.
fn said(message: &Value, out: &mut String) {
    let labels = message["spans"].as_array().into_iter().flatten().filter_map(|span| span["label"].as_str());
    for text in message["message"].as_str().into_iter().chain(labels) {
        writeln!(out, "    {text}").expect("a string");
    }
    message["children"].as_array().into_iter().flatten().for_each(|child| said(child, out));
}

/// Makes a package with a program for each fixture, and the shared crate beside it.
fn package(fixtures: &[Fixture]) -> PathBuf {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_fail");
    let dependencies = format!(
        "cmd-stream = {{ path = {HERE:?} }}\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\n"
    );
    let mut manifest = format!(
        "[workspace]\nmembers = [\"shared\"]\n\n\
         [package]\nname = \"fixtures\"\nversion = \"0.0.0\"\nedition = \"2024\"\nautobins = false\n\n\
         [dependencies]\n{dependencies}shared = {{ path = \"shared\" }}\n"
    );
    for Fixture { name, path, .. } in fixtures {
        write!(manifest, "\n[[bin]]\nname = {name:?}\npath = {path:?}\n").expect("a string");
    }
    let shared = format!(
        "[package]\nname = \"shared\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [lib]\npath = {:?}\n\n[dependencies]\n{dependencies}",
        Path::new(HERE).join("tests/compile_fail/shared/commands.rs")
    );
    fs::create_dir_all(package.join("shared")).expect("a folder of our own");
    write_if_changed(&package.join("Cargo.toml"), manifest.as_bytes());
    write_if_changed(&package.join("shared/Cargo.toml"), shared.as_bytes());
    // The versions that the workspace was built with, which are on this machine.
    let lock = fs::read(Path::new(HERE).join("../../Cargo.lock")).expect("the lock file of the workspace");
    write_if_changed(&package.join("Cargo.lock"), &lock);
    package
}

/// Leaves the time of a file as it is if nothing changes, so that cargo does not build again.
fn write_if_changed(path: &Path, content: &[u8]) {
    if fs::read(path).ok().as_deref() != Some(content) {
        fs::write(path, content).expect("a file of our own");
    }
}
