//! Locks and atomics come from the private module `sync`, so that models can run on the code that ships.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn locks_and_atomics_come_from_sync_except_in_the_files_listed() {
    let mut found = BTreeMap::new();
    for (file, code) in sources() {
        let names = taken_from_std(&code);
        if !names.is_empty() {
            found.insert(file, names);
        }
    }
    let expected: BTreeMap<_, _> = EXCEPTIONS
        .iter()
        .map(|(file, names, _)| ((*file).to_owned(), names.iter().map(|name| (*name).to_owned()).collect()))
        .collect();
    assert_eq!(found, expected, "use `crate::sync`, or say here why not");
}

/// The files that name `std::sync` themselves: what they take of it, and why.
const EXCEPTIONS: [(&str, &[&str], Why); 14] = [
    ("client/builder.rs", &["atomic"], Why::Static),
    ("connection/buffers/large.rs", &["Mutex", "PoisonError"], Why::Static),
    ("error.rs", &["Arc"], Why::NoLock),
    ("proto/handshake.rs", &["Arc"], Why::NoLock),
    ("protocol/fingerprint.rs", &["Mutex", "PoisonError"], Why::Static),
    ("sender/near.rs", &["atomic"], Why::Static),
    ("sender/send_command.rs", &["Arc"], Why::NoLock),
    ("server/service.rs", &["atomic"], Why::Static),
    ("service.rs", &["Arc"], Why::NoLock),
    ("stats/thread.rs", &["atomic"], Why::Static),
    ("sync.rs", &["Arc", "Mutex", "MutexGuard", "OnceLock", "PoisonError", "Weak", "atomic"], Why::Seam),
    (
        "sync/held.rs",
        &["LockResult", "Mutex", "MutexGuard", "PoisonError", "TryLockError", "TryLockResult"],
        Why::Seam,
    ),
    ("sync/often.rs", &["TryLockError"], Why::Seam),
    (
        "sync/profiled.rs",
        &["LockResult", "Mutex", "MutexGuard", "PoisonError", "TryLockError", "TryLockResult"],
        Why::Seam,
    ),
];

#[derive(Clone, Copy, PartialEq, Debug)]
enum Why {
    /// It is the module.
    Seam,
    /// A `static` cannot hold loom's types, because each run of a model makes its own.
    Static,
    /// It shares a value that does not change, and has neither locks nor atomics. `Arc` is that of `std` in models too.
    NoLock,
}

#[test]
fn an_exception_for_statics_has_its_locks_and_atomics_in_statics() {
    let sources = sources();
    for (file, ..) in EXCEPTIONS.iter().filter(|(.., why)| *why == Why::Static) {
        let declarations = declarations(&sources[*file]);
        assert!(!declarations.is_empty(), "{file} has no static");
        for line in declarations {
            assert!(line.starts_with("static "), "{file}: {line}");
        }
    }
}

#[test]
fn names_are_read_out_of_paths_and_groups() {
    let names = |code: &str| taken_from_std(code).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(names("use std::sync::Arc;"), "Arc");
    assert_eq!(
        names("use std::sync::{Arc, atomic::{AtomicU64, Ordering}, Mutex as Lock};"),
        "Arc Mutex atomic"
    );
    assert_eq!(names("use std::{fmt, sync::{\n    Mutex,\n    OnceLock,\n}};"), "Mutex OnceLock");
    assert_eq!(names("fn f(_: &core::sync::atomic::AtomicBool) {}"), "atomic");
    assert_eq!(names("use std::sync;"), "sync");
    assert_eq!(names("use std::{io, sync as locks};"), "sync");
    assert_eq!(
        names("mod sync; use crate::sync::Arc; use tokio::sync::{Semaphore, mpsc}; fn sync_all() {}"),
        ""
    );
    let code =
        code("// use std::sync::Mutex;\nfn f() {}\n#[cfg(test)]\nmod tests {\n    use std::sync::Arc;\n}\n");
    assert_eq!(names(&code), "");
}

/// The code of each file, by its path in `src`.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    let name = |path: &Path| path.strip_prefix(&root).expect("it was found there").display().to_string();
    let text = |path: &Path| fs::read_to_string(path).expect("it can be read");
    paths.iter().map(|path| (name(path).replace('\\', "/"), code(&text(path)))).collect()
}

/// All Rust files below a directory, except those of tests and models.
fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("it is a directory") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && path.file_stem().is_none_or(|stem| stem != "tests" && stem != "models")
        {
            found.push(path);
        }
    }
}

/// A file without its comments and its unit tests, which stand last.
fn code(text: &str) -> String {
    let code: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    code.split_once("#[cfg(test)]\nmod tests {").map_or(&*code, |(code, _)| code).to_owned()
}

/// The names that code takes of `std::sync`, in whatever form it names the module; `sync` if it takes the whole.
fn taken_from_std(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, module) in code.match_indices("sync") {
        let (before, after) = (&code[..at], &code[at + module.len()..]);
        if before.ends_with(is_of_a_name) || after.starts_with(is_of_a_name) {
            continue;
        }
        if let Some(tree) = after.strip_prefix("::") {
            let is_another = ["crate::", "tokio::", "loom::"].iter().any(|other| before.ends_with(other));
            if !is_another {
                names.extend(first_names(tree));
            }
        } else if before.ends_with("::") || is_in_a_group_of_std(before) {
            names.insert(module.to_owned());
        }
    }
    names
}

/// Whether what follows stands in the braces of `std::{..}`.
fn is_in_a_group_of_std(before: &str) -> bool {
    let statement = before.rsplit(';').next().unwrap_or_default();
    ["std::{", "core::{"].iter().any(|group| statement.contains(group))
}

/// The first name of each path of a `use` tree: `{a::{b, c}, d}` has `a` and `d`.
fn first_names(tree: &str) -> Vec<String> {
    let name = |text: &str| text.trim_start().chars().take_while(|c| is_of_a_name(*c)).collect::<String>();
    let Some(group) = tree.strip_prefix('{') else { return vec![name(tree)] };
    let (mut names, mut depth) = (vec![name(group)], 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name(&group[at + 1..])),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty()); // after a last comma
    names
}

fn is_of_a_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The lines that declare something of the type of a lock or an atomic: a static, a field, a parameter.
fn declarations(code: &str) -> Vec<&str> {
    let is_guarded = |name: &str| {
        name.starts_with("Atomic") || ["Mutex", "RwLock", "OnceLock", "LazyLock", "Condvar"].contains(&name)
    };
    let declares = |line: &&str| {
        let is_use = line.starts_with("use ");
        !is_use && line.split(|c| !is_of_a_name(c)).any(is_guarded)
    };
    code.lines().map(str::trim_start).filter(declares).collect()
}
