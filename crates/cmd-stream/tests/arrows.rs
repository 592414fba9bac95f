//! Which module may use which: the layers of ARCHITECTURE.md, read out of the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// For each top-level module, those that it may use.
const ALLOWED: [(&str, &[&str]); 14] = [
    ("client", &["connection", "error", "format", "getters", "proto", "protocol", "sync", "transport"]),
    ("connection", &["error", "sync", "transport"]),
    ("error", &["proto"]),
    ("format", &["error", "proto"]),
    ("getters", &[]),
    ("mus", &[]),
    ("problem", &["error", "protocol"]),
    ("proto", &[]),
    ("protocol", &["error", "format", "proto", "sync"]),
    ("sender", &["client", "error", "format", "protocol", "transport"]),
    ("server", &["connection", "error", "format", "getters", "proto", "protocol", "sync", "transport"]),
    ("sync", &[]),
    ("testing", &["client", "connection", "error", "format", "proto", "protocol", "sync", "transport"]),
    ("transport", &[]),
];

/// The path of a module or of an item, from the root of the crate.
type ItemPath = Vec<String>;

#[test]
fn modules_use_only_what_is_below_them() {
    let arrows = arrows_between_children(&Sources::read(), &[]);
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
fn there_is_no_circle_between_the_children_of_a_module() {
    let sources = Sources::read();
    let mut parents: BTreeSet<&[String]> = BTreeSet::new();
    parents.extend(sources.modules.keys().filter_map(|path| path.split_last()).map(|(_, parent)| parent));
    let mut circles = String::new();
    for parent in parents {
        let mut arrows = arrows_between_children(&sources, parent);
        // What uses nothing that is left, or is used by nothing that is left, is in no circle.
        loop {
            let before = arrows.len();
            let used: BTreeSet<_> = arrows.values().flatten().cloned().collect();
            arrows.retain(|from, _| used.contains(from));
            let left: BTreeSet<_> = arrows.keys().cloned().collect();
            arrows.retain(|_, used| used.iter().any(|to| left.contains(to)));
            if arrows.len() == before {
                break;
            }
        }
        if !arrows.is_empty() {
            circles += &format!("in `{}`: {arrows:?}\n", parent.join("::"));
        }
    }
    assert!(circles.is_empty(), "circles\n{circles}");
}

#[test]
fn paths_are_read_out_of_groups_aliases_and_reexports() {
    let mut sources = Sources { modules: BTreeMap::new() };
    let mut add = |path: &str, text: &str| sources.modules.insert(item_path(path), text.to_owned());
    add("a", "mod b; mod c; mod d; pub use b::{One, Two as Deux};");
    add("a::b", "use super::{c::{self, X}, Shared}; use crate::e::f::Y;");
    add("a::c", "fn f(_: super::Deux, _: crate::a::d::Z) {}");
    add("a::d", "use super::super::e;");
    add("e", "");
    let children = arrows_between_children(&sources, &item_path("a"));
    let text: Vec<_> = children.iter().map(|(from, to)| format!("{from}: {to:?}")).collect();
    assert_eq!(text, [r#"b: {"c"}"#, r#"c: {"b", "d"}"#, "d: {}"]);
    assert_eq!(arrows_between_children(&sources, &[])["a"], BTreeSet::from(["e".to_owned()]));
}

/// The modules of the crate, but for its root, and the code of each.
struct Sources {
    modules: BTreeMap<ItemPath, String>,
}

impl Sources {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut paths = Vec::new();
        files(&root, &mut paths);
        let mut modules = BTreeMap::new();
        for path in paths {
            let inside = path.strip_prefix(&root).expect("it was found there").with_extension("");
            let module: ItemPath =
                inside.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
            if module != ["lib"] {
                modules.insert(module, code(&fs::read_to_string(path).expect("it can be read")));
            }
        }
        Self { modules }
    }

    /// The module that an item is of, through the re-exports of its parents. None if it is not ours.
    fn module_of(&self, path: &[String]) -> Option<ItemPath> {
        for len in (1..=path.len()).rev() {
            let (module, rest) = path.split_at(len);
            let Some(text) = self.modules.get(module) else { continue };
            let reexported = rest.first().and_then(|name| reexported(text, name));
            return match reexported {
                Some(inside) => self.module_of(&[module, &inside].concat()),
                None => Some(module.to_vec()),
            };
        }
        None
    }
}

/// All Rust files below a directory.
fn files(directory: &Path, found: &mut Vec<PathBuf>) {
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

fn item_path(text: &str) -> ItemPath {
    text.split("::").map(str::to_owned).collect()
}

/// For each child of a module, those of its siblings that it, or what is below it, uses.
fn arrows_between_children(sources: &Sources, parent: &[String]) -> BTreeMap<String, BTreeSet<String>> {
    let child_of = |path: &[String]| path.strip_prefix(parent).and_then(|rest| rest.first().cloned());
    let mut arrows = BTreeMap::<_, BTreeSet<_>>::new();
    for (module, text) in &sources.modules {
        let Some(from) = child_of(module) else { continue };
        let used = arrows.entry(from.clone()).or_default();
        for path in paths_in(text, module) {
            let to = sources.module_of(&path).and_then(|module| child_of(&module));
            used.extend(to.filter(|to| *to != from));
        }
    }
    arrows
}

/// All paths in the code of a module that begin with `crate` or `super`, from the root of the crate.
fn paths_in(text: &str, module: &[String]) -> Vec<ItemPath> {
    let mut paths = Vec::new();
    for (at, keyword) in text.match_indices("crate::").chain(text.match_indices("super::")) {
        let before = &text[..at];
        if before.ends_with("::") || before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue; // the second one of `super::super`
        }
        let (mut base, mut rest) = (module, &text[at..]);
        if keyword == "crate::" {
            (base, rest) = (&[], &rest[keyword.len()..]);
        } else {
            while let Some(after) = rest.strip_prefix("super::") {
                base = base.split_last().map_or(base, |(_, parent)| parent);
                rest = after;
            }
        }
        expand(rest, base, &mut paths);
    }
    paths
}

/// Adds the paths that a `use` tree stands for: `a::{b, c::D}` is `a::b` and `a::c::D`. Returns what follows it.
fn expand<'a>(text: &'a str, base: &[String], paths: &mut Vec<ItemPath>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = expand(rest, base, paths).trim_start();
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => return rest.strip_prefix('}').unwrap_or(rest),
            }
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let path = match name {
        "" | "self" => base.to_vec(),
        name => [base, &[name.to_owned()]].concat(),
    };
    match rest.strip_prefix("::") {
        Some(rest) => expand(rest, &path, paths),
        None => {
            paths.push(path);
            let rest = rest.trim_start();
            let Some(alias) = rest.strip_prefix("as ") else { return rest };
            alias.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_')
        }
    }
}

/// What a name of a module stands for if it is a re-export: the path, from that module on.
fn reexported(text: &str, name: &str) -> Option<ItemPath> {
    for start in text.match_indices("pub use ").chain(text.match_indices("pub(crate) use ")) {
        let tree = &text[start.0 + start.1.len()..];
        let tree = &tree[..tree.find(';')?];
        // An alias is the name here: `Two as Deux`.
        if let Some((at, _)) = tree.match_indices(&format!(" as {name}")).next() {
            let original = tree[..at].rsplit(|c: char| !c.is_alphanumeric() && c != '_').next()?;
            return reexported_as(tree, original);
        }
        if let Some(path) = reexported_as(tree, name) {
            return Some(path);
        }
    }
    None
}

fn reexported_as(tree: &str, name: &str) -> Option<ItemPath> {
    let mut paths = Vec::new();
    expand(tree, &[], &mut paths);
    paths.into_iter().find(|path| path.len() > 1 && path.last().is_some_and(|last| last == name))
}
