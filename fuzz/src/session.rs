//! A whole server that is fed arbitrary bytes: a real [`Server`] over connections in memory, on one thread with a paused
//! clock, so that what it does is decided by its input alone.
//!
//! What it must answer is worked out first: the bytes are decoded piece by piece as they will be sent, up to the first
//! one that ends the connection. Then the server must have sent exactly those Replies, ended the connection for that
//! reason, counted all that, held memory in proportion, and go on to serve another client.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cmd_stream::proto::frame::Seq;
use cmd_stream::proto::{DecodeError, Fault};
use cmd_stream::server::{Counters, Handle, Limits, LostConnection, Served};
use cmd_stream::transport::{Accept, Peer};
use cmd_stream::{ErrorKind, Execute, Failed, Json, Origin, Proxy, Scheduling, Server};
use testkit::sample::{
    DelayCmd, DelayResult, EchoCmd, EchoResult, FailCmd, Sample, StreamCmd, StreamResult, TraceCmd,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::runtime;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{sleep, timeout};

use super::input::{Cuts, Input, Piece};
use super::memory::measure;
use super::sample::{Command, End, Item, Next, Reply, Stream, scripted};

/// The Receiver. Its Commands are polled in place, so that their order is that of their bytes, and all of them end.
#[derive(Debug)]
struct Bounded;

/// The most Replies of one Command.
const MOST_REPLIES: i64 = 64;
/// Longer than any Command takes.
const SETTLE: Duration = Duration::from_secs(2);
/// Longer than any settling takes.
const FRAME_TIME: Duration = Duration::from_secs(1_000_000);
/// How many KiB a flood has: more than a server may hold of it.
const FLOOD: usize = 2048;

fn echo(command: EchoCmd) -> EchoResult {
    let EchoCmd { bool, int64, string, float64 } = command;
    EchoResult { bool, int64, string, float64 }
}

fn replies_of(StreamCmd { init, count }: &StreamCmd) -> impl Iterator<Item = StreamResult> + use<> {
    let (init, count) = (*init, (*count).min(MOST_REPLIES));
    (0..count).map(move |n| StreamResult { value: init.wrapping_add(n), last: n + 1 == count })
}

impl Execute<Bounded> for EchoCmd {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn execute(self, _: &Bounded, proxy: Proxy<'_, EchoResult>) -> Result<(), Failed> {
        proxy.send(echo(self)).await
    }
}

impl Execute<Bounded> for StreamCmd {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn execute(self, _: &Bounded, proxy: Proxy<'_, StreamResult>) -> Result<(), Failed> {
        for reply in replies_of(&self) {
            proxy.send(reply).await?;
        }
        Ok(())
    }
}

impl Execute<Bounded> for FailCmd {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn execute(self, _: &Bounded, _: Proxy<'_, EchoResult>) -> Result<(), Failed> {
        Err(Failed::new("the command failed, as it was asked to"))
    }
}

impl Execute<Bounded> for DelayCmd {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn execute(self, _: &Bounded, proxy: Proxy<'_, DelayResult>) -> Result<(), Failed> {
        sleep(Duration::from_millis(1 + self.delay_ms % 1000)).await;
        proxy.send(DelayResult { id: self.id }).await
    }
}

impl Execute<Bounded> for TraceCmd<EchoCmd> {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn execute(self, _: &Bounded, proxy: Proxy<'_, EchoResult>) -> Result<(), Failed> {
        proxy.send(echo(self.cmd)).await
    }
}

/// How the client takes its leave, if the server has not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Leave {
    /// It says that nothing more will come.
    Finish,
    /// It goes silent.
    Silence,
    /// The server is shut down.
    Shutdown,
    /// It is gone, without having read anything.
    Vanish,
}

/// What is done.
#[derive(Debug)]
struct Plan {
    bytes: Vec<u8>,
    /// Where the coin says so, the client waits until the server has nothing left to do.
    pieces: Vec<Piece>,
    /// How many bytes wait in the connection, in each direction.
    pipe: usize,
    /// Whether the client reads only when it has sent all.
    reads_late: bool,
    /// Whether it goes on sending, without end, to a server that has ended the connection.
    floods: bool,
    leave: Leave,
    frame: usize,
    max_len: usize,
    /// The limit of output that waits. None if it must not be reached.
    output: Option<usize>,
}

impl Plan {
    fn read(data: &[u8]) -> Self {
        let mut input = Input::new(data);
        let settings = input.byte();
        let (is_script, reads_late) = (settings & 1 != 0, settings & 2 != 0);
        let leave =
            [Leave::Finish, Leave::Silence, Leave::Shutdown, Leave::Vanish][usize::from(settings >> 2 & 3)];
        let has_pauses = settings & 0x10 != 0;
        let output = (settings & 0x20 != 0 && !reads_late).then(|| 1 + usize::from(input.byte()));
        let frame = input.choice(&[4 << 20, 64, 70, 100, 1000, 70_000]);
        let max_len = input.choice(&[usize::MAX, 64, 80, 1000, 70_000]);
        let pipe = input.choice(&[64 << 10, 1, 7, 100, 4096]);
        let floods = settings & 0x40 != 0 && pipe >= 4096; // byte by byte it would take too long
        let cuts = Cuts::read(&mut input);
        let bytes = if is_script { scripted::<Command>(&mut input).bytes } else { input.rest().to_vec() };
        let mut pieces = cuts.pieces(bytes.len());
        pieces.iter_mut().for_each(|piece| piece.coin &= has_pauses);
        Self { bytes, pieces, pipe, reads_late, floods, leave, frame, max_len, output }
    }

    fn limits(&self) -> Limits {
        Limits::default()
            .frame(self.frame)
            .output(self.output.unwrap_or(64 << 20))
            .handshake(FRAME_TIME)
            .output_stall(FRAME_TIME)
            .frame_time(FRAME_TIME)
    }
}

/// What the server must do.
#[derive(Debug)]
struct Expected {
    /// What it answers at once, in order.
    at_once: Vec<Item<Reply>>,
    /// What it answers later, in any order of the Commands.
    late: Vec<Item<Reply>>,
    reason: Option<(ErrorKind, Origin)>,
    /// What the Commands that are in flight when the connection ends would have answered.
    in_flight: Vec<Item<Reply>>,
    commands: u64,
    pings: u64,
    failed: u64,
    invalid: u64,
    over_limit: u64,
    /// Whether some frame has begun to arrive when all has.
    ends_in_frame: bool,
    /// Whether a seq stands twice.
    has_seq_twice: bool,
    /// All of its Replies in bytes.
    output: usize,
}

impl Expected {
    /// Plays the server.
    fn of(plan: &Plan) -> Self {
        let mut expected = Self {
            at_once: Vec::new(),
            late: Vec::new(),
            reason: None,
            in_flight: Vec::new(),
            commands: 0,
            pings: 0,
            failed: 0,
            invalid: 0,
            over_limit: 0,
            ends_in_frame: false,
            has_seq_twice: false,
            output: 0,
        };
        let mut stream = Stream::new(Json.max_len(plan.max_len), plan.frame, &plan.bytes);
        // What is in flight, with what it will answer.
        let mut in_flight = HashMap::new();
        let mut seqs = HashSet::new();
        for piece in &plan.pieces {
            expected.ends_in_frame = loop {
                match stream.next(piece.end) {
                    Next::Item(Item::Ping) => {
                        expected.pings += 1;
                        expected.output += 1;
                        expected.at_once.push(Item::Ping);
                    }
                    Next::Item(Item::Value(seq, _)) if seq.get() < 0 || in_flight.contains_key(&seq) => {
                        expected.invalid = 1;
                        expected.end(ErrorKind::Protocol, Origin::Remote);
                    }
                    Next::Item(Item::Value(seq, command)) => {
                        expected.has_seq_twice |= !seqs.insert(seq);
                        expected.commands += 1;
                        if let Some(late) = expected.execute(plan, seq, command) {
                            in_flight.insert(seq, late);
                        }
                    }
                    Next::Invalid(error) => expected.refuse(&error),
                    Next::Wait(_) => break !stream.is_at_frame(piece.end),
                }
                if expected.reason.is_some() {
                    expected.in_flight.extend(in_flight.into_values());
                    return expected;
                }
            };
            if piece.coin {
                expected.late.extend(in_flight.drain().map(|(_, reply)| reply));
            }
        }
        // It is given the time to end them.
        expected.late.extend(in_flight.into_values());
        expected
    }

    fn end(&mut self, kind: ErrorKind, origin: Origin) {
        self.reason = Some((kind, origin));
    }

    fn refuse(&mut self, error: &DecodeError) {
        let kind = match error.fault {
            Fault::TooLong { .. } => ErrorKind::Limit,
            Fault::UnknownTag(_) => ErrorKind::UnknownTag,
            _ => ErrorKind::Decode,
        };
        *(if kind == ErrorKind::Limit { &mut self.over_limit } else { &mut self.invalid }) = 1;
        self.end(kind, Origin::Remote);
    }

    /// Plays a Command; what it answers later is returned.
    fn execute(&mut self, plan: &Plan, seq: Seq, command: Command) -> Option<Item<Reply>> {
        let done = match command {
            Command::Echo(command) => self.answer(plan, seq, Reply::Echo(echo(command))),
            Command::Trace(command) => self.answer(plan, seq, Reply::Echo(echo(command.cmd))),
            Command::Stream(command) => {
                command.count > 0
                    && replies_of(&command).all(|reply| self.answer(plan, seq, Reply::Stream(reply)))
            }
            Command::Fail(_) => false,
            Command::Delay(command) => {
                let reply = Item::Value(seq, Reply::Delay(DelayResult { id: command.id }));
                self.output += size(plan, &reply).expect("it is under all limits");
                return Some(reply);
            }
        };
        if !done {
            self.failed = 1;
            self.end(ErrorKind::Execution, Origin::Local);
        }
        None
    }

    /// How many Replies it accepts for output; pongs are none.
    fn replies(&self) -> u64 {
        let at_once = self.at_once.iter().filter(|item| **item != Item::Ping).count();
        (at_once + self.late.len()) as u64
    }

    /// Whether the Reply is within the limits.
    fn answer(&mut self, plan: &Plan, seq: Seq, reply: Reply) -> bool {
        let reply = Item::Value(seq, reply);
        let Some(size) = size(plan, &reply) else { return false };
        self.output += size;
        self.at_once.push(reply);
        true
    }
}

fn size(plan: &Plan, reply: &Item<Reply>) -> Option<usize> {
    let mut bytes = Vec::new();
    reply.encode(&Json.max_len(plan.max_len), &mut bytes).ok()?;
    (bytes.len() <= plan.frame).then_some(bytes.len())
}

/// A listener that is handed its connections.
#[derive(Debug)]
struct Handed(mpsc::UnboundedReceiver<DuplexStream>);

impl Accept for Handed {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, Peer)> {
        let io = self.0.recv().await.expect("the test outlives the server");
        Ok((io, Peer::Other("fuzz".into())))
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer::Other("fuzz".into()))
    }
}

/// What the server did.
#[derive(Debug)]
struct Outcome {
    received: Vec<u8>,
    lost: Vec<LostConnection>,
    counters: Counters,
    served: Served,
}

/// A server, fed what the input says.
pub fn check(data: &[u8]) {
    let mut plan = Plan::read(data);
    let expected = Expected::of(&plan);
    if expected.has_seq_twice {
        // With little room for output the Commands in flight depend on when that is written.
        plan.output = None;
    }
    let (outcome, used) = measure(|| run(&plan, &expected));
    assert_outcome(&plan, &expected, &outcome);
    let handled = plan.bytes.len() + expected.output;
    let most =
        MOST_PER_BYTE * handled + MOST_PER_TASK * (expected.late.len() + expected.in_flight.len()) + MOST;
    assert!(used.peak <= most, "{used:?} for {handled} bytes in and out");
}

/// Buffers are 64 KiB each; a buffer that grows is twice as large as what is in it, and there for a moment twice.
const MOST_PER_BYTE: usize = 6;
const MOST: usize = 768 << 10;
/// A Command in a task of its own.
const MOST_PER_TASK: usize = 2048;

fn run(plan: &Plan, expected: &Expected) -> Outcome {
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without I/O needs nothing").block_on(async {
        let (connector, listener) = mpsc::unbounded_channel();
        let lost = Arc::new(Mutex::new(Vec::new()));
        let all_lost = Arc::clone(&lost);
        let server = Server::builder(Sample, Json.max_len(plan.max_len), Bounded)
            .limits(plan.limits())
            .on_connection_lost(move |lost| all_lost.lock().expect("no panic").push(lost.clone()))
            .listen(Handed(listener))
            .expect("a listener with an address");
        let handle = server.handle();
        let serving = tokio::spawn(server.serve());
        let connect = || {
            // A pipe for a byte at a time takes too long for many bytes.
            let (ours, theirs) = duplex(plan.pipe.max((plan.bytes.len() + expected.output) / 500));
            connector.send(theirs).expect("the server serves");
            split(ours)
        };

        let client = Client::start(plan, expected, connect());
        client.wait_until_settled(plan).await;
        assert_is_served(connect()).await;
        let received = client.leave(plan, expected, &handle).await;
        sleep(SETTLE).await;
        let counters = handle.counters();
        handle.close();
        let served = serving.await.expect("no panic");
        sleep(SETTLE).await;
        let lost = std::mem::take(&mut *lost.lock().expect("no panic"));
        Outcome { received, lost, counters, served }
    })
}

type Ends = (ReadHalf<DuplexStream>, WriteHalf<DuplexStream>);

/// The client that sends the bytes.
#[derive(Debug)]
struct Client {
    feeding: JoinHandle<Option<WriteHalf<DuplexStream>>>,
    reading: Option<JoinHandle<Vec<u8>>>,
    patience: Duration,
}

impl Client {
    fn start(plan: &Plan, expected: &Expected, (reader, writer): Ends) -> Self {
        // A client that reads late begins when the longest feeding is over: sooner if the server took all, which it
        // does unless it has ended the connection and waits until its last Replies are taken.
        let patience = if plan.reads_late { SETTLE * (3 + plan.pieces.len() as u32) } else { Duration::ZERO };
        let after = match plan.leave {
            _ if plan.floods && expected.reason.is_some() => After::Flood,
            Leave::Vanish => After::Vanish,
            Leave::Finish if plan.reads_late => After::Finish,
            _ => After::Nothing,
        };
        let feeding = tokio::spawn(feed(writer, plan.bytes.clone(), plan.pieces.clone(), after));
        let reading = (plan.leave != Leave::Vanish).then(|| tokio::spawn(receive(reader, patience)));
        Self { feeding, reading, patience }
    }

    /// Waits until the server has nothing left to do.
    async fn wait_until_settled(&self, plan: &Plan) {
        sleep(SETTLE * (1 + plan.pieces.len() as u32) + self.patience).await;
    }

    /// Ends the connection, if the server has not; what was received.
    async fn leave(self, plan: &Plan, expected: &Expected, handle: &Handle) -> Vec<u8> {
        let Some(reading) = self.reading else {
            self.feeding.abort(); // it may wait for a server that waits for it
            return Vec::new();
        };
        let writer =
            timeout(SETTLE, self.feeding).await.expect("the server took all, or has left").expect("no panic");
        match plan.leave {
            _ if expected.reason.is_some() => {}
            Leave::Finish => {
                let mut writer = writer.expect("the server has not left");
                let _ = writer.shutdown().await; // a client that reads late has done it already
            }
            Leave::Silence if expected.ends_in_frame => sleep(FRAME_TIME).await,
            Leave::Silence => handle.close(),
            Leave::Shutdown => handle.shutdown(),
            Leave::Vanish => unreachable!("it does not read"),
        }
        let received = timeout(FRAME_TIME, reading).await;
        received.expect("the server ends the connection").expect("no panic")
    }
}

/// What a client does when it has sent all.
#[derive(Clone, Copy, Debug)]
enum After {
    Nothing,
    Finish,
    Vanish,
    Flood,
}

/// Sends the pieces one by one; the writing half, if the server has taken all.
async fn feed(
    mut writer: WriteHalf<DuplexStream>,
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    after: After,
) -> Option<WriteHalf<DuplexStream>> {
    let mut start = 0;
    for piece in pieces {
        writer.write_all(&bytes[start..piece.end]).await.ok()?;
        start = piece.end;
        if piece.coin {
            sleep(SETTLE).await;
        } else {
            yield_now().await;
        }
    }
    match after {
        After::Nothing => {}
        After::Vanish => return None,
        After::Finish => {
            sleep(SETTLE).await;
            writer.shutdown().await.ok()?;
        }
        After::Flood => {
            for _ in 0..FLOOD {
                writer.write_all(&[0; 1024]).await.ok()?;
            }
        }
    }
    Some(writer)
}

async fn receive(mut reader: ReadHalf<DuplexStream>, patience: Duration) -> Vec<u8> {
    sleep(patience).await;
    let mut received = Vec::new();
    let _ = reader.read_to_end(&mut received).await;
    received
}

/// The server goes on: another client is greeted, and its ping answered.
async fn assert_is_served((mut reader, mut writer): Ends) {
    let mut greeting = [0; 8];
    let served = timeout(SETTLE, async {
        reader.read_exact(&mut greeting).await?;
        writer.write_all(&[0]).await?;
        reader.read_exact(&mut [0]).await
    });
    served.await.expect("in time").expect("greeted, and its ping answered");
    assert_eq!(&greeting, b"\x07default");
    drop((reader, writer));
    sleep(SETTLE).await;
}

fn assert_outcome(plan: &Plan, expected: &Expected, outcome: &Outcome) {
    let Outcome { lost, counters, served, received } = outcome;
    let [other, client] = &lost[..] else { panic!("{lost:?}") };
    let (client, other) = if client.id == 1 { (client, other) } else { (other, client) };
    let reason = |lost: &LostConnection| (lost.reason.kind(), lost.reason.origin());
    assert_eq!((other.id, reason(other)), (2, (ErrorKind::Closed, Origin::Remote)));
    assert_eq!(
        (client.id, counters.accepted, counters.panicked, counters.failed_after_last_reply),
        (1, 2, 0, 0)
    );

    let left = match plan.leave {
        _ if expected.reason.is_some() => expected.reason,
        Leave::Finish if expected.ends_in_frame => Some((ErrorKind::UnexpectedEof, Origin::Remote)),
        Leave::Silence if expected.ends_in_frame => Some((ErrorKind::Timeout, Origin::Remote)),
        Leave::Finish => Some((ErrorKind::Closed, Origin::Remote)),
        Leave::Silence | Leave::Shutdown => Some((ErrorKind::Closed, Origin::Local)),
        Leave::Vanish => None,
    };
    if plan.leave == Leave::Vanish {
        // How far the server came before it noticed is its own affair.
        let noticed =
            matches!(reason(client).0, ErrorKind::Closed | ErrorKind::UnexpectedEof | ErrorKind::Io);
        assert!(noticed || Some(reason(client)) == left, "{client:?}");
        assert!(counters.commands <= expected.commands && counters.pings <= 1 + expected.pings);
        assert!(counters.invalid <= expected.invalid && counters.over_frame_limit <= expected.over_limit);
        return;
    }
    assert_eq!(Some(reason(client)), left, "{client:?}");
    assert_eq!(
        (counters.commands, counters.pings),
        (expected.commands, 1 + expected.pings),
        "another client pings once"
    );
    assert_eq!((counters.invalid, counters.over_frame_limit), (expected.invalid, expected.over_limit));
    assert_eq!(counters.receive_timeouts, u64::from(reason(client).0 == ErrorKind::Timeout));
    if plan.leave == Leave::Shutdown && expected.reason.is_none() {
        // A frame that has begun to arrive is waited for until the time to drain is over.
        let Served::Shutdown(cut) = served else { panic!("{served:?}") };
        assert_eq!((cut.connections, cut.commands), (usize::from(expected.ends_in_frame), 0));
    } else {
        assert!(matches!(served, Served::Closed(_)), "{served:?}");
    }

    let received = decoded(received);
    let (late, at_once): (Vec<_>, Vec<_>) =
        received.into_iter().partition(|item| matches!(item, Item::Value(_, Reply::Delay(_))));
    // What is written, and when, is known but for two cases: little room for output, and a connection that is ended
    // while its last Replies wait for a client that reads late.
    let ended_early = expected.reason.is_some();
    if plan.output.is_none() && !(plan.reads_late && ended_early) {
        assert_eq!(client.commands_left, expected.in_flight.len());
        assert_eq!((counters.failed, counters.replies), (expected.failed, expected.replies()));
        assert_eq!(at_once, expected.at_once);
        assert_eq!(sorted(late), sorted(expected.late.clone()));
        return;
    }
    assert!(counters.failed >= expected.failed);
    let (mut of_each, mut expected_of_each) = (by_seq(at_once), by_seq(expected.at_once.clone()));
    if ended_early {
        for (seq, expected) in &mut expected_of_each {
            let received = of_each.entry(*seq).or_default();
            assert!(*seq != Seq::PING || received.len() == expected.len(), "a ping is answered at once");
            expected.truncate(received.len());
        }
    }
    assert_eq!(of_each, expected_of_each);
    let mut may_be = expected.late.clone();
    may_be.extend(expected.in_flight.iter().cloned());
    for item in &late {
        let found = may_be.iter().position(|other| other == item);
        may_be.swap_remove(found.unwrap_or_else(|| panic!("{item:?} was not to be answered")));
    }
    assert!(ended_early || may_be.is_empty(), "not answered: {may_be:?}");
}

/// The frames that the server sent.
fn decoded(received: &[u8]) -> Vec<Item<Reply>> {
    let frames = received.strip_prefix(b"\x07default").expect("the server speaks first");
    let mut items = Vec::new();
    let end = Stream::new(Json, usize::MAX, frames)
        .read_all(&[Piece::whole(frames.len())], |item| items.push(item));
    assert_eq!(end, End::Clean);
    items
}

/// In an order that does not depend on time.
fn sorted(mut items: Vec<Item<Reply>>) -> Vec<Item<Reply>> {
    items.sort_by_cached_key(|item| format!("{item:?}"));
    items
}

/// The Replies of each Command, and pongs.
fn by_seq(items: Vec<Item<Reply>>) -> HashMap<Seq, Vec<Item<Reply>>> {
    let mut of_each = HashMap::<_, Vec<_>>::new();
    for item in items {
        let seq = if let Item::Value(seq, _) = &item { *seq } else { Seq::PING };
        of_each.entry(seq).or_default().push(item);
    }
    of_each
}
