//! What many clients together can make a server take. The server has a process of its own, whose memory is looked at.

#![cfg(all(target_os = "linux", feature = "mus"))]

use std::fs;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cmd_stream::client::Client;
use cmd_stream::proto::varint;
use cmd_stream::server::{Handle, Limits};
use cmd_stream::{Answer, Context, Execute, Failed, Mus, Proxy, Server, protocol};
use testkit::ends::serve;
use testkit::process::{Process, is_started, says_where};
use testkit::wait::{until, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

struct Service;

#[derive(mus_format::Mus)]
struct Echo(String);
/// Asks for a text of so many bytes.
#[derive(mus_format::Mus)]
struct Large(u32);
/// Never ends.
#[derive(mus_format::Mus)]
struct Stay(u8);
/// Takes 144 bytes for each of its own, and never ends.
#[derive(mus_format::Mus)]
struct Sparse(Vec<Option<[u64; 17]>>);
#[derive(mus_format::Mus)]
struct Text(String);

impl Answer<Service> for Echo {
    async fn answer(self, _: &Service, _: &Context<'_>) -> Result<Text, Failed> {
        Ok(Text(self.0))
    }
}

impl Execute<Service> for Large {
    async fn execute(self, _: &Service, proxy: Proxy<'_, Text>) -> Result<(), Failed> {
        proxy.ready().await?;
        proxy.send(Text("x".repeat(self.0 as usize))).await
    }
}

impl Answer<Service> for Stay {
    async fn answer(self, _: &Service, _: &Context<'_>) -> Result<Text, Failed> {
        pending::<()>().await;
        Ok(Text(self.0.to_string()))
    }
}

impl Answer<Service> for Sparse {
    async fn answer(self, _: &Service, _: &Context<'_>) -> Result<Text, Failed> {
        pending::<()>().await;
        Ok(Text(self.0.len().to_string()))
    }
}

protocol! {
    struct Whole {
        commands { 1 => Echo -> Text, 2 => Large -> Text, 3 => Stay -> Text, 4 => Sparse -> Text }
        replies { 1 => Text }
        failure close_connection
    }
}

const MIB: usize = 1 << 20;
const MEMORY: usize = 64 * MIB;
const COMMANDS: usize = 20_000;
const FRAME: usize = 64 << 10;
const ATTACKERS: usize = 300;
const REPLY: u32 = 60_000;

fn limits() -> Limits {
    Limits::default().memory(MEMORY).commands(COMMANDS).frame(FRAME).connections(ATTACKERS + 20)
}

/// What a process had in memory at most, in bytes.
fn peak_of(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux has it");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

fn frame<T: mus_format::Encode>(seq: usize, tag: u8, command: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint::encode(seq as u64, &mut bytes);
    bytes.push(tag);
    bytes.extend(mus_format::to_vec(command).expect("it is small"));
    bytes
}

/// What an attacker sends on one connection, until nobody reads it.
fn attack(kind: usize) -> Vec<u8> {
    let sparse = |nones| Sparse(vec![None; nones]);
    match kind {
        0 => (1..=2000).flat_map(|seq| frame(seq, 2, &Large(REPLY))).collect(),
        1 => (1..=60_000).flat_map(|seq| frame(seq, 3, &Stay(0))).collect(),
        2 => (1..=200).flat_map(|seq| frame(seq, 4, &sparse(5000))).collect(),
        // Half of a Command.
        _ => frame(1, 4, &sparse(60_000))[..30_000].to_vec(),
    }
}

async fn attack_for(address: String, bytes: Arc<Vec<u8>>, connection: usize, until: Instant) {
    while Instant::now() < until {
        let Ok(mut stream) = TcpStream::connect(&address).await else { continue };
        // Not all at the same time.
        let stays = Duration::from_millis(300 + (connection * 37 % 400) as u64);
        let _ = timeout(stays, async {
            stream.write_all(&bytes).await?;
            pending::<std::io::Result<()>>().await
        })
        .await;
        if connection.is_multiple_of(2) {
            let _ = stream.set_zero_linger();
        }
    }
}

/// Calls until then. Returns how many were answered, and how long the slowest took.
async fn call_until(client: Client<Whole, Mus>, until: Instant) -> (usize, Duration) {
    let (mut calls, mut slowest) = (0, Duration::ZERO);
    while Instant::now() < until {
        let since = Instant::now();
        let reply = within(client.send(Echo("honest".into()))).await.expect("it is answered");
        assert_eq!(reply.0, "honest");
        slowest = slowest.max(since.elapsed());
        calls += 1;
        sleep(Duration::from_millis(5)).await;
    }
    (calls, slowest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_attackers_stay_within_the_formula_and_an_honest_client_is_served() {
    if is_started() {
        let handle = serve(Server::builder(Whole, Mus, Service).limits(limits())).await;
        println!("{}", says_where(handle.local_addr()));
        return pending().await;
    }
    let name = "three_hundred_attackers_stay_within_the_formula_and_an_honest_client_is_served";
    let (process, address) = Process::start_this_test(name, "").await;
    let client = within(Client::connect(&address, Whole, Mus)).await.expect("it listens");
    let (_, alone) = call_until(client.clone(), Instant::now() + Duration::from_millis(200)).await;
    let pid = process.id();
    let before = peak_of(pid);

    let attacks = [0, 1, 2, 3].map(|kind| Arc::new(attack(kind)));
    let end = Instant::now() + Duration::from_secs(6);
    let mut attackers = JoinSet::new();
    for connection in 0..ATTACKERS {
        attackers.spawn(attack_for(address.clone(), Arc::clone(&attacks[connection % 4]), connection, end));
    }
    let (calls, slowest) = call_until(client, end).await;
    attackers.join_all().await;
    let peak = peak_of(pid);

    // The formula of docs/PRESSURE.md.
    let connections = (ATTACKERS + 1) * (7 << 10);
    let replies = (ATTACKERS + 1) * REPLY as usize;
    let largest = FRAME * 145;
    let formula = before + MEMORY + connections + replies + largest;
    println!(
        "before {} MiB, peak {} MiB, formula {} MiB; {calls} calls, the slowest {slowest:?}, alone {alone:?}",
        before / MIB,
        peak / MIB,
        formula / MIB
    );
    assert!(peak <= formula / 4 * 5, "{peak} bytes at most, {formula} by the formula");
    assert!(slowest < Duration::from_secs(1), "{slowest:?} of {calls} calls");
}

/// Sends so many Commands that never end, and leaves when they have started.
async fn leave_behind(handle: &Handle, commands: usize) {
    let address = handle.local_addr().to_string();
    let mut stream = within(TcpStream::connect(address)).await.expect("it listens");
    within(stream.read_exact(&mut [0; 8])).await.expect("it greets");
    let before = handle.counters().started;
    let all: Vec<u8> = (1..=commands).flat_map(|seq| frame(seq, 3, &Stay(0))).collect();
    within(stream.write_all(&all)).await.expect("it reads");
    until(|| handle.counters().started >= before + commands as u64).await;
    stream.set_zero_linger().expect("a socket"); // a client that only closes has some seconds to be answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_outlive_their_connections_are_dropped_beyond_half_of_the_limit() {
    let handle = serve(Server::builder(Whole, Mus, Service).limits(limits())).await;
    let running = || handle.stats().commands.iter().map(|command| command.in_flight).sum::<u64>();
    for _ in 0..10 {
        leave_behind(&handle, 6000).await;
        until(|| handle.counters().open == 0).await;
    }
    // One that was told to go is gone a moment later.
    until(|| running() <= COMMANDS as u64 / 2 && handle.counters().orphans_dropped + running() == 60_000)
        .await;
    assert!(running() > COMMANDS as u64 / 4, "{}: they are not dropped without need", running());
    // Others find room.
    let client =
        within(Client::connect(handle.local_addr().to_string(), Whole, Mus)).await.expect("it listens");
    assert_eq!(within(client.send(Echo("a".into()))).await.expect("it is answered").0, "a");
}
