//! The same where Commands are polled in place, by the task of their own connection: somebody else writes then.

use cmd_stream::transport::{Connect, Peer, memory};
use futures_util::future::join_all;
use std::io;
use std::pin::Pin;

use cmd_stream::transport::tls::{Authorities, ClientTls, Identity, Listener, ServerTls};
use testkit::certs::Authority;
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::until;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::runtime::Handle as OfRuntime;
use tokio::time::sleep;

use super::*;

/// All that block a thread which is not the only one.
fn all_ways() -> impl Iterator<Item = Way> {
    ON_SEVERAL_THREADS.into_iter().chain([Other, InPlaceBlocking, Blocks])
}

async fn read_in_all_ways(client: &Client<Tables, Json>, seen: &Sender<u32>, over: &str) {
    for way in all_ways() {
        assert_eq!(read::<1>(client, way, 3, 0, seen).await, 3, "{way:?} over {over}");
        // The largest Replies, which no transport takes at once.
        assert_eq!(read::<1>(client, way, 3, 3 << 20, seen).await, 3, "{way:?} over {over}, large");
    }
}

#[tokio::test]
async fn what_is_sent_in_place_arrives_over_any_transport() {
    let (connector, listener) = memory::pair();
    let (_server, seen) = serve_at(4, true, Limits::default(), async || listener);
    let client = within(Client::builder(Tables, Json).connect_by(connector.clone())).await;
    read_in_all_ways(&client.expect("it connects"), &seen, "memory").await;
    drop(connector);

    let authority = Authority::new("ca");
    let issued = authority.server(&["127.0.0.1"]);
    let tls =
        ServerTls::builder(Identity::pem(&issued.chain, &issued.key)).build().expect("it was made here");
    let (server, seen) = serve_at(4, true, Limits::default(), async || {
        Listener::new(TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port"), tls)
    });
    let tls = ClientTls::builder().authorities(Authorities::pem(authority.pem()));
    let tls = tls.build().expect("it trusts somebody");
    let client = within(Client::builder(Tables, Json).connect_tls(server.local_addr(), tls)).await;
    read_in_all_ways(&client.expect("it connects"), &seen, "TLS").await;
}

/// The first one that blocks, of a type whose Commands were quick.
#[tokio::test]
async fn a_quick_type_that_blocks_for_the_first_time_delivers_while_it_goes_on() {
    for way in all_ways() {
        let (server, seen) = serve(4, true, Limits::default());
        let client = connect(&server).await;
        for _ in 0..500 {
            read::<0>(&client, Plain, 1, 0, &seen).await;
        }
        assert_eq!(read::<0>(&client, way, 3, 0, &seen).await, 3, "{way:?}");
    }
}

/// It waits for its client before it sends anything. What others have sent goes out all the same.
#[tokio::test]
async fn what_others_have_sent_does_not_wait_for_a_command_that_blocks_in_place() {
    for (threads, other) in [(1, Plain), (4, Plain), (1, Later), (4, Later)] {
        let (server, seen) = serve(threads, true, Limits::default());
        let client = connect(&server).await;
        let before = async {
            match other {
                Plain => read::<1>(&client, Plain, 1, 0, &seen).await,
                _ => read::<2>(&client, other, 1, 0, &seen).await,
            };
            seen.send(1).expect("the Command waits for it");
        };
        let blocks = read::<1>(&client, WaitsFirst, 2, 0, &seen);
        let ((), count) = tokio::join!(biased; before, blocks);
        assert_eq!(count, 2, "{other:?}, {threads} threads");
    }
}

/// tokio is told nothing of what blocks, and all other threads may sleep: then none looks at the sockets.
#[tokio::test]
async fn other_connections_do_not_wait_for_a_command_that_blocks_in_place() {
    let (server, seen) = serve(4, true, Limits::default());
    let (client, other) = (connect(&server).await, connect(&server).await);
    for _ in 0..20 {
        let took = a_call_beside::<1>(&client, Blocks, &other, &seen, 50).await;
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}

/// A stream whose writes take a while, and the thread with them.
struct Slow(DuplexStream);

impl AsyncWrite for Slow {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        thread::sleep(Duration::from_millis(50));
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl AsyncRead for Slow {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

struct SlowListener(memory::Listener);

impl Accept for SlowListener {
    type Incoming = (Slow, Peer);

    async fn accept(&mut self) -> io::Result<(Slow, Peer)> {
        let (io, peer) = self.0.accept().await?;
        Ok((Slow(io), peer))
    }

    fn local_addr(&self) -> io::Result<Peer> {
        self.0.local_addr()
    }
}

/// The Command lets go of the thread while somebody else is in the middle of a write, and others stand behind it.
#[tokio::test]
async fn a_connection_goes_on_when_its_task_is_back_in_the_middle_of_a_write() {
    let (connector, listener) = memory::pair();
    let (_server, seen) = serve_at(4, false, Limits::default(), async || SlowListener(listener));
    let client = within(Client::builder(Tables, Json).connect_by(connector)).await.expect("it connects");
    for _ in 0..5 {
        let briefly = read::<1>(&client, Briefly, 1, 0, &seen);
        let others = [(); 3].map(|()| read::<1>(&client, Briefly, 1, 0, &seen));
        let (count, counts) = tokio::join!(briefly, join_all(others));
        assert_eq!((count, counts), (1, vec![1; 3]));
    }
}

/// The same, with a part of a frame behind it: its time still counts.
#[tokio::test]
async fn half_a_frame_does_not_wait_for_ever_behind_a_command_that_somebody_stood_in_for() {
    let (connector, listener) = memory::pair();
    let limits = Limits::default().frame_time(Duration::from_millis(300));
    let (_server, _seen) = serve_at(4, false, limits, async || SlowListener(listener));
    let (io, _) = within(connector.connect()).await.expect("it listens");
    let mut peer = BytePeer::over(io);
    peer.expect(GREETING).await;
    let body = br#"{"way":"Briefly","rows":1,"bytes":0}"#;
    let seq_tag_and_len = [1, 1, body.len() as u8];
    let seq_of_the_next = [2];
    peer.send(&[&seq_tag_and_len, &body[..], &seq_of_the_next].concat()).await;
    assert!(!peer.rest().await.is_empty(), "it is answered, and then the connection ends");
}

/// A client that reads nothing. Its Command has filled the stream to it, and the output, and waits for room.
async fn deaf(way: Way, limits: Limits) -> (DuplexStream, Handle) {
    let (connector, listener) = memory::pair();
    let (server, _seen) = serve_at(4, false, limits.output(1 << 10), async || listener);
    let (io, _) = within(connector.connect()).await.expect("it listens");
    let mut peer = BytePeer::over(io);
    peer.expect(GREETING).await;
    let body = format!(r#"{{"way":"{way:?}","rows":1000,"bytes":1000}}"#);
    peer.send(&[&[1, 1, body.len() as u8], body.as_bytes()].concat()).await;
    until(|| server.counters().bytes_sent >= STREAM).await;
    (peer.into_inner(), server)
}

/// What the stream to a client holds.
const STREAM: u64 = 64 << 10;

/// The connection's task is in the Command, and the Command in a thread that waits for room.
#[tokio::test]
async fn whoever_waits_for_room_hears_of_the_end_of_a_connection_whose_task_waits_for_him() {
    let (client, server) = deaf(ThreadAwaited, Limits::default()).await;
    drop(client);
    until(|| server.counters().open == 0).await;
}

/// It would hold a thread of the server for as long as it likes.
#[tokio::test]
async fn a_client_that_takes_nothing_from_a_command_that_blocks_in_place_is_cut_in_time() {
    for way in [InPlaceByHandle, ThreadAwaited] {
        let limits = Limits::default().output_stall(Duration::from_millis(300));
        let (_client, server) = deaf(way, limits).await;
        until(|| server.counters().open == 0).await;
        assert_eq!(server.counters().output_stalls, 1, "{way:?}");
    }
}

/// Whoever stands in for a connection's task goes when that one is back.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_stands_in_for_longer_than_needed() {
    let (seen, receiver) = channel();
    let table: &'static Table = Box::leak(Box::new(Table(Some(Mutex::new(receiver)))));
    let server = Server::builder(Tables, Json, table).bind("127.0.0.1:0").await.expect("a free port");
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());
    let client = connect(&handle).await;
    read::<1>(&client, InPlaceWaits, 3, 0, &seen).await;
    let tasks = || OfRuntime::current().metrics().num_alive_tasks();
    for _ in 0..50 {
        read::<1>(&client, InPlaceByHandle, 3, 0, &seen).await;
        read::<1>(&client, Plain, 3, 0, &seen).await;
    }
    within(async {
        while tasks() > IDLE_TASKS {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    handle.shutdown();
    within(serving).await.expect("it has not panicked");
}

/// That of the server, of its connection, and of the client.
const IDLE_TASKS: usize = 3;
