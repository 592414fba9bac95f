//! A clock for programs that are counted. The library looks at the clock to tell which Commands are quick, so under valgrind,
//! or on a busy machine, it does something else than at full speed, and not the same twice. With this clock it does.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// In C, as it takes the place of a function of the C library. It needs no change of the programs that are counted, which may
/// be older than it.
const SOURCE: &str = include_str!("clock.c");

/// A shared library for the loader to put before the others.
pub(crate) struct Clock(PathBuf);

impl Clock {
    /// Compiles it, into this folder, with `$CC`, or else `cc`.
    pub(crate) fn build(folder: &Path) -> Result<Self, String> {
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let path = folder.join("clock.so");
        let failed = |error: &dyn std::fmt::Display| format!("the clock: {}: {error}", compiler.display());
        let mut cc = Command::new(&compiler);
        cc.args(["-O2", "-shared", "-fPIC", "-x", "c", "-", "-o"]).arg(&path);
        let mut cc = cc.stdin(Stdio::piped()).spawn().map_err(|error| failed(&error))?;
        let mut stdin = cc.stdin.take().expect("stdin is piped");
        let written = stdin.write_all(SOURCE.as_bytes());
        drop(stdin);
        let ended = cc.wait().map_err(|error| failed(&error))?;
        match ended.success() {
            true => written.map(|()| Self(path)).map_err(|error| failed(&error)),
            false => Err(failed(&ended)),
        }
    }

    /// Makes a program, and what it starts, go by this clock.
    pub(crate) fn set<'a>(&self, program: &'a mut Command) -> &'a mut Command {
        program.env("LD_PRELOAD", &self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Run as a program of its own by the other test: a clock is a matter of a process.
    #[test]
    fn each_look_takes_the_same_if_the_clock_is_set() {
        if std::env::var_os("LD_PRELOAD")
            .is_some_and(|library| library.as_encoded_bytes().ends_with(b"/clock.so"))
        {
            let looks: Vec<Instant> = (0..1000).map(|_| Instant::now()).collect();
            // Another thread of the test's process may look, too.
            let steps: Vec<_> = looks.windows(2).map(|pair| (pair[1] - pair[0]).as_nanos()).collect();
            assert!(steps.iter().all(|step| *step >= 250 && *step % 250 == 0), "{steps:?}");
            println!("went by the clock");
        }
    }

    #[test]
    fn program_goes_by_the_clock_that_it_was_given() {
        let folder = std::env::temp_dir().join(format!("bench-against-{}-clock", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let clock = Clock::build(&folder).unwrap();
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.args(["--nocapture", "--exact"]);
        program.arg("against::clock::tests::each_look_takes_the_same_if_the_clock_is_set");
        let output = clock.set(&mut program).output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains("went by the clock"), "{told}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
