//! How long a frame may be.

use crate::lab::{Grow, World, client_by, echo, quiet, text};
use crate::wire::{announce, echo_frame, tag, text_frame};
use crate::{WIDE, assert_error, call, connected, echo_len, greeted, served};
use cmd_stream::server::Limits;
use cmd_stream::transport::memory;
use cmd_stream::{Error, ErrorKind, Origin, client};

#[tokio::test(start_paused = true)]
async fn command_of_the_frame_limit_is_executed_and_one_over_it_ends_its_connection() {
    let (world, dialer) = served(Limits::default().frame(echo_len(1, 100)));
    let fits = "x".repeat(100);
    let mut peer = greeted(&dialer, WIDE).await;
    peer.send(&echo_frame(1, &fits)).await;
    peer.expect(&text_frame(1, &fits)).await;
    // One more byte in the body, or one more in front of it by a longer seq. The length alone is enough to refuse it.
    for over in [announce(2, tag::ECHO, 112), announce(200, tag::ECHO, 111), echo_frame(2, &"x".repeat(101))]
    {
        let mut peer = greeted(&dialer, WIDE).await;
        peer.send(&over).await;
        peer.expect_end().await;
        assert_error(
            &world.lost().await.reason,
            ErrorKind::Limit,
            Origin::Remote,
            "over the limit of 114 bytes",
        );
    }
    assert_eq!(world.counters().over_frame_limit, 3);
    peer.send(&echo_frame(3, &fits)).await;
    peer.expect(&text_frame(3, &fits)).await;
}

#[tokio::test(start_paused = true)]
async fn reply_of_the_frame_limit_is_sent_and_one_over_it_fails_its_send_alone() {
    let limit = text_frame(1, &"x".repeat(200)).len();
    let (connector, listener) = memory::pair();
    let world = World::over(listener, Limits::default().frame(limit));
    let client = client_by(&connector).await;
    assert_eq!(client.send(Grow { bytes: 200 }).await.unwrap().0.len(), 200);
    let refused = client.send(Grow { bytes: 201 }).await.unwrap().0;
    let expected = format!("Some(Limit): reply of {} bytes is over the limit of {limit}", limit + 1);
    assert!(refused.starts_with(&expected), "{refused}");
    assert_eq!((world.counters().failed, world.counters().replies), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn command_over_the_frame_limit_of_the_client_is_not_sent() {
    let limits = client::Limits::default().frame(echo_len(1, 100));
    let (client, mut peer) = connected(limits, WIDE).await;
    let refused = Error::from(client.send(echo(&"x".repeat(101))).await.unwrap_err());
    assert_error(&refused, ErrorKind::Limit, Origin::Local, "command of 115 bytes is over the limit of 114");
    assert!(!refused.was_sent());
    let refused = client.stream(echo(&"x".repeat(101))).await.unwrap_err();
    assert_eq!((refused.kind(), refused.was_sent()), (ErrorKind::Limit, false));

    // No byte of them was sent, and they used up no seq.
    let fits = "x".repeat(100);
    let call = call!(client.send(echo(&"x".repeat(100))));
    peer.expect(&echo_frame(1, &fits)).await;
    peer.send(&text_frame(1, "a")).await;
    assert_eq!(call.await.unwrap().unwrap(), text("a"));
}

#[tokio::test(start_paused = true)]
async fn reply_of_the_frame_limit_arrives_and_one_over_it_ends_the_connection() {
    let reply = text_frame(1, &"x".repeat(100));
    let limits = client::Limits::default().frame(reply.len());
    let (client, mut peer) = connected(limits, WIDE).await;
    let (first, second) = (call!(client.send(echo("a"))), call!(client.send(echo("b"))));
    quiet().await;
    peer.send(&reply).await;
    assert_eq!(first.await.unwrap().unwrap().0.len(), 100);
    peer.send(&announce(2, tag::TEXT, 103)).await;
    let failure = Error::from(second.await.unwrap().unwrap_err());
    let says = format!("over the limit of {} bytes", reply.len());
    assert_error(&failure, ErrorKind::Limit, Origin::Remote, &says);
    assert!(failure.was_sent());
}
