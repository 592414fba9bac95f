//! How many connections a server has, and how many may wait for a place.

use crate::lab::{Lab, Plain, quiet};
use crate::wire::{echo_frame, text_frame};
use crate::{TICK, TIME, WIDE, assert_took, greeted, served};
use cmd_stream::server::Limits;
use cmd_stream::{Json, Server};
use testkit::ends::serve;
use testkit::peer::{BytePeer, GREETING};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, sleep, timeout};

#[tokio::test(start_paused = true)]
async fn connection_past_the_limit_waits_without_a_greeting_until_there_is_a_place() {
    let (world, dialer) = served(Limits::default().connections(2).waiting(1, TIME).make_room(None));
    let first = greeted(&dialer, WIDE).await;
    let mut second = greeted(&dialer, WIDE).await;
    let mut third = dialer.dial(WIDE);
    quiet().await;
    let counters = world.counters();
    assert_eq!((counters.open, counters.waiting, counters.refused), (2, 1, 0));

    // One more than may wait is closed at once; the one that waits is not.
    BytePeer::over(dialer.dial(WIDE)).expect_end().await;
    assert_eq!((world.counters().waiting, world.counters().refused), (1, 1));

    sleep(TIME - 10 * TICK).await;
    assert!(timeout(TICK, third.read_u8()).await.is_err(), "it is greeted without a place");
    drop(first);
    let mut third = BytePeer::over(third);
    third.expect(GREETING).await;
    for peer in [&mut second, &mut third] {
        peer.send(&echo_frame(1, "a")).await;
        peer.expect(&text_frame(1, "a")).await;
    }
    let counters = world.counters();
    assert_eq!((counters.accepted, counters.open, counters.waiting, counters.refused), (4, 2, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn connection_that_has_waited_long_enough_is_closed_and_counted() {
    let (world, dialer) = served(Limits::default().connections(1).waiting(1, TIME).make_room(None));
    let mut first = greeted(&dialer, WIDE).await;
    let since = Instant::now();
    BytePeer::over(dialer.dial(WIDE)).expect_end().await;
    assert_took(since, TIME);
    let counters = world.counters();
    assert_eq!((counters.open, counters.waiting, counters.refused), (1, 0, 1));

    // Its waiting place is free again, and the connection that is served was not affected.
    let waiting = dialer.dial(WIDE);
    quiet().await;
    assert_eq!(world.counters().waiting, 1);
    first.send(&echo_frame(1, "a")).await;
    first.expect(&text_frame(1, "a")).await;
    drop(first);
    BytePeer::over(waiting).expect(GREETING).await;
}

#[tokio::test(start_paused = true)]
async fn none_waits_where_none_may() {
    let (world, dialer) = served(Limits::default().connections(1).waiting(0, TIME));
    let first = greeted(&dialer, WIDE).await;
    BytePeer::over(dialer.dial(WIDE)).expect_end().await;
    assert_eq!((world.counters().refused, world.counters().open), (1, 1));
    drop(first);
    quiet().await;
    greeted(&dialer, WIDE).await;
}

/// As many as one server may have, when another one has ended. The system keeps them until they are accepted.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn clients_that_come_all_at_once_are_all_greeted() {
    let handle = serve(Server::builder(Plain, Json, Lab::new())).await;
    let address = handle.local_addr().to_string().parse().expect("an address");
    // This blocks the thread of the server, so it accepts none of them meanwhile.
    let connect = |_| std::net::TcpStream::connect_timeout(&address, TIME).expect("it is in the queue");
    let clients: Vec<_> = (0..300).map(connect).collect();
    for client in clients {
        client.set_nonblocking(true).expect("a socket");
        let client = tokio::net::TcpStream::from_std(client).expect("a socket");
        BytePeer::over(client).expect(GREETING).await;
    }
}
