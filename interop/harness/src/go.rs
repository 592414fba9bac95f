//! Builds the Go programs.

use std::env::consts::EXE_SUFFIX;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the Go program `cmd/NAME` with the command `go`, and returns its path.
///
/// # Errors
///
/// If the program cannot be built. The error is for readers of the tests' output.
pub fn build(go: &str, name: &str, into: &Path) -> Result<PathBuf, String> {
    let program = into.join(format!("{name}{EXE_SUFFIX}"));
    let mut build = Command::new(go);
    build.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    build.args(["build", "-buildvcs=false", "-o"]).arg(&program).arg(format!("./cmd/{name}"));
    let built = build.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            format!("the interoperability tests need Go 1.24 or later, and there is no `{go}`: see interop/README.md")
        }
        _ => format!("`{go}` cannot be run: {error}"),
    })?;
    if built.status.success() {
        Ok(program)
    } else {
        Err(format!(
            "the Go program {name} cannot be built ({build:?}):\n{}",
            String::from_utf8_lossy(&built.stderr)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_go_the_message_says_what_is_missing() {
        let error = build("no-such-go", "peer", &std::env::temp_dir()).expect_err("there is none");
        assert!(error.contains("need Go 1.24 or later, and there is no `no-such-go`"), "{error}");
    }
}
