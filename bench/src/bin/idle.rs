//! Measures the resident memory of an idle connection, on each side. The server and the clients are processes of their own.

use std::io::{BufRead, BufReader, Write, stdin};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::Duration;

use clap::{Parser, Subcommand};
use cmd_stream::{Answer, Client, Context, Failed, Mus, Server, protocol};

/// Connections that are there before it is counted, so that what is allocated once does not count.
const FIRST: usize = 500;

/// Measures what idle connections take.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    /// How many connections are compared with the first 500.
    #[arg(long, default_value_t = 4000)]
    connections: usize,

    /// Fail if a connection takes more KiB than this: on the server, on the client.
    #[arg(long, value_delimiter = ',')]
    at_most: Vec<f64>,

    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    /// Be the server: prints its address, then its memory for each line on stdin.
    #[command(hide = true)]
    Server,
    /// Be the clients: connects as many as each line on stdin says, then prints the memory.
    #[command(hide = true)]
    Clients { address: String },
}

struct Receiver;

#[derive(mus_format::Mus)]
struct Ask;
#[derive(mus_format::Mus)]
struct Told;

impl Answer<Receiver> for Ask {
    async fn answer(self, _: &Receiver, _: &Context<'_>) -> Result<Told, Failed> {
        Ok(Told)
    }
}

protocol! {
    struct Idle {
        commands { 0 => Ask -> Told }
        replies { 0 => Told }
        failure close_connection
    }
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("idle: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    match args.role {
        Some(Role::Server) => return runtime.block_on(serve()),
        Some(Role::Clients { address }) => return runtime.block_on(connect(&address)),
        None => {}
    }
    let (mut server, address) = Process::start(&["server"])?;
    let (mut clients, _) = Process::start(&["clients", &address])?;
    clients.ask(&FIRST.to_string())?;
    let before = [server.ask("")?, clients.ask("0")?];
    clients.ask(&args.connections.to_string())?;
    let after = [server.ask("")?, clients.ask("0")?];
    println!("| side | KiB per idle connection |\n| --- | --- |");
    for (n, side) in ["server", "client"].into_iter().enumerate() {
        let each = (after[n] as f64 - before[n] as f64) / args.connections as f64 / 1024.0;
        println!("| {side} | {each:.2} |");
        if let Some(most) = args.at_most.get(n).filter(|most| each > **most) {
            return Err(format!("an idle connection takes {each:.2} KiB on the {side}, over {most}"));
        }
    }
    Ok(())
}

async fn serve() -> Result<(), String> {
    let server =
        Server::bind("127.0.0.1:0", Idle, Mus, Receiver).await.map_err(|error| format!("{error:#}"))?;
    let handle = server.handle();
    println!("{}", handle.local_addr());
    tokio::spawn(server.serve());
    for line in stdin().lines() {
        line.map_err(|error| error.to_string())?;
        println!("{}", tell().await?);
    }
    Ok(())
}

async fn connect(address: &str) -> Result<(), String> {
    println!("ready");
    let mut clients = Vec::new();
    for line in stdin().lines() {
        let more = line.map_err(|error| error.to_string())?.parse().map_err(|_| "not a number".to_owned())?;
        for _ in 0..more {
            let client = Client::connect(address, Idle, Mus).await.map_err(|error| format!("{error:#}"))?;
            let Told = client.send(Ask).await.map_err(|error| format!("{error:#}"))?;
            clients.push(client);
        }
        println!("{}", tell().await?);
    }
    Ok(())
}

/// The resident memory of this process in bytes, when its connections have come to rest.
async fn tell() -> Result<u64, String> {
    tokio::time::sleep(Duration::from_millis(500)).await;
    const STATUS: &str = "/proc/self/status";
    let status = std::fs::read_to_string(STATUS).map_err(|error| format!("{STATUS}: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| format!("{STATUS} does not say how much is resident"))
}

/// A side.
struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    /// Starts it, and returns the first line it prints.
    fn start(arguments: &[&str]) -> Result<(Self, String), String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("its pipes are taken".into());
        };
        let mut process = Self { child, stdin, stdout: BufReader::new(stdout) };
        let line = process.line()?;
        Ok((process, line))
    }

    fn ask(&mut self, what: &str) -> Result<u64, String> {
        writeln!(self.stdin, "{what}").map_err(|error| error.to_string())?;
        self.line()?.parse().map_err(|_| "it said something else".to_owned())
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.stdout.read_line(&mut line) {
            Ok(0) => Err("it has ended".into()),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
