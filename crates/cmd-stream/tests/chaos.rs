//! A client through a proxy that breaks its connections in every way, while several callers use it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cmd_stream::client::{Backoff, Counters, Keepalive, Limits, Link};
use cmd_stream::{Answer, Client, Context, Error, Execute, Failed, Json, Proxy, Reply, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::chaos;
use testkit::chaos::Direction::{ToClient, ToServer};
use testkit::wait::{until, within};
use tokio::time::{Instant, sleep, timeout};

/// How long a link may be silent before the client takes it for dead.
const IDLE: Duration = Duration::from_millis(50);
const TIMEOUT: Duration = Duration::from_millis(250);
/// Calls wait no longer for a connection, so that some of them fail without having been sent.
const CONNECTION_WAIT: Duration = Duration::from_millis(20);
/// No call takes longer than this, whatever happens to its connection.
const CALL_BOUND: Duration = Duration::from_secs(5);
/// What a loaded machine may add to a time.
const SLACK: Duration = Duration::from_secs(2);

const CALLERS: usize = 8;

/// The Receiver: how often the Commands were executed, by their numbers.
#[derive(Clone, Default)]
struct Executed(Arc<Mutex<HashMap<u64, u32>>>);

impl Executed {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, id: u64) {
        *self.lock().entry(id).or_default() += 1;
    }
}

#[derive(Serialize, Deserialize)]
struct Echo {
    id: u64,
    text: String,
}

#[derive(Serialize, Deserialize)]
struct Count {
    id: u64,
    to: u64,
}

#[derive(Serialize, Deserialize)]
struct Note {
    id: u64,
    text: String,
}

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Echoed {
    id: u64,
    text: String,
}

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Number {
    id: u64,
    value: u64,
    last: bool,
}

impl Reply for Number {
    fn is_last(&self) -> bool {
        self.last
    }
}

impl Answer<Executed> for Echo {
    async fn answer(self, executed: &Executed, _: &Context<'_>) -> Result<Echoed, Failed> {
        executed.note(self.id);
        Ok(Echoed { id: self.id, text: self.text })
    }
}

impl Execute<Executed> for Count {
    async fn execute(self, executed: &Executed, proxy: Proxy<'_, Number>) -> Result<(), Failed> {
        executed.note(self.id);
        for value in 1..=self.to {
            proxy.send(Number { id: self.id, value, last: value == self.to }).await?;
        }
        Ok(())
    }
}

impl Answer<Executed> for Note {
    async fn answer(self, executed: &Executed, _: &Context<'_>) -> Result<(), Failed> {
        executed.note(self.id);
        Ok(())
    }
}

protocol! {
    struct Numbered {
        commands { 0 => Echo -> Echoed, 1 => Count -> Number, 2 => Note -> () }
        replies { 0 => Echoed, 1 => Number }
        failure close_connection
    }
}

/// Xorshift: the callers do the same in every run, though not at the same times.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// What became of a Command, as its caller knows it.
enum Outcome {
    Answered,
    /// It was written, and nobody answers.
    Written,
    Failed(Error),
    /// Its caller has dropped the call.
    Dropped,
}

/// What the callers know of their Commands.
#[derive(Default)]
struct Tally {
    next: AtomicU64,
    answered: [AtomicU64; CALLERS],
    /// The numbers of Commands that were answered, and of those that were not sent, as their errors say.
    ran: Mutex<Vec<u64>>,
    unsent: Mutex<Vec<u64>>,
    /// How many have failed and may have been executed.
    unknown: AtomicU64,
    stops: AtomicBool,
}

impl Tally {
    fn add(&self, caller: usize, id: u64, outcome: &Outcome) {
        match outcome {
            Outcome::Answered => {
                self.ran.lock().unwrap().push(id);
                self.answered[caller].fetch_add(1, Relaxed);
            }
            Outcome::Failed(error) if error.was_sent() => _ = self.unknown.fetch_add(1, Relaxed),
            Outcome::Failed(_) => self.unsent.lock().unwrap().push(id),
            Outcome::Written | Outcome::Dropped => {}
        }
    }

    /// Waits until each caller was answered some times more.
    async fn every_caller_is_answered(&self) {
        let goals = self.answered.each_ref().map(|answered| answered.load(Relaxed) + 5);
        until(|| self.answered.iter().zip(goals).all(|(answered, goal)| answered.load(Relaxed) >= goal))
            .await;
    }
}

type ClientOf = Client<Numbered, Json>;

/// Sends one Command after the other, of all kinds.
async fn go_on_calling(client: ClientOf, tally: Arc<Tally>, caller: usize) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15 + caller as u64);
    while !tally.stops.load(Relaxed) {
        let id = tally.next.fetch_add(1, Relaxed);
        let outcome = timeout(CALL_BOUND, send_one(&client, id, &mut random)).await;
        let outcome = outcome.unwrap_or_else(|_| panic!("command {id} hangs: {:?}", client.link()));
        tally.add(caller, id, &outcome);
        if let Outcome::Failed(_) = outcome {
            sleep(Duration::from_millis(1)).await; // while there is no connection, calls fail at once
        }
    }
}

async fn send_one(client: &ClientOf, id: u64, random: &mut Random) -> Outcome {
    let len = if random.below(10) == 0 { random.below(8000) } else { random.below(100) };
    let text = format!("{id} ").repeat(1 + len as usize / 8);
    let echo = Echo { id, text: text.clone() };
    let echoed = match random.below(10) {
        0 => return post(client, Note { id, text }).await,
        1 => return count(client, Count { id, to: 1 + random.below(50) }).await,
        2 => {
            let patience = Duration::from_micros(random.below(2000));
            match timeout(patience, client.send(echo)).await {
                Ok(echoed) => echoed,
                Err(_) => return Outcome::Dropped,
            }
        }
        3 => client.send(echo).timeout(Duration::from_millis(100)).await,
        _ => client.send(echo).await,
    };
    match echoed {
        Ok(echoed) => {
            assert_eq!(echoed, Echoed { id, text }, "the Reply of another Command");
            Outcome::Answered
        }
        Err(error) => Outcome::Failed(error.into()),
    }
}

async fn post(client: &ClientOf, note: Note) -> Outcome {
    match client.post(note).await {
        Ok(()) => Outcome::Written,
        Err(error) => Outcome::Failed(error),
    }
}

async fn count(client: &ClientOf, command: Count) -> Outcome {
    let Count { id, to } = command;
    let mut numbers = match client.stream(command).await {
        Ok(numbers) => numbers,
        Err(error) => return Outcome::Failed(error),
    };
    for value in 1..=to {
        match numbers.next().await.expect("it has not ended") {
            Ok(number) => assert_eq!(number, Number { id, value, last: value == to }),
            Err(error) => return Outcome::Failed(error.into()),
        }
    }
    assert!(numbers.next().await.is_none());
    Outcome::Answered
}

/// What a fault does to the client.
enum Does {
    /// Its connection ends.
    Lose,
    /// Its connection is silent, and nobody says so.
    Silence,
    /// It can make no connection.
    Refuse,
    /// It is slow.
    Nothing,
}

type Fault = (&'static str, Does, fn(&chaos::Proxy, &mut Random));

const FAULTS: [Fault; 16] = [
    ("cut", Does::Lose, |proxy, _| proxy.cut()),
    ("reset", Does::Lose, |proxy, _| proxy.reset()),
    ("stall", Does::Silence, |proxy, _| proxy.stall()),
    ("stall to the server", Does::Silence, |proxy, _| proxy.toward(ToServer).stall()),
    ("stall to the client", Does::Silence, |proxy, _| proxy.toward(ToClient).stall()),
    ("half-open", Does::Silence, |proxy, _| proxy.half_open()),
    ("half-open to the server", Does::Silence, |proxy, _| proxy.toward(ToServer).half_open()),
    ("half-open to the client", Does::Silence, |proxy, _| proxy.toward(ToClient).half_open()),
    ("refuse", Does::Refuse, |proxy, _| {
        proxy.refuse();
        proxy.cut();
    }),
    ("refuse after a reset", Does::Refuse, |proxy, _| {
        proxy.refuse();
        proxy.reset();
    }),
    ("split", Does::Nothing, |proxy, _| proxy.split()),
    ("throttle", Does::Nothing, |proxy, _| proxy.throttle(500_000)),
    ("split and throttle", Does::Nothing, |proxy, _| {
        proxy.split();
        proxy.throttle(200_000);
    }),
    ("cut in a Command", Does::Lose, |proxy, random| {
        proxy.toward(ToServer).cut_after(1 + random.below(2000));
    }),
    ("cut in a Reply", Does::Lose, |proxy, random| {
        proxy.toward(ToClient).cut_after(1 + random.below(2000));
    }),
    ("cut in a split Reply", Does::Lose, |proxy, random| {
        proxy.split();
        proxy.toward(ToClient).cut_after(1 + random.below(50));
    }),
];

/// Waits until the client has felt the fault, and says how long that took.
async fn felt(client: &ClientOf, does: &Does, before: Counters) -> Duration {
    let since = Instant::now();
    let counted = |count: fn(&Counters) -> u64, more: u64| {
        until(move || count(&client.counters()) >= count(&before) + more)
    };
    match does {
        Does::Lose => counted(|counters| counters.lost, 1).await,
        Does::Silence => counted(|counters| counters.keepalive_lost, 1).await,
        Does::Refuse => counted(|counters| counters.attempts_failed, 10).await,
        Does::Nothing => {}
    }
    since.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_is_survived_by_traffic_without_a_wrong_reply_or_a_hang() {
    let executed = Executed::default();
    let server = Server::bind("127.0.0.1:0", Numbered, Json, executed.clone()).await.unwrap();
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());
    let proxy = chaos::Proxy::start(handle.local_addr());
    let limits = Limits::default().connection_wait(CONNECTION_WAIT).handshake(Duration::from_millis(300));
    let client = Client::builder(Numbered, Json)
        .limits(limits)
        .keepalive(Keepalive::default().idle(IDLE).timeout(TIMEOUT))
        .backoff(Backoff::default().longest(Duration::from_millis(30)));
    let client = within(client.connect(proxy.address())).await.unwrap();
    let tally = Arc::new(Tally::default());
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| tokio::spawn(go_on_calling(client.clone(), Arc::clone(&tally), caller)))
        .collect();

    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for _ in 0..2 {
        for (fault, does, begin) in &FAULTS {
            told(fault, tally.every_caller_is_answered()).await;
            let before = client.counters();
            begin(&proxy, &mut random);
            let took = told(fault, felt(&client, does, before)).await;
            assert!(!matches!(does, Does::Silence) || took <= IDLE + TIMEOUT + SLACK, "{fault}: {took:?}");
            if let Does::Nothing = does {
                told(fault, tally.every_caller_is_answered()).await;
            }
            proxy.heal();
            proxy.listen();
        }
    }
    told("none", tally.every_caller_is_answered()).await;
    assert!(matches!(client.link(), Link::Up(_)), "{:?}", client.link());

    tally.stops.store(true, Relaxed);
    for caller in callers {
        within(caller).await.expect("no caller panics");
    }
    assert_eq!(client.in_flight(), 0);
    client.close();
    handle.shutdown();
    within(serving).await.unwrap();

    // Nothing runs any more.
    let executed = executed.lock();
    assert!(executed.values().all(|times| *times == 1), "the library sends nothing twice");
    let (ran, unsent) = (tally.ran.lock().unwrap(), tally.unsent.lock().unwrap());
    let never_ran: Vec<_> = ran.iter().filter(|id| !executed.contains_key(id)).collect();
    assert!(never_ran.is_empty(), "answered, though not executed: {never_ran:?}");
    let lied: Vec<_> = unsent.iter().filter(|id| executed.contains_key(id)).collect();
    assert!(lied.is_empty(), "executed, though their errors say that they were not sent: {lied:?}");
    // Otherwise it has shown nothing.
    let unknown = tally.unknown.load(Relaxed);
    assert!(unsent.len() > 20 && unknown > 20, "{} were not sent, {unknown} unknown", unsent.len());
}

/// Waits, and says at which fault if that fails.
async fn told<T>(fault: &str, wait: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(15), wait).await.unwrap_or_else(|_| panic!("{fault}: it took too long"))
}
