//! Which module may use which: the layers of ARCHITECTURE.md, read out of the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// For each top-level module, those that it may use.
const ALLOWED: [(&str, &[&str]); 22] = [
    ("circuit_breaker", &["error", "hooks", "proto", "protocol", "sync"]),
    (
        "client",
        &["connection", "counters", "error", "format", "getters", "proto", "protocol", "sync", "transport"],
    ),
    ("connection", &["error", "sync", "transport"]),
    ("counters", &[]),
    ("error", &["proto"]),
    ("format", &["proto"]),
    ("getters", &[]),
    (
        "group",
        &["circuit_breaker", "client", "error", "format", "health", "proto", "protocol", "sync", "transport"],
    ),
    ("health", &["protocol", "server", "sync"]),
    ("hooks", &["error", "protocol", "transport"]),
    ("mus", &[]),
    ("problem", &["error", "protocol"]),
    ("proto", &[]),
    ("protocol", &["error", "format", "proto"]),
    (
        "sender",
        &[
            "circuit_breaker",
            "client",
            "connection",
            "counters",
            "error",
            "format",
            "group",
            "health",
            "hooks",
            "proto",
            "protocol",
            "stats",
            "sync",
            "transport",
        ],
    ),
    (
        "server",
        &[
            "connection",
            "counters",
            "error",
            "format",
            "getters",
            "proto",
            "protocol",
            "stats",
            "sync",
            "transport",
        ],
    ),
    ("service", &["format", "hooks", "protocol", "sender", "server"]),
    ("stats", &["proto", "protocol", "sync"]),
    ("sync", &[]),
    ("testing", &["client", "connection", "error", "format", "proto", "protocol", "sync", "transport"]),
    ("tower", &["sender", "server"]),
    ("transport", &["error", "proto", "sync"]),
];

/// The path of a module or of an item, from the root of the crate.
type ItemPath = Vec<String>;

#[test]
fn modules_use_only_what_is_below_them() {
    let arrows = arrows_between_children(&Sources::read(), &[]);
    let used: Vec<(&str, Vec<&str>)> = arrows
        .iter()
        .map(|(from, used)| (from.as_str(), used.iter().map(String::as_str).collect()))
        .collect();
    let allowed = ALLOWED.map(|(from, used)| (from, used.to_vec()));
    assert_eq!(
        used, allowed,
        "left: what is used, right: what may be used; take out what is not needed any more"
    );
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
    add("", "pub use a::{Shared, b::One}; pub use e::E;");
    add("a", "mod b; mod c; mod d; pub(crate) use b::{One, Two as Deux}; use d::Private; use crate::e::E;");
    add("a::b", "use super::{c::{self, X}, Shared}; use crate::e::f::Y;");
    add("a::c", "fn f(_: super::Deux, _: crate::a::d::Z) {}");
    add("a::d", "use super::E; use crate::{One};");
    add("a::f", "use super::Private;");
    add("e", "fn f(_: crate::Shared) {}");
    let children = arrows_between_children(&sources, &item_path("a"));
    let text: Vec<_> = children.iter().map(|(from, to)| format!("{from}: {to:?}")).collect();
    assert_eq!(text, [r#"b: {"c"}"#, r#"c: {"b", "d"}"#, r#"d: {"b"}"#, r#"f: {"d"}"#]);
    let top = arrows_between_children(&sources, &[]);
    assert_eq!((top["a"].len(), top["e"].len()), (1, 1), "{top:?}");
}

#[test]
fn paths_are_written_so_that_they_can_be_followed() {
    for (module, text) in &Sources::read().modules {
        let name = module.join("::");
        for hidden in ["super::super", "self::super", "super as", "self as"] {
            assert!(!text.contains(hidden), "`{hidden}` in `{name}`");
        }
        let globs = text.matches("::*;").count();
        assert_eq!(
            globs,
            usize::from(name == "mus"),
            "a glob in `{name}`; only `mus` has one, for another crate"
        );
        // In a module inside a file `super` is the file. None of these has a path to more than the types there.
        for inside in text.split("\nmod ").chain(text.split(") mod ")).skip(1) {
            let block =
                inside.split_once(" {").filter(|(name, _)| !name.contains(|c: char| !c.is_alphanumeric()));
            let block = block.map_or("", |(_, block)| block.split("\n}").next().unwrap_or_default());
            let leaves = block.split("super::").skip(1).any(|path| path.starts_with(char::is_lowercase));
            assert!(!leaves, "`super` in a module inside `{name}`");
        }
    }
}

/// The modules of the crate, and the code of each.
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
            let parts = inside.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
            let mut module: ItemPath = parts.collect();
            let is_macro = module.starts_with(&item_path("protocol::macros"));
            module.retain(|name| name != "lib"); // the root has no name
            if module.iter().any(|name| name == "models" || name == "tests") {
                continue; // it is compiled for tests only
            }
            let text = fs::read_to_string(path).expect("it can be read");
            modules.insert(module, code(&text, is_macro));
        }
        Self { modules }
    }

    /// The module that an item is of, through the `use`s of the modules on its path. None if it is not ours.
    fn module_of(&self, path: &[String]) -> Option<ItemPath> {
        for len in (0..=path.len()).rev() {
            let (module, rest) = path.split_at(len);
            let Some(text) = self.modules.get(module) else { continue };
            let Some(name) = rest.first() else { return Some(module.to_vec()) };
            return match self.used_as(text, module, name) {
                Some(used) => self.module_of(&used),
                None => Some(module.to_vec()),
            };
        }
        None
    }

    /// What a name in a module stands for if it comes from a `use`: its path from the root of the crate. A private `use`
    /// counts, too: children may go through it.
    fn used_as(&self, text: &str, module: &[String], name: &str) -> Option<ItemPath> {
        for (at, keyword) in text.match_indices("use ") {
            let tree = text[at + keyword.len()..].split(';').next()?;
            let mut paths = Vec::new();
            expand(tree, &[], &mut paths);
            let alias = format!(" as {name}");
            let original = tree.match_indices(&alias).find(|(at, alias)| {
                !tree[at + alias.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
            });
            let original = original
                .and_then(|(at, _)| tree[..at].rsplit(|c: char| !c.is_alphanumeric() && c != '_').next());
            let wanted = original.unwrap_or(name);
            let Some(path) =
                paths.into_iter().find(|path| path.len() > 1 && path.ends_with(&[wanted.into()]))
            else {
                continue;
            };
            let (first, rest) = path.split_first()?;
            return match first.as_str() {
                "crate" => Some(rest.to_vec()),
                "super" => Some([module.split_last()?.1, rest].concat()),
                _ => Some([module, &path].concat())
                    .filter(|path| self.modules.contains_key(&path[..=module.len()])),
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

/// The code of a file, without comments and unit tests. What the parts of `protocol!` expand to is no code of this crate.
fn code(text: &str, is_macro: bool) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let code: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    if is_macro { code.replace("$crate::", "") } else { code.replace("$crate::", "crate::") }
}

fn item_path(text: &str) -> ItemPath {
    text.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect()
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
