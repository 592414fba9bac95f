//! Every fault of the chaos proxy, as plain TCP sockets see it.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use testkit::chaos::Direction::{ToClient, ToServer};
use testkit::chaos::Proxy;
use testkit::wait::{until, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

#[tokio::test]
async fn bytes_pass_in_both_directions_and_are_counted() {
    let mut link = Link::new().await;
    link.ping(b"message").await;
    send(&mut link.server, b"!").await;
    expect(&mut link.client, b"!").await;

    let proxy = &link.proxy;
    assert_eq!((proxy.connections(), proxy.open()), (1, 1));
    assert_eq!((proxy.bytes(), proxy.lost()), (15, 0));
    assert_eq!((proxy.toward(ToServer).bytes(), proxy.toward(ToClient).bytes()), (7, 8));
}

#[tokio::test]
async fn one_end_may_finish_and_still_receive() {
    let mut link = Link::new().await;
    send(&mut link.client, b"question").await;
    link.client.shutdown().await.unwrap();
    assert_eq!(rest(&mut link.server).await, Ok(b"question".to_vec()));
    assert_eq!(link.proxy.open(), 1);

    send(&mut link.server, b"answer").await;
    drop(link.server);
    assert_eq!(rest(&mut link.client).await, Ok(b"answer".to_vec()));
    until(|| link.proxy.open() == 0).await;
}

#[tokio::test]
async fn a_reset_of_one_end_reaches_the_other() {
    let mut link = Link::new().await;
    link.client.set_zero_linger().unwrap();
    drop(link.client);
    assert_eq!(rest(&mut link.server).await, Err(ErrorKind::ConnectionReset));

    let mut link = Link::new().await;
    link.server.set_zero_linger().unwrap();
    drop(link.server);
    assert_eq!(rest(&mut link.client).await, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn cut_is_orderly_at_both_ends_even_if_bytes_are_held() {
    let mut link = Link::new().await;
    send(&mut link.server, b"forwarded").await;
    until(|| link.proxy.bytes() == 9).await;
    link.proxy.stall();
    send(&mut link.client, b"held").await;
    send(&mut link.server, b"held").await;

    link.proxy.cut();
    assert_eq!(rest(&mut link.server).await, Ok(Vec::new()));
    assert_eq!(rest(&mut link.client).await, Ok(b"forwarded".to_vec()));
    // A socket that was closed would answer this by a reset.
    send(&mut link.client, b"late").await;
    drop(link.server);
    assert_eq!(rest(&mut link.client).await, Ok(Vec::new()));
    until(|| link.proxy.open() == 0).await;
}

#[tokio::test]
async fn reset_resets_both_ends() {
    // It may come when the server has accepted and the proxy does not know yet.
    for _ in 0..20 {
        let mut link = Link::new().await;
        link.proxy.reset();
        assert_eq!(rest(&mut link.client).await, Err(ErrorKind::ConnectionReset));
        assert_eq!(rest(&mut link.server).await, Err(ErrorKind::ConnectionReset));
        until(|| link.proxy.open() == 0).await;
    }
}

#[tokio::test]
async fn stalled_bytes_are_held_until_healed() {
    let mut link = Link::new().await;
    let (mut other_client, mut other_server) = link.another().await;
    link.proxy.connection(0).stall();
    send(&mut link.client, b"to the server").await;
    send(&mut link.server, b"to the client").await;
    link.client.shutdown().await.unwrap();

    // Meanwhile another connection has time for a hundred round trips.
    for _ in 0..100 {
        ping(&mut other_client, &mut other_server, b"other").await;
    }
    assert_eq!(link.proxy.connection(0).bytes(), 0);
    assert_nothing_arrived(&link.client).await;
    assert_nothing_arrived(&link.server).await;

    link.proxy.heal();
    expect(&mut link.client, b"to the client").await;
    assert_eq!(rest(&mut link.server).await, Ok(b"to the server".to_vec()));
}

#[tokio::test]
async fn one_direction_is_stalled_and_the_other_is_not() {
    for (stalled, open) in [(ToServer, ToClient), (ToClient, ToServer)] {
        let mut link = Link::new().await;
        link.proxy.toward(stalled).stall();
        send(&mut link.client, b"ping").await;
        send(&mut link.server, b"ping").await;
        let (mut receives, mut waits) = match open {
            ToClient => (link.client, link.server),
            ToServer => (link.server, link.client),
        };
        expect(&mut receives, b"ping").await;
        assert_nothing_arrived(&waits).await;
        assert_eq!(link.proxy.toward(stalled).bytes(), 0);
        link.proxy.toward(stalled).heal();
        expect(&mut waits, b"ping").await;
    }
}

#[tokio::test]
async fn a_stall_blocks_the_sender_and_loses_nothing_of_much() {
    let Link { proxy, client, mut server, listener: _listener } = Link::new().await;
    proxy.stall();
    let sent = fill(&client).await;
    assert!(sent > 100_000, "only {sent} bytes fit");
    drop(client);
    proxy.heal();
    assert_eq!(rest(&mut server).await, Ok(pattern(sent)));
}

#[tokio::test]
async fn half_open_accepts_a_client_and_never_answers() {
    let (proxy, listener) = start().await;
    proxy.half_open();
    let mut client = connect(&proxy).await;
    send(&mut client, b"hello").await;
    until(|| proxy.lost() == 5).await;
    assert_nothing_arrived(&client).await;
    assert_eq!((proxy.connections(), proxy.open(), proxy.bytes()), (1, 1, 0));

    // It has lost bytes, so it cannot be used any more. The server never hears of it.
    proxy.heal();
    assert_eq!(rest(&mut client).await, Err(ErrorKind::ConnectionReset));
    let mut next = connect(&proxy).await;
    let mut server = accept(&listener).await;
    ping(&mut next, &mut server, b"next").await;
    assert_eq!(proxy.open(), 1);
}

#[tokio::test]
async fn half_open_that_has_lost_nothing_goes_on_when_healed() {
    let (proxy, listener) = start().await;
    proxy.half_open();
    let mut client = connect(&proxy).await;
    proxy.accepted(1).await;
    proxy.heal();
    let mut server = accept(&listener).await;
    ping(&mut client, &mut server, b"hello").await;
    proxy.half_open();
    proxy.heal();
    ping(&mut client, &mut server, b"still there").await;
}

#[tokio::test]
async fn an_unanswered_client_that_leaves_is_forgotten() {
    let (proxy, _listener) = start().await;
    proxy.half_open();
    let client = connect(&proxy).await;
    proxy.accepted(1).await;
    assert_eq!(proxy.open(), 1);
    drop(client);
    until(|| proxy.open() == 0).await;

    let mut client = connect(&proxy).await;
    proxy.accepted(2).await;
    proxy.cut();
    assert_eq!(rest(&mut client).await, Ok(Vec::new()));
}

#[tokio::test]
async fn an_established_link_dies_silently() {
    let mut link = Link::new().await;
    link.ping(b"alive").await;
    link.proxy.half_open();
    let passed = link.proxy.bytes();
    send(&mut link.client, b"hello?").await;
    send(&mut link.server, b"hello?!").await;
    until(|| link.proxy.lost() == 13).await;
    assert_nothing_arrived(&link.client).await;
    assert_nothing_arrived(&link.server).await;

    // Nor does the server learn that the client has left. Then it leaves as well.
    link.client.set_zero_linger().unwrap();
    drop(link.client);
    send(&mut link.server, b"anyone?").await;
    until(|| link.proxy.toward(ToClient).lost() == 14).await;
    assert_nothing_arrived(&link.server).await;
    assert_eq!(link.proxy.connection(0).open(), 1);
    drop(link.server);
    until(|| link.proxy.connection(0).open() == 0).await;
    assert_eq!(link.proxy.bytes(), passed);
}

#[tokio::test]
async fn a_link_that_died_is_reset_when_it_is_healed() {
    let mut link = Link::new().await;
    link.proxy.half_open();
    send(&mut link.client, b"lost").await;
    until(|| link.proxy.lost() == 4).await;
    link.proxy.heal();
    assert_eq!(rest(&mut link.client).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(rest(&mut link.server).await, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_link_dies_in_one_direction() {
    let mut link = Link::new().await;
    link.proxy.toward(ToClient).half_open();
    send(&mut link.client, b"request").await;
    expect(&mut link.server, b"request").await;
    send(&mut link.server, b"reply").await;
    until(|| link.proxy.toward(ToClient).lost() == 5).await;
    assert_nothing_arrived(&link.client).await;
    // The end of the client passes, that of the server does not matter any more.
    drop(link.client);
    assert_eq!(rest(&mut link.server).await, Ok(Vec::new()));
    drop(link.server);
    until(|| link.proxy.open() == 0).await;
    assert_eq!(link.proxy.toward(ToServer).lost(), 0);
}

#[tokio::test]
async fn half_open_never_blocks_the_sender() {
    let Link { proxy, mut client, server: _server, listener: _listener } = Link::new().await;
    // The proxy cannot write, as the server does not read.
    let (sent, much) = (fill(&client).await, 32 << 20);
    proxy.half_open();
    send(&mut client, &pattern(much)).await;
    until(|| proxy.bytes() + proxy.lost() == (sent + much) as u64).await;
}

#[tokio::test]
async fn a_refused_port_is_closed_and_the_same_one_opens_again() {
    let mut link = Link::new().await;
    let address = link.proxy.address();
    for _ in 0..20 {
        link.proxy.refuse();
        link.proxy.refuse();
        let refused = within(TcpStream::connect(address)).await.expect_err("nobody listens");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        link.ping(b"established").await;

        link.proxy.listen();
        link.proxy.listen();
        assert_eq!(link.proxy.address(), address);
        let (mut client, mut server) = link.another().await;
        ping(&mut client, &mut server, b"new").await;
    }
    assert_eq!(link.proxy.connections(), 21);
}

#[tokio::test]
async fn split_bytes_arrive_one_by_one() {
    let mut link = Link::new().await;
    assert_eq!(link.reads(&pattern(1000)).await, [1000]);
    link.proxy.split();
    let reads = link.reads(&pattern(1000)).await;
    // The proxy lets the receiver run after each byte. The system may still join a few on a busy machine.
    assert!(reads.len() > 500, "{reads:?}");
    link.proxy.heal();
    assert_eq!(link.reads(&pattern(1000)).await, [1000]);
}

#[tokio::test]
async fn throttled_bytes_take_their_time() {
    let mut link = Link::new().await;
    link.proxy.throttle(10_000);
    let before = Instant::now();
    // The first 100 bytes go at once.
    link.ping(&pattern(3000)).await;
    let took = before.elapsed();
    assert!(took >= Duration::from_millis(2 * 290), "{took:?}");
    link.proxy.heal();

    link.proxy.toward(ToServer).throttle(1);
    send(&mut link.client, b"abc").await;
    let before = Instant::now();
    expect(&mut link.server, b"ab").await;
    let took = before.elapsed();
    assert!(took >= Duration::from_millis(990), "{took:?}");
    // 1 MB would take days, but it need not wait any longer.
    send(&mut link.client, &pattern(1_000_000)).await;
    link.proxy.heal();
    expect(&mut link.server, b"c").await;
    expect(&mut link.server, &pattern(1_000_000)).await;
}

#[tokio::test]
async fn cut_after_some_bytes_lets_exactly_these_pass() {
    let mut link = Link::new().await;
    link.ping(b"before").await;
    link.proxy.toward(ToClient).cut_after(5);
    // The other direction is not concerned.
    send(&mut link.client, &pattern(100)).await;
    expect(&mut link.server, &pattern(100)).await;
    send(&mut link.server, b"message").await;
    assert_eq!(rest(&mut link.client).await, Ok(b"messa".to_vec()));
    assert_eq!(rest(&mut link.server).await, Ok(Vec::new()));

    // A connection from then on counts by itself, from its start.
    let (mut client, mut server) = link.another().await;
    ping(&mut client, &mut server, b"1234").await;
    send(&mut server, b"567").await;
    assert_eq!(rest(&mut client).await, Ok(b"5".to_vec()));

    link.proxy.heal();
    let (mut client, mut server) = link.another().await;
    ping(&mut client, &mut server, b"123456").await;
    link.proxy.cut_after(0);
    assert_eq!(rest(&mut client).await, Ok(Vec::new()));
    assert_eq!(rest(&mut server).await, Ok(Vec::new()));
}

#[tokio::test]
async fn one_connection_is_reached_by_its_number_even_before_it_is_accepted() {
    let (proxy, listener) = start().await;
    proxy.connection(1).toward(ToServer).cut_after(2);
    let mut ends = Vec::new();
    for _ in 0..3 {
        ends.push((connect(&proxy).await, accept(&listener).await));
    }
    let [(client_0, server_0), (client_1, server_1), (client_2, server_2)] = &mut ends[..] else { panic!() };
    ping(client_0, server_0, b"zero").await;
    send(client_1, b"one").await;
    assert_eq!(rest(server_1).await, Ok(b"on".to_vec()));
    assert_eq!(rest(client_1).await, Ok(Vec::new()));
    ping(client_2, server_2, b"second").await;

    assert_eq!(proxy.open(), 2);
    assert_eq!([0, 1, 2].map(|number| proxy.connection(number).open()), [1, 0, 1]);
    assert_eq!([0, 1, 2].map(|number| proxy.connection(number).bytes()), [8, 2, 12]);
    proxy.connection(2).reset();
    assert_eq!(rest(client_2).await, Err(ErrorKind::ConnectionReset));
    ping(client_0, server_0, b"zero").await;
}

#[tokio::test]
#[should_panic(expected = "connection 0 is not accepted yet")]
async fn a_connection_that_does_not_exist_cannot_be_cut() {
    let (proxy, _listener) = start().await;
    proxy.connection(0).cut();
}

#[tokio::test]
async fn cut_does_not_concern_future_connections() {
    let (proxy, listener) = start().await;
    proxy.connection(0);
    proxy.cut();
    proxy.reset();
    let mut client = connect(&proxy).await;
    ping(&mut client, &mut accept(&listener).await, b"hello").await;
}

#[tokio::test]
async fn new_connections_go_to_the_new_server() {
    let mut link = Link::new().await;
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    link.proxy.to(other.local_addr().unwrap());
    let mut client = connect(&link.proxy).await;
    ping(&mut client, &mut accept(&other).await, b"new").await;
    link.ping(b"old").await;
}

#[tokio::test]
async fn a_client_is_reset_if_no_server_is_there() {
    let (proxy, listener) = start().await;
    drop(listener);
    // The reset may be faster than the answer to the client.
    let seen = match within(TcpStream::connect(proxy.address())).await {
        Ok(mut client) => rest(&mut client).await,
        Err(error) => Err(error.kind()),
    };
    assert_eq!(seen, Err(ErrorKind::ConnectionReset));
    until(|| proxy.connections() == 1 && proxy.open() == 0).await;
}

#[tokio::test]
async fn dropping_the_proxy_ends_everything() {
    let mut link = Link::new().await;
    let address = link.proxy.address();
    link.proxy.half_open();
    let mut unanswered = connect(&link.proxy).await;
    link.proxy.accepted(2).await;
    drop(link.proxy);
    let refused = within(TcpStream::connect(address)).await.expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    for end in [&mut link.client, &mut link.server, &mut unanswered] {
        assert_eq!(rest(end).await, Ok(Vec::new()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_is_lost_or_moved_while_many_connections_are_tortured() {
    let (proxy, listener) = start().await;
    let echo = tokio::spawn(async move {
        loop {
            let (mut io, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = io.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    let mut clients = JoinSet::new();
    for _ in 0..50 {
        let client = connect(&proxy).await;
        clients.spawn(async move {
            let (mut from, mut to) = client.into_split();
            let sending = tokio::spawn(async move {
                to.write_all(&pattern(300_000)).await.unwrap();
                to.shutdown().await.unwrap();
            });
            let mut received = Vec::new();
            within(from.read_to_end(&mut received)).await.unwrap();
            assert!(received == pattern(300_000), "{} bytes came", received.len());
            sending.await.unwrap();
        });
    }
    proxy.accepted(50).await;
    let script = async {
        let (to_server, to_client) = (proxy.toward(ToServer), proxy.toward(ToClient));
        for round in 0.. {
            match round % 8 {
                0 => to_server.stall(),
                1 => to_client.split(),
                2 => to_client.stall(),
                3 => to_server.heal(),
                4 => to_server.throttle(50_000),
                5 => to_client.throttle(1_000_000),
                6 => proxy.connection(round % 50).split(),
                _ => proxy.heal(),
            }
            // Each fault lasts until some bytes have passed, if any can.
            let goal = proxy.bytes() + 100_000;
            for _ in 0..50 {
                if proxy.bytes() < goal {
                    tokio::task::yield_now().await;
                }
            }
        }
    };
    tokio::select! {
        () = script => {}
        results = within(clients.join_all()) => assert_eq!(results.len(), 50),
    }
    until(|| proxy.open() == 0).await;
    assert_eq!((proxy.toward(ToServer).bytes(), proxy.toward(ToClient).bytes()), (15_000_000, 15_000_000));
    echo.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_end_of_a_connection_under_load_is_noticed_by_both_sides() {
    let mut link = Link::new().await;
    for round in 0..100 {
        let (client, server) = link.another().await;
        let number = round + 1;
        let [client, server] = [client, server].map(|io| tokio::spawn(flood(io)));
        let one = link.proxy.connection(number);
        until(|| one.bytes() > 50_000).await;
        match round % 3 {
            0 => one.cut(),
            1 => one.reset(),
            _ => one.toward(ToServer).cut_after(1000),
        }
        within(client).await.unwrap();
        within(server).await.unwrap();
        until(|| one.open() == 0).await;
    }
    link.ping(b"alive").await;
}

/// A proxy, and one connection through it.
struct Link {
    proxy: Proxy,
    listener: TcpListener,
    client: TcpStream,
    server: TcpStream,
}

impl Link {
    async fn new() -> Self {
        let (proxy, listener) = start().await;
        let client = connect(&proxy).await;
        let server = accept(&listener).await;
        Self { proxy, listener, client, server }
    }

    /// Opens one more connection. Its ends are the client's and the server's.
    async fn another(&self) -> (TcpStream, TcpStream) {
        let client = connect(&self.proxy).await;
        (client, accept(&self.listener).await)
    }

    /// Sends bytes to the server and back.
    async fn ping(&mut self, bytes: &[u8]) {
        ping(&mut self.client, &mut self.server, bytes).await;
    }

    /// Sends bytes to the server, and returns in what pieces it reads them.
    async fn reads(&mut self, bytes: &[u8]) -> Vec<usize> {
        send(&mut self.client, bytes).await;
        let (mut received, mut reads) = (Vec::with_capacity(bytes.len()), Vec::new());
        while received.len() < bytes.len() {
            reads.push(within(self.server.read_buf(&mut received)).await.unwrap());
        }
        assert_eq!(received, bytes);
        reads
    }
}

async fn start() -> (Proxy, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (Proxy::start(listener.local_addr().unwrap()), listener)
}

async fn connect(proxy: &Proxy) -> TcpStream {
    within(TcpStream::connect(proxy.address())).await.unwrap()
}

async fn accept(listener: &TcpListener) -> TcpStream {
    within(listener.accept()).await.unwrap().0
}

async fn ping(client: &mut TcpStream, server: &mut TcpStream, bytes: &[u8]) {
    send(client, bytes).await;
    expect(server, bytes).await;
    send(server, bytes).await;
    expect(client, bytes).await;
}

async fn send(io: &mut TcpStream, bytes: &[u8]) {
    within(io.write_all(bytes)).await.unwrap();
}

async fn expect(io: &mut TcpStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    within(io.read_exact(&mut bytes)).await.unwrap();
    assert!(bytes == expected, "other bytes than those sent");
}

/// Receives all until the end: `Ok` after a FIN.
async fn rest(io: &mut TcpStream) -> Result<Vec<u8>, ErrorKind> {
    let mut bytes = Vec::new();
    within(io.read_to_end(&mut bytes)).await.map_err(|error| error.kind())?;
    Ok(bytes)
}

/// Neither a byte nor an end.
async fn assert_nothing_arrived(io: &TcpStream) {
    // The runtime asks the system for news.
    tokio::task::yield_now().await;
    let read = io.try_read(&mut [0; 100]);
    assert!(read.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "{read:?}");
}

/// Sends until the buffers are full, and returns how many bytes fit.
async fn fill(io: &TcpStream) -> usize {
    let bytes = pattern(64 << 20);
    let mut sent = 0;
    // What is full for this long stays full, as nobody reads.
    while let Ok(ready) = tokio::time::timeout(Duration::from_millis(200), io.writable()).await {
        ready.unwrap();
        if let Ok(n) = io.try_write(&bytes[sent..]) {
            sent += n;
        }
        assert!(sent < bytes.len(), "nothing blocks it");
    }
    sent
}

/// Sends and receives as much as it can, until the connection ends.
async fn flood(mut io: TcpStream) {
    let (mut from, mut to) = io.split();
    let receiving = async {
        let mut bytes = vec![0; 10_000];
        while let Ok(1..) = from.read(&mut bytes).await {}
    };
    let sending = async { while to.write_all(&[1; 10_000]).await.is_ok() {} };
    tokio::select! { () = receiving => {}, () = sending => {} }
}

/// Bytes of which each depends on its place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}
