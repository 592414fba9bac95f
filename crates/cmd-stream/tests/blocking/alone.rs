//! The same where nobody is told that a thread is blocked, and all others of the runtime sleep. The one that is blocked may have
//! been the one that looks at the sockets and the timers.

use std::net::SocketAddr;

use cmd_stream::server::Served;
use futures_util::future::join_all;
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::until;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::*;

async fn assert_calls_go_on<const HOW: u8>(threads: usize)
where
    Rows<HOW>: CommandOf<Tables> + Command<Reply = Row, Kind = kind::Plain>,
{
    for _ in 0..8 {
        // A new one, so that the type is not known to be quick or slow.
        let (server, seen) = serve(threads, true, Limits::default());
        let (client, other) = (connect(&server).await, connect(&server).await);
        let took = a_call_beside::<HOW>(&client, BlocksFirst, &other, &seen, 50).await;
        assert!(took < Duration::from_secs(1), "{took:?} with {threads} threads");
        server.close();
    }
}

#[tokio::test]
async fn other_connections_do_not_wait_for_a_command_that_blocks_its_own_task() {
    for threads in [2, 4] {
        assert_calls_go_on::<2>(threads).await;
        assert_calls_go_on::<0>(threads).await;
    }
}

/// A thread that was seen to be blocked is seen again.
#[tokio::test]
async fn nor_for_the_next_one() {
    let (server, seen) = serve(2, true, Limits::default());
    let (client, other) = (connect(&server).await, connect(&server).await);
    for n in 0..20 {
        let took = a_call_beside::<2>(&client, BlocksFirst, &other, &seen, 40 + n).await;
        assert!(took < Duration::from_secs(1), "{took:?}, the {n}th");
    }
}

/// The timers of the runtime do not wait for it either.
#[tokio::test]
async fn a_server_ends_in_time_though_a_command_blocks_its_own_task() {
    let (ended, end) = channel();
    let (sender, receiver) = channel();
    let table: &'static Table = Box::leak(Box::new(Table(Some(Mutex::new(receiver)))));
    let (handles, handle) = channel();
    thread::spawn(move || {
        runtime(4).block_on(async {
            let limits = Limits::default().drain(Duration::from_secs(1));
            let server = Server::builder(Tables, Json, table).limits(limits).bind("127.0.0.1:0").await;
            let server = server.expect("a free port");
            handles.send(server.handle()).expect("the test waits");
            let served = tokio::spawn(server.serve()).await;
            ended.send((Instant::now(), served.expect("it has not panicked"))).expect("the test waits");
        });
    });
    let server = handle.recv().expect("it listens");
    let client = connect(&server).await;
    let _stream = within(client.stream(Rows::<2> { way: LaterBlocks, rows: 2, bytes: 0 })).await;
    sleep(Duration::from_millis(200)).await; // it blocks after 500 ms
    let began = Instant::now();
    server.shutdown();
    let (at, served) = end.recv_timeout(2 * PATIENCE).expect("it ends");
    let took = at - began;
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(matches!(served, Served::Shutdown(cut) if cut.commands == 1), "{served:?}");
    sender.send(1).expect("the Command waits for it");
}

/// Code of the user's that is no Command, in the task of a connection.
#[tokio::test]
async fn other_connections_do_not_wait_for_a_callback_that_blocks() {
    for _ in 0..8 {
        let (sender, receiver) = channel();
        let table: &'static Table = Box::leak(Box::new(Table(Some(Mutex::new(receiver)))));
        let (handles, handle) = channel();
        thread::spawn(move || {
            runtime(2).block_on(async {
                let server = Server::builder(Tables, Json, table)
                    .on_connection_lost(|_| table.wait((1, false)).expect("the test tells it"))
                    .bind("127.0.0.1:0")
                    .await
                    .expect("a free port");
                handles.send(server.handle()).expect("the test waits");
                server.serve().await
            })
        });
        let server = handle.recv().expect("it listens");
        let (client, other) = (connect(&server).await, connect(&server).await);
        sleep(Duration::from_millis(50)).await;
        drop(client);
        sleep(Duration::from_millis(50)).await;
        let began = Instant::now();
        read::<2>(&other, Plain, 1, 0, &channel().0).await;
        let took = began.elapsed();
        sender.send(1).expect("the callback waits for it");
        assert!(took < Duration::from_secs(1), "{took:?}");
        sender.send(1).expect("the next callback waits for it");
    }
}

/// A Command's frame of less than 128 bytes.
fn frame<const HOW: u8>(seq: u8, way: Way, rows: u32, bytes: usize) -> Vec<u8> {
    let body = serde_json::to_vec(&Rows::<HOW> { way, rows, bytes }).expect("it is JSON");
    [&[seq, HOW, body.len() as u8], &body[..]].concat()
}

/// Sends this, reads nothing for a time, and then all, until so many Commands have been answered.
async fn reads_late(address: SocketAddr, frames: Vec<u8>, commands: usize) {
    let mut peer = BytePeer::over(TcpStream::connect(address).await.expect("it listens"));
    peer.expect(GREETING).await;
    peer.send(&frames).await;
    sleep(Duration::from_secs(1)).await;
    let mut io = peer.into_inner();
    let last = br#""is_last":true"#;
    let (mut ends, mut tail) = (0, Vec::new());
    within(async {
        while ends < commands {
            let mut bytes = vec![0; 1 << 16];
            let count = io.read(&mut bytes).await.expect("the connection is open");
            assert!(count > 0, "the server has closed it after {ends} of {commands}");
            tail.extend_from_slice(&bytes[..count]);
            ends += tail.windows(last.len()).filter(|bytes| bytes == last).count();
            tail.drain(..tail.len().saturating_sub(last.len() - 1));
        }
    })
    .await;
}

/// More than any socket holds.
const MANY: u32 = 20;
const LARGE: usize = 1_000_000;

/// The output is full, and the tasks of the connections wait for their sockets, when the Commands block their threads. None may
/// be left that looks at the sockets.
async fn assert_end_when_clients_read(threads: usize, clients: Vec<(Vec<u8>, usize)>) {
    let (server, _seen) = serve(threads, false, Limits::default());
    let address = server.local_addr().to_string().parse().expect("an address");
    join_all(clients.into_iter().map(|(frames, commands)| reads_late(address, frames, commands))).await;
    assert_eq!(read::<2>(&connect(&server).await, Plain, 1, 0, &channel().0).await, 1);
    server.close();
}

/// It would take memory for as long as it sends.
#[tokio::test]
async fn a_command_that_holds_the_only_thread_is_cut_when_nobody_has_written_for_too_long() {
    for threads in [0, 1] {
        let limits = Limits::default().output(1000).output_stall(Duration::from_millis(500));
        let (server, _seen) = serve(threads, false, limits);
        let mut peer = BytePeer::connect(server.local_addr()).await;
        peer.expect(GREETING).await;
        peer.send(&frame::<2>(1, Other, 100_000, 4 * LARGE)).await;
        until(|| server.counters().output_stalls == 1 && server.counters().open == 0).await;
        assert_eq!(read::<2>(&connect(&server).await, Plain, 1, 0, &channel().0).await, 1);
    }
}

const THREADS_AND_CLIENTS: [(usize, usize); 5] = [(1, 1), (2, 1), (2, 2), (2, 3), (4, 4)];

fn later(way: Way) -> (Vec<u8>, usize) {
    ([frame::<2>(1, way, 3, 10), frame::<2>(2, Plain, MANY, LARGE)].concat(), 2)
}

fn in_place() -> (Vec<u8>, usize) {
    (frame::<1>(1, Other, MANY, LARGE), 1)
}

#[tokio::test]
async fn a_command_that_waits_for_room_by_another_executor_ends_wherever_its_connection_waits() {
    for (threads, clients) in THREADS_AND_CLIENTS {
        assert_end_when_clients_read(threads, vec![later(LaterOther); clients]).await;
    }
}

#[tokio::test]
async fn the_same_in_place_and_beside_one_in_place() {
    for (threads, clients) in THREADS_AND_CLIENTS {
        assert_end_when_clients_read(threads, vec![in_place(); clients]).await;
    }
    assert_end_when_clients_read(2, vec![in_place(), later(LaterOther)]).await;
}

#[tokio::test]
async fn the_same_in_a_task_that_it_was_handed_over_to() {
    for (threads, clients) in THREADS_AND_CLIENTS {
        assert_end_when_clients_read(threads, vec![later(LaterTask); clients]).await;
    }
}
