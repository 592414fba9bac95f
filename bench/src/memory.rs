//! Resident memory per idle connection, on each side. The server is a process of its own.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::{env, fs, process};

use cmd_stream::Mus;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use crate::participant;
use crate::participants::Participant;
use crate::participants::cmd_stream::{Certificates, connect, echo_once, listen};

/// Connections before the first measurement, which bring the server's buffers and threads to their size.
const WARM_UP: u32 = 100;

/// What the server says when it listens.
#[derive(Serialize, Deserialize)]
struct Listening {
    address: String,
    certificates: Option<Certificates>,
}

/// What an idle connection takes, in bytes.
pub(crate) struct PerConnection {
    pub(crate) server: f64,
    pub(crate) client: f64,
}

/// Measures idle connections, each of which has made one call.
pub(crate) fn measure(participant: Participant, connections: u32) -> Result<PerConnection, String> {
    // The server inherits it.
    allow_open_files(u64::from(connections + WARM_UP + OTHER_FILES))?;
    let this = env::current_exe().map_err(|error| format!("path of this program: {error}"))?;
    let mut command = Command::new(this);
    command.args(["idle-server", participant.name()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut server = Running(command.spawn().map_err(|error| format!("the server cannot start: {error}"))?);
    let mut line = String::new();
    let stdout = server.0.stdout.take().ok_or("no stdout")?;
    BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
    let Listening { address, certificates } =
        serde_json::from_str(&line).map_err(|error| format!("the server said {line:?}: {error}"))?;
    participant::runtime()?.block_on(async {
        let tls = certificates.as_ref().map(Certificates::client).transpose()?;
        let open = async |count| {
            let mut clients = Vec::new();
            for _ in 0..count {
                let client = connect(Mus, &address, tls.clone()).await?;
                echo_once(&client).await?;
                clients.push(client);
            }
            Ok::<_, String>(clients)
        };
        let both = || Ok::<_, String>([resident(server.0.id())?, resident(process::id())?]);
        let _few = open(WARM_UP).await?;
        let before = both()?;
        let _many = open(connections).await?;
        let after = both()?;
        let [server, client] =
            [0, 1].map(|side: usize| (after[side] as f64 - before[side] as f64) / f64::from(connections));
        Ok(PerConnection { server, client })
    })
}

/// Is the server, until stdin ends.
pub(crate) fn serve(participant: Participant) -> Result<(), String> {
    let certificates = match participant {
        Participant::CmdStream => None,
        Participant::CmdStreamTls => Some(Certificates::new()),
        _ => return Err("only the memory of this library is measured".to_owned()),
    };
    participant::runtime()?.block_on(async {
        let (handle, serving) = listen(Mus, certificates.as_ref()).await?;
        let listening = Listening { address: handle.local_addr().to_string(), certificates };
        let listening = serde_json::to_string(&listening).expect("it is text");
        writeln!(io::stdout(), "{listening}").map_err(|error| format!("stdout: {error}"))?;
        let _ = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await;
        handle.close();
        serving.await.map(drop).map_err(|error| error.to_string())
    })
}

/// Files that a process has open beside its connections, at most.
const OTHER_FILES: u32 = 100;

/// Lets this process, and those that it starts, have so many open files.
fn allow_open_files(files: u64) -> Result<(), String> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= files) {
        return Ok(());
    }
    // Beyond the maximum only a privileged process may go.
    let raised = Rlimit { current: Some(files), maximum: maximum.map(|maximum| maximum.max(files)) };
    setrlimit(Resource::Nofile, raised)
        .map_err(|error| format!("{files} open files are needed, and {maximum:?} allowed: {error}"))
}

/// The resident memory of a process, in bytes.
fn resident(id: u32) -> Result<u64, String> {
    let path = format!("/proc/{id}/status");
    let status = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    Ok(kib.ok_or_else(|| format!("{path} has no VmRSS"))? << 10)
}

/// A child that is killed in the end.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
