//! Calls for one Reply: many at once, Replies in any order, values of all sizes, bytes however they are cut.

use std::sync::{Arc, Mutex};

use cmd_stream::transport::Peer;
use cmd_stream::{Client, Error, ErrorKind, Json, Origin, Sender, Server, client, server};
use futures_util::future::join_all;
use testkit::ends::{both, client_and_bytes, json_frame, serve, server_and_bytes};
use testkit::peer::BytePeer;
use testkit::sample::{DelayCmd, EchoCmd, EchoResult, Sample, SampleReply, Service, StreamCmd, StreamResult};
use testkit::wait::{until, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::TcpListener;

fn sample() -> server::Builder<Sample, Json, Service> {
    Server::builder(Sample, Json, Service)
}

fn client() -> client::Builder<Sample, Json> {
    Client::builder(Sample, Json)
}

fn echo(int64: i64) -> EchoCmd {
    EchoCmd { int64, ..EchoCmd::default() }
}

fn text(len: usize) -> EchoCmd {
    EchoCmd { string: "x".repeat(len), ..EchoCmd::default() }
}

/// The body of an [`EchoCmd`] and of its Reply.
fn echo_body(int64: i64) -> String {
    format!(r#"{{"Bool":false,"Int64":{int64},"String":"","Float64":0.0}}"#)
}

/// What comes back is what was sent.
async fn check(client: &Client<Sample, Json>, command: EchoCmd) {
    let reply = client.send(command.clone()).await.expect("a reply");
    let EchoResult { bool, int64, string, float64 } = reply;
    assert!(EchoCmd { bool, int64, string, float64 } == command, "another one's reply");
}

#[tokio::test(start_paused = true)]
async fn seq_counts_from_one_and_replies_are_matched_by_it() {
    let (client, mut peer) = client_and_bytes(client(), 1 << 16).await;
    for seq in 1..=300 {
        let n = seq as i64;
        let sending = async { client.send(echo(n)).await.expect("a reply").int64 };
        let serving = async {
            peer.expect(&json_frame(seq, 0, &echo_body(n))).await;
            peer.send(&json_frame(seq, 0, &echo_body(-n))).await;
        };
        assert_eq!(within(async { tokio::join!(sending, serving) }).await.0, -n);
    }
}

#[tokio::test(start_paused = true)]
async fn replies_may_come_in_any_order() {
    let (client, mut peer) = client_and_bytes(client(), 1 << 20).await;
    const CALLS: u64 = 500;
    let calls = join_all((1..=CALLS).map(|n| {
        let client = client.clone();
        async move { assert_eq!(client.send(echo(n as i64)).await.expect("a reply").int64, -(n as i64)) }
    }));
    let serving = async {
        for seq in 1..=CALLS {
            peer.expect(&json_frame(seq, 0, &echo_body(seq as i64))).await;
        }
        assert_eq!(client.in_flight(), CALLS as usize);
        // 7 is prime to their number, so that each is answered once, in strides.
        for n in 0..CALLS {
            let seq = n * 7 % CALLS + 1;
            peer.send(&json_frame(seq, 0, &echo_body(-(seq as i64)))).await;
        }
    };
    within(async { tokio::join!(calls, serving) }).await;
    assert_eq!(client.in_flight(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_callers_with_five_commands_each_get_their_own_replies() {
    let server = serve(sample()).await;
    let sender = Sender::connect(server.local_addr().to_string(), Sample, Json).await.expect("a server");
    let callers = (0..10).map(|caller| {
        let sender = sender.clone();
        tokio::spawn(async move {
            for n in 0..5 {
                let int64 = caller * 100 + n;
                assert_eq!(sender.send(echo(int64)).await.expect("a reply").int64, int64);
            }
        })
    });
    for caller in within(join_all(callers)).await {
        caller.expect("no caller panics");
    }
    let counters = server.counters();
    assert_eq!((counters.accepted, counters.started, counters.replies), (1, 50, 50));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_share_one_connection() {
    let server = serve(sample()).await;
    let client = client().connect(server.local_addr().to_string()).await.expect("a server");
    let callers = (0..1000).map(|caller| {
        let client = client.clone();
        tokio::spawn(async move {
            for n in 0..10 {
                check(
                    &client,
                    EchoCmd { string: "ü".repeat(caller % 300), ..echo((caller * 10 + n) as i64) },
                )
                .await;
            }
        })
    });
    for caller in within(join_all(callers)).await {
        caller.expect("no caller panics");
    }
    assert_eq!((server.counters().started, client.in_flight()), (10_000, 0));
}

#[tokio::test(start_paused = true)]
async fn a_slow_command_does_not_hold_up_the_others() {
    let (client, _server) = both(sample(), client()).await;
    let order = Mutex::new(Vec::new());
    let slow = async {
        client.send(DelayCmd { id: 1, delay_ms: 500 }).await.expect("a reply");
        order.lock().expect("no panic").push("slow");
    };
    let quick = async {
        for n in 0..100 {
            check(&client, echo(n)).await;
        }
        order.lock().expect("no panic").push("quick");
    };
    within(async { tokio::join!(slow, quick) }).await;
    assert_eq!(*order.lock().expect("no panic"), ["quick", "slow"]);
}

#[tokio::test(start_paused = true)]
async fn of_several_replies_send_gives_the_first_and_the_rest_is_unexpected() {
    let rest = Arc::new(Mutex::new(Vec::new()));
    let add = Arc::clone(&rest);
    let client = client().on_unexpected_reply(move |seq, reply| match reply {
        SampleReply::StreamResult(StreamResult { value, last }) => {
            add.lock().expect("no panic").push((seq.get(), value, last));
        }
        _ => panic!("a reply of another type"),
    });
    let (client, _server) = both(sample(), client).await;
    let first = client.send(StreamCmd { init: 5, count: 4 }).await.expect("a reply");
    assert_eq!(first, StreamResult { value: 5, last: false });
    assert_eq!(client.in_flight(), 0, "the call is done with its first reply");
    until(|| rest.lock().expect("no panic").len() == 3).await;
    assert_eq!(*rest.lock().expect("no panic"), [(1, 6, false), (1, 7, false), (1, 8, true)]);
    check(&client, echo(1)).await;
}

#[tokio::test(start_paused = true)]
async fn an_unexpected_reply_without_a_callback_is_dropped() {
    let (client, mut peer) = client_and_bytes(client(), 1 << 16).await;
    for seq in [77, 78, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
        peer.send(&json_frame(seq, 0, &echo_body(0))).await;
    }
    let serving = async {
        peer.expect(&json_frame(1, 0, &echo_body(1))).await;
        peer.send(&json_frame(1, 0, &echo_body(1))).await;
    };
    within(async { tokio::join!(check(&client, echo(1)), serving) }).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_fails_pending_and_later_calls_with_its_reason() {
    for (rest, kind) in [(&b""[..], ErrorKind::Closed), (&b"\x01\x00\x20{"[..], ErrorKind::UnexpectedEof)] {
        let (client, mut peer) = client_and_bytes(client(), 1 << 16).await;
        let losing = async {
            peer.receive(json_frame(1, 0, &echo_body(1)).len()).await;
            peer.send(rest).await;
            drop(peer);
        };
        let (reply, ()) = within(async { tokio::join!(client.send(echo(1)), losing) }).await;
        let error = Error::from(reply.expect_err("it is lost"));
        assert_eq!((error.kind(), error.origin(), error.was_sent()), (kind, Origin::Remote, true));
        let error = Error::from(client.send(echo(1)).await.expect_err("it is lost"));
        assert_eq!((error.kind(), error.was_sent()), (kind, false));
        assert_eq!(client.in_flight(), 0);
    }
}

// Sizes, and how bytes are cut.

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_values_go_both_ways_among_small_ones() {
    let server = serve(sample()).await;
    let client = client().connect(server.local_addr().to_string()).await.expect("a server");
    let large = (0..4).map(|n| {
        let client = client.clone();
        tokio::spawn(async move { check(&client, text((1 << 20) + n)).await })
    });
    let small = (0..8).map(|caller| {
        let client = client.clone();
        tokio::spawn(async move {
            for n in 0..100 {
                check(&client, echo(caller * 1000 + n)).await;
            }
        })
    });
    for call in within(join_all(large.chain(small).collect::<Vec<_>>())).await {
        call.expect("no caller panics");
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_of_every_size_around_the_read_buffer_come_back_unchanged() {
    let (client, _server) = both(sample(), client()).await;
    let around = echo_body(0).len();
    for body in 65_500..=65_600 {
        check(&client, text(body - around)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_around_the_steps_of_their_length_come_back_unchanged() {
    let (client, _server) = both(sample(), client()).await;
    let around = echo_body(0).len();
    for step in [128, 16_384] {
        for body in step - 3..=step + 3 {
            check(&client, text(body - around)).await;
        }
    }
    for body in [(2 << 20) - 1, 2 << 20] {
        check(&client, text(body - around)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn frames_of_every_size_around_the_read_buffer_are_read_in_one_batch() {
    // All in flight at once, so that frames begin and end at every place of the buffer.
    let (client, _server) = both(sample(), client()).await;
    let calls = (0..400).map(|n| {
        let client = client.clone();
        async move { check(&client, EchoCmd { string: "y".repeat(n * 7 % 1000), ..echo(n as i64) }).await }
    });
    within(join_all(calls)).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_reads_commands_byte_by_byte() {
    let (_server, mut peer) = server_and_bytes(sample()).await;
    for seq in [1, 2, 300] {
        peer.send_bytewise(&json_frame(seq, 0, &echo_body(7))).await;
        peer.expect(&json_frame(seq, 0, &echo_body(7))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_reads_the_greeting_and_replies_byte_by_byte() {
    let (ours, theirs) = duplex(1);
    let mut peer = BytePeer::over(theirs);
    let serving = async {
        peer.send_bytewise(testkit::peer::GREETING).await;
        for seq in 1..=2 {
            peer.expect(&json_frame(seq, 0, &echo_body(7))).await;
            peer.send_bytewise(&json_frame(seq, 0, &echo_body(7))).await;
        }
    };
    let calling = async {
        let client = client().over(ours, Peer::other("bytes")).await.expect("greeted");
        check(&client, echo(7)).await;
        check(&client, echo(7)).await;
    };
    within(async { tokio::join!(serving, calling) }).await;
}

#[tokio::test(start_paused = true)]
async fn two_busy_ends_with_tiny_buffers_do_not_block_each_other() {
    // Whatever passes between the two passes 64 bytes at a time, and both have much to write.
    let limits = server::Limits::default().output(1000);
    let (connector, _server) = testkit::ends::serve_in_memory(sample().limits(limits));
    let (far, _) = cmd_stream::transport::Connect::connect(&connector).await.expect("a server");
    let (ours, near) = duplex(64);
    let (mut far_read, mut far_write) = tokio::io::split(far);
    let (mut near_read, mut near_write) = tokio::io::split(near);
    let pump = tokio::spawn(async move {
        let (mut buffer, mut back) = ([0; 64], [0; 64]);
        let to = async {
            while let Ok(n @ 1..) = near_read.read(&mut buffer).await {
                far_write.write_all(&buffer[..n]).await.expect("the server reads");
            }
        };
        let from = async {
            while let Ok(n @ 1..) = far_read.read(&mut back).await {
                if near_write.write_all(&back[..n]).await.is_err() {
                    return;
                }
            }
        };
        tokio::join!(to, from)
    });
    let client = client().over(ours, Peer::other("pump")).await.expect("greeted");
    within(join_all((0..32).map(|n| check(&client, EchoCmd { string: "z".repeat(6000), ..echo(n) })))).await;
    drop(client);
    pump.abort();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_slowly_gets_every_reply() {
    let (server, peer) = server_and_bytes(sample().limits(server::Limits::default().output(10_000))).await;
    let body =
        |n: u64| format!(r#"{{"Bool":false,"Int64":{n},"String":"{}","Float64":0.0}}"#, "s".repeat(3000));
    let mut expected: Vec<_> = (1000..1200).map(|seq| json_frame(seq, 0, &body(seq))).collect();
    let (mut reading, mut writing) = tokio::io::split(peer.into_inner());
    let sent = expected.concat();
    let write = async { writing.write_all(&sent).await.expect("the server reads") };
    let read = async {
        until(|| server.counters().output_pauses > 0).await; // until then nothing is read
        let mut received = vec![0; sent.len()];
        for piece in received.chunks_mut(777) {
            reading.read_exact(piece).await.expect("the server writes");
            tokio::task::yield_now().await;
        }
        received
    };
    let ((), received) = within(async { tokio::join!(write, read) }).await;
    let mut received: Vec<_> = received.chunks(expected[0].len()).map(<[u8]>::to_vec).collect();
    received.sort();
    expected.sort();
    assert!(received == expected, "a reply is missing or not as it was sent");
}

// Transports.

#[tokio::test]
async fn commands_travel_over_the_callers_own_listener_and_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let server = sample().listen(listener).expect("an address");
    tokio::spawn(server.serve());
    let stream = tokio::net::TcpStream::connect(address).await.expect("a server");
    let client = within(client().over(stream, address.into())).await.expect("greeted");
    assert_eq!(client.peer().expect("it is connected").to_string(), address.to_string());
    check(&client, text(100_000)).await;
}
