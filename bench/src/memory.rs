//! Resident memory per idle connection, on each side. The server is a process of its own.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::{env, process};

use bench_harness::process::{allow_connections, resident};
use cmd_stream::Mus;
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
    allow_connections(u64::from(connections + WARM_UP))?;
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

/// A child that is killed in the end.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
