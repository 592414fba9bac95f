//! One connection through the proxy: dials the server, then moves bytes in both directions. Knows nothing of the other
//! connections.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::task::{coop::consume_budget, yield_now};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Direction;

/// What the test wants of one direction.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Way {
    pub(super) flow: Flow,
    pub(super) split: bool,
    /// In bytes per second, not 0.
    pub(super) rate: Option<u64>,
    /// Cut when so many bytes have passed.
    pub(super) cut_at: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Flow {
    #[default]
    Forward,
    Stall,
    HalfOpen,
}

/// How a connection ends, or an end of it: by a FIN or by a reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    Cut,
    Reset,
}

/// What is known of a connection. It outlives it.
#[derive(Debug)]
pub(super) struct Link {
    /// Bytes move while this is borrowed, so no byte moves while it is changed.
    state: watch::Sender<State>,
    passed: [AtomicU64; 2],
    lost: [AtomicU64; 2],
    is_open: AtomicBool,
}

#[derive(Debug)]
struct State {
    ways: [Way; 2],
    end: Option<End>,
    /// The senders that have closed the connection.
    gone: [bool; 2],
}

impl Link {
    pub(super) fn new(ways: [Way; 2]) -> Self {
        let state = State { ways, end: None, gone: [false; 2] };
        let (passed, lost) = Default::default();
        Self { state: watch::Sender::new(state), passed, lost, is_open: AtomicBool::new(false) }
    }

    pub(super) fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::SeqCst)
    }

    pub(super) fn passed(&self, direction: Direction) -> u64 {
        self.passed[direction as usize].load(Ordering::SeqCst)
    }

    pub(super) fn lost(&self, direction: Direction) -> u64 {
        self.lost[direction as usize].load(Ordering::SeqCst)
    }

    /// Changes ways, given how many bytes have passed on each.
    pub(super) fn change(&self, directions: &[Direction], change: impl Fn(&mut Way, u64)) {
        self.state.send_modify(|state| {
            for &direction in directions {
                change(&mut state.ways[direction as usize], self.passed(direction));
            }
        });
    }

    pub(super) fn end(&self, end: End) {
        self.state.send_modify(|state| state.end = Some(end));
    }

    fn set_gone(&self, direction: Direction) {
        self.state.send_if_modified(|state| !std::mem::replace(&mut state.gone[direction as usize], true));
    }

    /// Returns how the connection must end now, as seen from one direction.
    fn verdict(&self, state: &State, direction: Direction) -> Option<End> {
        let way = state.ways[direction as usize];
        if state.end.is_some() {
            return state.end;
        }
        if way.flow != Flow::HalfOpen && self.lost(direction) > 0 {
            return Some(End::Reset);
        }
        let is_over = state.gone == [true; 2] || way.cut_at.is_some_and(|at| self.passed(direction) >= at);
        is_over.then_some(End::Cut)
    }

    /// Swallows what the client sends for as long as both directions are half-open.
    async fn leave_unanswered(&self, client: &TcpStream) -> Result<(), End> {
        let mut changes = self.state.subscribe();
        let mut bytes = vec![0; BUFFER];
        loop {
            let read = {
                let state = changes.borrow_and_update();
                if let Some(end) = self.verdict(&state, Direction::ToServer) {
                    return Err(end);
                }
                if state.ways.iter().any(|way| way.flow != Flow::HalfOpen) {
                    return Ok(());
                }
                client.try_read(&mut bytes)
            };
            match read {
                Ok(n @ 1..) => {
                    add(&self.lost, Direction::ToServer, n);
                    consume_budget().await;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::select! {
                    _ = client.readable() => {}
                    _ = changes.changed() => {}
                },
                Ok(0) | Err(_) => return Err(End::Cut),
            }
        }
    }

    /// Returns how the connection ends. Adds the server to the ends when it is dialed.
    async fn run(&self, ends: &mut Vec<TcpStream>, server: impl Fn() -> String) -> End {
        if let Err(end) = self.leave_unanswered(&ends[0]).await {
            return end;
        }
        match self.dial(server()).await {
            Some(server) => ends.push(server),
            None => return self.state.borrow().end.unwrap_or(End::Reset),
        }
        for io in ends.iter() {
            // It fails only if the other end has reset the connection.
            let _ = io.set_nodelay(true);
        }
        let [client, server] = &mut ends[..] else { unreachable!("there are two ends") };
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let to_server = Pump::new(self, Direction::ToServer, from_client, to_server).run();
        let to_client = Pump::new(self, Direction::ToClient, from_server, to_client).run();
        tokio::try_join!(to_server, to_client).err().unwrap_or(End::Cut)
    }

    async fn dial(&self, server: String) -> Option<TcpStream> {
        let mut changes = self.state.subscribe();
        let too_late = async {
            let _ = changes.wait_for(|state| state.end.is_some()).await;
            // The server may have accepted already. Then it has to see how the connection ends.
            sleep(GOODBYE).await;
        };
        tokio::select! {
            dialed = TcpStream::connect(server) => dialed.ok(),
            () = too_late => None,
        }
    }
}

/// Carries a connection from its acceptance to its end.
pub(super) async fn carry(client: TcpStream, link: Arc<Link>, server: impl Fn() -> String) {
    let mut ends = vec![client];
    let how = link.run(&mut ends, server).await;
    link.is_open.store(false, Ordering::SeqCst);
    // All of this fails only if the other end has reset the connection.
    match how {
        End::Reset => ends.iter().for_each(|io| drop(io.set_zero_linger())),
        End::Cut => {
            for io in &mut ends {
                let _ = io.shutdown().await;
            }
            // A socket that is closed with unread bytes sends a reset after the FIN.
            let _ = timeout(GOODBYE, discard(ends)).await;
        }
    }
}

async fn discard(ends: Vec<TcpStream>) {
    let mut bytes = vec![0; BUFFER];
    for mut io in ends {
        while let Ok(1..) = io.read(&mut bytes).await {}
    }
}

/// How long a connection that ends waits for its ends: to be dialed, and to close it as well.
const GOODBYE: Duration = Duration::from_secs(1);

/// How many bytes each direction of a connection may hold.
const BUFFER: usize = 16 * 1024;

/// Moves bytes in one direction.
struct Pump<'a> {
    link: &'a Link,
    direction: Direction,
    from: ReadHalf<'a>,
    to: WriteHalf<'a>,
    buffer: Vec<u8>,
    /// Where in the buffer the bytes are that were read but not written.
    held: Range<usize>,
    /// How the sender has ended the connection.
    ended: Option<End>,
    /// When the rate allows the next write.
    due: Instant,
}

/// What to do after a step.
enum Next {
    End(End),
    /// The end of the stream was reached: pass it on.
    Finish,
    /// The end of the stream was swallowed.
    Gone,
    Again,
    Yield,
    Readable,
    Writable,
    At(Instant),
    Change,
}

impl<'a> Pump<'a> {
    fn new(link: &'a Link, direction: Direction, from: ReadHalf<'a>, to: WriteHalf<'a>) -> Self {
        let (buffer, due) = (vec![0; BUFFER], Instant::now());
        Self { link, direction, from, to, buffer, held: 0..0, ended: None, due }
    }

    /// Returns when the end of the stream has been passed on, or fails with how the whole connection ends.
    async fn run(mut self) -> Result<(), End> {
        let mut changes = self.link.state.subscribe();
        loop {
            let next = self.step(&changes.borrow_and_update());
            let change = changes.changed();
            match next {
                Next::End(end) => return Err(end),
                Next::Finish => {
                    self.link.set_gone(self.direction);
                    let _ = self.to.shutdown().await;
                    return Ok(());
                }
                Next::Gone => {
                    self.link.set_gone(self.direction);
                    let _ = change.await;
                }
                Next::Again => consume_budget().await,
                Next::Yield => yield_now().await,
                Next::Readable => tokio::select! { _ = self.from.readable() => {}, _ = change => {} },
                Next::Writable => tokio::select! { _ = self.to.writable() => {}, _ = change => {} },
                Next::At(due) => tokio::select! { () = sleep_until(due) => {}, _ = change => {} },
                Next::Change => {
                    let _ = change.await;
                }
            }
        }
    }

    fn step(&mut self, state: &State) -> Next {
        if let Some(end) = self.link.verdict(state, self.direction) {
            return Next::End(end);
        }
        let way = &state.ways[self.direction as usize];
        match way.flow {
            Flow::Stall => Next::Change,
            Flow::HalfOpen => self.swallow(),
            Flow::Forward if self.held.is_empty() => self.read(),
            Flow::Forward => self.write(way),
        }
    }

    fn swallow(&mut self) -> Next {
        if !self.held.is_empty() {
            add(&self.link.lost, self.direction, self.held.len());
            self.held = 0..0;
            Next::Again
        } else if self.ended.is_some() {
            Next::Gone
        } else {
            self.read()
        }
    }

    fn read(&mut self) -> Next {
        match self.ended {
            Some(End::Cut) => return Next::Finish,
            Some(End::Reset) => return Next::End(End::Reset),
            None => {}
        }
        match self.from.try_read(&mut self.buffer) {
            Ok(0) => self.ended = Some(End::Cut),
            Ok(n) => self.held = 0..n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Next::Readable,
            Err(_) => self.ended = Some(End::Reset),
        }
        Next::Again
    }

    fn write(&mut self, way: &Way) -> Next {
        let now = Instant::now();
        if way.rate.is_some() && now < self.due {
            return Next::At(self.due);
        }
        let left = way.cut_at.map_or(u64::MAX, |at| at - self.link.passed(self.direction));
        // A hundred writes per second, or one per byte.
        let share = way.rate.map_or(u64::MAX, |rate| (rate / 100).max(1));
        let most = if way.split { 1 } else { left.min(share) };
        let len = self.held.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        match self.to.try_write(&self.buffer[self.held.start..][..len]) {
            Ok(n) => {
                add(&self.link.passed, self.direction, n);
                self.held.start += n;
                self.due = way.rate.map_or(now, |rate| now + Duration::from_secs_f64(n as f64 / rate as f64));
                // Lets the receiver read the byte before the next one.
                if way.split { Next::Yield } else { Next::Again }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Next::Writable,
            Err(_) => Next::End(End::Reset),
        }
    }
}

fn add(counts: &[AtomicU64; 2], direction: Direction, n: usize) {
    counts[direction as usize].fetch_add(n as u64, Ordering::SeqCst);
}
