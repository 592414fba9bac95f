//! Child processes: their output, their end, and signals.

use std::ffi::OsStr;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::wait::within;

/// A running program. All its waits are bounded, and it is killed when it is dropped.
pub struct Process {
    name: String,
    child: Child,
    lines: UnboundedReceiver<String>,
    complaints: Arc<Mutex<String>>,
    all_complaints: oneshot::Receiver<()>,
}

/// The result of a program that has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// Its exit code, or `None` if a signal ended it.
    pub code: Option<i32>,
    /// The lines it printed that were not read before.
    pub lines: Vec<String>,
    /// All it wrote to standard error.
    pub complaints: String,
}

impl Process {
    /// Starts a program. Its standard input stays open and empty until the `Process` is dropped.
    ///
    /// # Panics
    ///
    /// If it cannot be started. Every method here panics if what it expects does not happen.
    pub fn start(program: impl AsRef<OsStr>, args: &[&str]) -> Self {
        let program = program.as_ref();
        let name = format!("`{} {}`", program.to_string_lossy(), args.join(" "));
        let (stdin, stdout, stderr) = (Stdio::piped(), Stdio::piped(), Stdio::piped());
        let mut child = Command::new(program)
            .args(args)
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let (sender, lines) = unbounded_channel();
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let complaints = Arc::default();
        let (stderr, written) = (child.stderr.take().expect("it is piped"), Arc::clone(&complaints));
        let (at_end, all_complaints) = oneshot::channel();
        thread::spawn(move || {
            copy(stderr, &written);
            at_end.send(())
        });
        Self { name, child, lines, complaints, all_complaints }
    }

    /// Starts a server, a program that first prints `listening on ADDRESS`. Also returns the address.
    pub async fn start_server(program: impl AsRef<OsStr>, args: &[&str]) -> (Self, String) {
        let mut server = Self::start(program, args);
        let line = server.line().await;
        let Some(address) = line.strip_prefix("listening on ") else {
            panic!("{server} printed {line:?} first")
        };
        let address = address.to_owned();
        (server, address)
    }

    /// Starts a server on an address that another one has just left. It must print `listening on ADDRESS` first. If it ends
    /// instead, it is started again: for a moment, anybody may have been given the port.
    pub async fn restart_server(program: impl AsRef<OsStr>, args: &[&str], address: &str) -> Self {
        let started = async {
            loop {
                let mut server = Self::start(&program, args);
                match server.lines.recv().await {
                    Some(line) => {
                        assert_eq!(line, format!("listening on {address}"), "{server}");
                        return server;
                    }
                    None => sleep(Duration::from_millis(20)).await,
                }
            }
        };
        within(started).await
    }

    /// Starts this test again, as a server in a process of its own: there [`is_started`] holds, and it must print what
    /// [`says_where`] returns. `first` is what the shell does before. Also returns the address.
    pub async fn start_this_test(name: &str, first: &str) -> (Self, String) {
        let this = std::env::current_exe().expect("it runs");
        let script = format!(r#"{first} export {STARTED}=1; exec "$0" "$@""#);
        let this = this.to_str().expect("it is text");
        let mut server = Self::start("sh", &["-c", &script, this, "--exact", name, "--nocapture"]);
        loop {
            let line = server.line().await;
            if let Some((_, address)) = line.split_once(LISTENS) {
                let address = address.to_owned();
                return (server, address);
            }
        }
    }

    /// Returns its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the next line that it prints.
    pub async fn line(&mut self) -> String {
        match within(self.lines.recv()).await {
            Some(line) => line,
            None => panic!("{self} printed no further line"),
        }
    }

    /// Waits for the next line that it prints, which must be this one.
    pub async fn expect_line(&mut self, expected: &str) {
        let line = self.line().await;
        assert_eq!(line, expected, "{self}");
    }

    /// Sends it a signal by name, such as `TERM`. Does not work on Windows.
    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &id]).status().expect("there is a `kill`");
        assert!(status.success(), "{self}: it could not be sent {signal}");
    }

    /// Kills it immediately.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is a child of ours");
    }

    /// Waits until it ends by itself.
    pub async fn end(mut self) -> Ended {
        let ended = async {
            loop {
                match self.child.try_wait().expect("it is a child of ours") {
                    Some(status) => return status.code(),
                    None => sleep(Duration::from_millis(1)).await,
                }
            }
        };
        let Ok(code) = timeout(WHOLE_RUN, ended).await else { panic!("{self} did not end") };
        let mut lines = Vec::new();
        while let Some(line) = within(self.lines.recv()).await {
            lines.push(line);
        }
        within(&mut self.all_complaints).await.expect("the thread reports its end");
        Ended { code, lines, complaints: self.complaints() }
    }

    /// Waits until it ends by itself. Its exit code must be 0, and its remaining output these lines.
    pub async fn expect_success(self, expected: &[&str]) {
        let name = self.name.clone();
        let ended = self.end().await;
        assert_eq!(
            (ended.code, &ended.lines[..]),
            (Some(0), &own(expected)[..]),
            "{name}: {}",
            ended.complaints
        );
    }

    /// Returns what it has written to standard error so far.
    pub fn complaints(&self) -> String {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether this process is one that [`Process::start_this_test`] has started.
pub fn is_started() -> bool {
    std::env::var_os(STARTED).is_some()
}

/// Returns what such a process prints when it listens.
pub fn says_where(address: impl fmt::Display) -> String {
    format!("\n{LISTENS}{address}")
}

const STARTED: &str = "CMD_STREAM_TEST_IS_STARTED";
const LISTENS: &str = "it listens on ";

/// How long a program may run. Longer than any single step may take: it may make thousands of calls on a busy machine.
const WHOLE_RUN: Duration = Duration::from_secs(60);

/// Its command line, and its standard error so far.
impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (stderr: {:?})", self.name, self.complaints())
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn own(lines: &[&str]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

fn copy(mut from: impl Read, to: &Mutex<String>) {
    let mut bytes = [0; 1024];
    while let Ok(n @ 1..) = from.read(&mut bytes) {
        to.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(&bytes[..n]));
    }
}
