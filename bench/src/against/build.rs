//! Builds two programs alike: the `bench` of this tree, and that of another revision. Knows git and Cargo, but not what is
//! measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

/// The root of this tree.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The release profile of this tree, in full. Both sides are built with it, whatever the manifest of the other says.
const PROFILE: [&str; 8] = [
    "profile.release.codegen-units=1",
    "profile.release.debug=\"line-tables-only\"",
    "profile.release.debug-assertions=false",
    "profile.release.incremental=false",
    "profile.release.lto=\"fat\"",
    "profile.release.opt-level=3",
    "profile.release.overflow-checks=false",
    "profile.release.panic=\"unwind\"",
];

/// One of the two sides that are compared.
pub(crate) struct Side {
    /// Its name in tables and errors.
    pub(crate) name: String,
    /// Its `bench` program.
    pub(crate) program: PathBuf,
    /// Whether its calls have a deadline.
    pub(crate) has_deadlines: bool,
    /// Whether its calls go through a Sender over a group.
    pub(crate) has_group: bool,
}

impl Side {
    /// Tells a program how it is to make its calls.
    pub(crate) fn set(&self, program: &mut Command) {
        // Of the same length: the environment is on the stack, and its length moves what comes next.
        program.env(DEADLINE, if self.has_deadlines { "30" } else { "no" });
        program.env(GROUP, if self.has_group { "y" } else { "n" });
    }
}

/// The environment variable with the seconds that a call may take, if that is a number. Older revisions do not know it.
pub(crate) const DEADLINE: &str = "BENCH_DEADLINE";
/// The environment variable that says `y` if calls go through a Sender over a group. Older revisions do not know it.
pub(crate) const GROUP: &str = "BENCH_GROUP";

/// What was built.
pub(crate) struct Built {
    /// This tree first.
    pub(crate) sides: [Side; 2],
    /// The folder of the programs, which may hold other things.
    pub(crate) folder: PathBuf,
}

/// Builds this tree, uncommitted changes included, and the revision, in a git worktree.
pub(crate) fn both(revision: &str) -> Result<Built, String> {
    let root = Path::new(ROOT).canonicalize().map_err(|error| format!("{ROOT}: {error}"))?;
    let commit = commit(&root, revision)?;
    let folder = target_directory(&root)?.join("against");
    let tree = folder.join("tree");
    check_out(&root, &tree, &commit)?;
    let short = commit.get(..12).unwrap_or(&commit).to_owned();
    eprintln!("building {short}");
    let that = build(&tree, Some(&folder.join("build"))).map_err(|error| format!("{revision}: {error}"))?;
    eprintln!("building this tree");
    let this = build(&root, None).map_err(|error| format!("this tree: {error}"))?;
    // Copies, because a build during the run would replace the program. Their paths have the same length: a program's path is on
    // its stack, and its length moves what comes next.
    let side = |name: &str, built: &Path, copy: &str| {
        let program = folder.join(copy);
        fs::copy(built, &program).map_err(|error| format!("{}: {error}", program.display()))?;
        Ok::<_, String>(Side { name: name.to_owned(), program, has_deadlines: false, has_group: false })
    };
    let sides = [side("this tree", &this, "bench-this")?, side(&short, &that, "bench-that")?];
    Ok(Built { sides, folder })
}

/// The full name of a revision's commit.
fn commit(root: &Path, revision: &str) -> Result<String, String> {
    let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options"];
    git(root, &[&arguments[..], &[&format!("{revision}^{{commit}}")]].concat()).map_err(|error| {
        format!(
            "no commit is called {revision:?} in {} (a shallow clone has only the newest: git fetch --unshallow){error}",
            root.display()
        )
    })
}

/// Makes `tree` a git worktree at that commit. The worktree of an earlier run is used again, so that Cargo builds only what has
/// changed.
fn check_out(root: &Path, tree: &Path, commit: &str) -> Result<(), String> {
    if is_worktree(root, tree) {
        return git(tree, &["checkout", "--quiet", "--force", "--detach", commit]).map(drop);
    }
    if tree.exists() {
        fs::remove_dir_all(tree).map_err(|error| format!("{}: {error}", tree.display()))?;
    }
    let path = tree.to_str().ok_or_else(|| format!("{}: not UTF-8", tree.display()))?;
    // A worktree whose folder is gone is still registered.
    git(root, &["worktree", "prune"])?;
    git(root, &["worktree", "add", "--quiet", "--detach", path, commit]).map(drop)
}

/// Whether `tree` is a worktree of the same repository. If a folder is not a worktree, git takes it for a part of the tree around
/// it, which is ours: nothing may be checked out there.
fn is_worktree(root: &Path, tree: &Path) -> bool {
    let is = |at: &Path, question: &[&str]| {
        git(at, &[&["rev-parse"], question].concat())
            .ok()
            .and_then(|path| Path::new(&path).canonicalize().ok())
    };
    let repository = ["--path-format=absolute", "--git-common-dir"];
    tree.is_dir()
        && is(tree, &["--show-toplevel"]) == tree.canonicalize().ok()
        && is(tree, &repository) == is(root, &repository)
}

/// The output of git, without the end of the line.
fn git(at: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut git = Command::new("git");
    git.arg("-C").arg(at).args(arguments);
    // A git hook sets these variables, and they override `-C`.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(variable);
    }
    let output = git.output().map_err(|error| format!("cannot start git: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    } else {
        let told = String::from_utf8_lossy(&output.stderr);
        let told = told.trim_end();
        Err(if told.is_empty() { String::new() } else { format!("git {}: {told}", arguments[0]) })
    }
}

/// The folder in which Cargo builds this tree.
fn target_directory(root: &Path) -> Result<PathBuf, String> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let told = told(cargo(root).args(["metadata", "--no-deps", "--format-version=1"]))?;
    let metadata: Metadata =
        serde_json::from_str(&told).map_err(|error| format!("cargo metadata: {error}"))?;
    Ok(metadata.target_directory)
}

/// Builds the `bench` of a tree, and returns its path.
fn build(tree: &Path, target: Option<&Path>) -> Result<PathBuf, String> {
    let mut cargo = cargo(tree);
    cargo.args(["build", "--release", "--locked", "--package=bench", "--bin=bench"]);
    cargo.arg("--message-format=json-render-diagnostics");
    cargo.args(PROFILE.into_iter().flat_map(|setting| ["--config", setting]));
    // To see whether something works, in less time. The last setting counts, and it is the same for both sides.
    if let Ok(lto) = std::env::var("CARGO_PROFILE_RELEASE_LTO") {
        cargo.args(["--config", &format!("profile.release.lto={lto:?}")]);
    }
    if let Some(target) = target {
        cargo.arg("--target-dir").arg(target);
    }
    executable(&told(&mut cargo)?).ok_or_else(|| "cargo has built no program bench".to_owned())
}

/// The Cargo that runs this program, if one does.
fn cargo(at: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(at);
    cargo
}

/// The output of a command. What it writes to stderr goes to our stderr.
fn told(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_owned();
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{} failed ({})", program.display(), output.status))
    }
}

/// The program's path among Cargo's messages, which are one object per line.
fn executable(messages: &str) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Artifact {
        target: Target,
        executable: Option<PathBuf>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
    }
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Artifact>(line).ok());
    artifacts.filter(|artifact| artifact.target.name == "bench").find_map(|artifact| artifact.executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository with two commits, and the names of these.
    fn repository(name: &str) -> (PathBuf, [String; 2]) {
        let root = std::env::temp_dir().join(format!("bench-against-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&root); // of a process that had the same number
        fs::create_dir_all(&root).unwrap();
        git(&root, &["init", "--quiet"]).unwrap();
        let commits = ["one", "two"].map(|text| {
            fs::write(root.join("file"), text).unwrap();
            git(&root, &["add", "file"]).unwrap();
            // Independent of the settings of whoever runs the tests.
            let own = ["user.name=bench", "user.email=bench@localhost", "core.hooksPath=/dev/null"];
            let own: Vec<_> = own.into_iter().flat_map(|setting| ["-c", setting]).collect();
            git(&root, &[&own[..], &["commit", "--quiet", "--no-gpg-sign", "--message", text]].concat())
                .unwrap();
            commit(&root, "HEAD").unwrap()
        });
        (root, commits)
    }

    #[test]
    fn profile_is_that_of_the_manifest() {
        let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
        let section = manifest.split("\n[profile.release]\n").nth(1).unwrap();
        let set = section.lines().take_while(|line| !line.starts_with('[')).filter_map(|line| {
            let (key, value) = line.split_once('#').map_or(line, |(before, _)| before).split_once('=')?;
            Some(format!("profile.release.{}={}", key.trim(), value.trim()))
        });
        let set: Vec<_> = set.collect();
        assert!(!set.is_empty());
        for setting in set {
            assert!(PROFILE.contains(&setting.as_str()), "{setting}");
        }
    }

    #[test]
    fn revision_that_nobody_knows_is_an_error_that_names_it() {
        let (root, _) = repository("unknown");
        for revision in ["no-such-branch", "--all", ""] {
            let error = commit(&root, revision).unwrap_err();
            assert!(error.contains(&format!("no commit is called {revision:?}")), "{error}");
        }
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn worktree_is_made_used_again_and_made_anew_when_it_is_gone() {
        let (root, [one, two]) = repository("worktree");
        let tree = root.join("target").join("tree");
        let file = || fs::read_to_string(tree.join("file")).unwrap();
        fs::write(root.join("file"), "not committed").unwrap();
        check_out(&root, &tree, &one).unwrap();
        assert!(is_worktree(&root, &tree));
        assert_eq!(file(), "one");
        fs::write(tree.join("stays"), "").unwrap();
        check_out(&root, &tree, &two).unwrap();
        assert_eq!(file(), "two");
        assert!(tree.join("stays").exists(), "it was made anew");
        fs::remove_dir_all(&tree).unwrap();
        check_out(&root, &tree, &one).unwrap();
        assert_eq!(file(), "one");
        assert_eq!(fs::read_to_string(root.join("file")).unwrap(), "not committed");
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn folder_that_is_no_worktree_is_not_taken_for_one() {
        let (root, [one, _]) = repository("folder");
        let tree = root.join("target").join("tree");
        fs::create_dir_all(&tree).unwrap();
        fs::write(root.join("file"), "not committed").unwrap();
        assert!(!is_worktree(&root, &tree));
        check_out(&root, &tree, &one).unwrap();
        assert_eq!(fs::read_to_string(root.join("file")).unwrap(), "not committed");
        assert_eq!(fs::read_to_string(tree.join("file")).unwrap(), "one");
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn program_is_found_among_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"bench","kind":["lib"]},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"bench","kind":["bin"]},"executable":"/t/release/bench"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(executable(messages), Some(PathBuf::from("/t/release/bench")));
        assert_eq!(executable(r#"{"reason":"build-finished","success":true}"#), None);
    }
}
