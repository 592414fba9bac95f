//! How many Replies may wait in a stream that is not read.

use crate::lab::{Count, echo, quiet, text};
use crate::wire::{frame, number_frame, tag, text_frame};
use crate::{TIME, WIDE, assert_error, call, connected};
use cmd_stream::client::Overflow;
use cmd_stream::{Error, ErrorKind, Origin, client};
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn stream_holds_as_many_replies_as_it_may_and_fails_at_one_more() {
    for (replies, fails) in [(3, false), (4, true)] {
        let limits = client::Limits::default().stream_replies(3, Overflow::Fail);
        let (client, mut peer) = connected(limits, WIDE).await;
        let mut stream = client.stream(Count { to: replies }).await.unwrap();
        let call = call!(client.send(echo("a")));
        quiet().await;
        peer.send(&(1..=replies).flat_map(|n| number_frame(1, n, n == replies)).collect::<Vec<_>>()).await;
        // Other calls continue meanwhile.
        peer.send(&text_frame(2, "a")).await;
        assert_eq!(call.await.unwrap().unwrap(), text("a"));

        for value in 1..=3 {
            assert_eq!(stream.next().await.unwrap().unwrap().value, value);
        }
        if fails {
            let failure = Error::from(stream.next().await.unwrap().unwrap_err());
            assert_error(&failure, ErrorKind::Limit, Origin::Local, "over 3 replies wait in the stream");
            assert!(failure.was_sent());
        }
        assert!(stream.next().await.is_none());
        assert_eq!(client.in_flight(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn full_stream_pauses_the_connection_if_so_set() {
    let limits = client::Limits::default().stream_replies(3, Overflow::Pause);
    let (client, mut peer) = connected(limits, WIDE).await;
    let mut stream = client.stream(Count { to: 6 }).await.unwrap();
    let call = call!(client.send(echo("a")));
    quiet().await;
    for n in 1..=3 {
        peer.send(&number_frame(1, n, false)).await;
        quiet().await;
    }
    let other = call!(client.send(echo("b")));
    quiet().await;
    peer.send(&text_frame(3, "b")).await;
    assert_eq!(other.await.unwrap().unwrap(), text("b"), "at the limit the connection is read");

    peer.send(&number_frame(1, 4, false)).await;
    quiet().await;
    peer.send(&[number_frame(1, 5, false), number_frame(1, 6, true), text_frame(2, "a")].concat()).await;
    sleep(TIME).await;
    assert!(!call.is_finished(), "past it it is not");

    // Reading resumes when there is room for one Reply.
    for value in 1..=2 {
        assert_eq!(stream.next().await.unwrap().unwrap().value, value);
    }
    assert_eq!(call.await.unwrap().unwrap(), text("a"));
    for value in 3..=6 {
        assert_eq!(stream.next().await.unwrap().unwrap().value, value);
    }
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn full_stream_that_is_dropped_or_closed_lets_the_connection_go_on() {
    let limits = client::Limits::default().stream_replies(1, Overflow::Pause);
    let (client, mut peer) = connected(limits, WIDE).await;
    let stream = client.stream(Count { to: 9 }).await.unwrap();
    let call = call!(client.send(echo("a")));
    quiet().await;
    peer.send(&(1..=2).flat_map(|n| number_frame(1, n, false)).collect::<Vec<_>>()).await;
    quiet().await;
    peer.send(&text_frame(2, "a")).await;
    sleep(TIME).await;
    assert!(!call.is_finished());
    drop(stream);
    assert_eq!(call.await.unwrap().unwrap(), text("a"));

    let mut stream = client.stream(Count { to: 9 }).await.unwrap();
    quiet().await;
    peer.send(&(1..=2).flat_map(|n| number_frame(3, n, false)).collect::<Vec<_>>()).await;
    quiet().await;
    client.close();
    assert_eq!(client.closed().await.kind(), ErrorKind::Closed);
    for value in 1..=2 {
        assert_eq!(stream.next().await.unwrap().unwrap().value, value, "what has arrived is given");
    }
    assert_eq!(Error::from(stream.next().await.unwrap().unwrap_err()).kind(), ErrorKind::Closed);
}

/// A number that takes about a thousand bytes on the wire.
fn wide_number(value: u64, last: bool) -> Vec<u8> {
    frame(1, tag::NUMBER, format!(r#"{{"value":{value},{}"last":{last}}}"#, " ".repeat(970)))
}

/// How many of ten numbers of a thousand bytes a stream with this limit gives, and the error that follows.
async fn given(limit: usize) -> (usize, Option<Error>) {
    let limits = client::Limits::default().stream_bytes(limit, Overflow::Fail);
    let (client, mut peer) = connected(limits, WIDE).await;
    let mut stream = client.stream(Count { to: 10 }).await.unwrap();
    quiet().await;
    peer.send(&(1..=10).flat_map(|n| wide_number(n, n == 10)).collect::<Vec<_>>()).await;
    quiet().await;
    let mut replies = 0;
    loop {
        match stream.next().await {
            Some(Ok(_)) => replies += 1,
            Some(Err(error)) => return (replies, Some(error.into())),
            None => return (replies, None),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn stream_holds_as_many_bytes_as_it_may_and_one_reply_in_any_case() {
    let of_one = wide_number(1, false).len();
    let of_all = 10 * of_one; // the last one has one more digit, and says `true`
    for (limit, expected) in [(0, 1), (5 * of_one - 1, 4), (5 * of_one, 5), (of_all - 1, 9)] {
        let (replies, error) = given(limit).await;
        assert_eq!(replies, expected, "{limit}");
        let says = format!("over {limit} bytes of replies wait in the stream (`Limits::stream_bytes`)");
        assert_error(&error.unwrap(), ErrorKind::Limit, Origin::Local, &says);
    }
    let (replies, error) = given(of_all).await;
    assert_eq!((replies, error.is_none()), (10, true));
}

#[tokio::test(start_paused = true)]
async fn stream_holds_many_small_replies_and_each_counts_what_its_type_takes() {
    let numbers: Vec<u8> = (1..=100_000).flat_map(|n| number_frame(1, n, n == 100_000)).collect();
    for (limit, fits) in [(8 << 20, true), (1 << 20, false)] {
        let limits = client::Limits::default().stream_bytes(limit, Overflow::Fail);
        let (client, mut peer) = connected(limits, WIDE).await;
        let mut stream = client.stream(Count { to: 100_000 }).await.unwrap();
        quiet().await;
        peer.send(&numbers).await;
        quiet().await;
        let mut last = Ok(0);
        while let Some(number) = stream.next().await {
            last = number.map(|number| number.value);
        }
        assert_eq!(last.is_ok(), fits, "{last:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn stream_that_is_full_of_bytes_pauses_the_connection_if_so_set() {
    let limits = client::Limits::default().stream_bytes(3000, Overflow::Pause);
    let (client, mut peer) = connected(limits, WIDE).await;
    let mut stream = client.stream(Count { to: 6 }).await.unwrap();
    let call = call!(client.send(echo("a")));
    quiet().await;
    for n in 1..=4 {
        peer.send(&wide_number(n, false)).await;
        quiet().await;
    }
    peer.send(&[wide_number(5, true), text_frame(2, "a")].concat()).await;
    sleep(TIME).await;
    assert!(!call.is_finished());
    for value in 1..=2 {
        assert_eq!(stream.next().await.unwrap().unwrap().value, value);
    }
    assert_eq!(call.await.unwrap().unwrap(), text("a"));
    for value in 3..=5 {
        assert_eq!(stream.next().await.unwrap().unwrap().value, value);
    }
    assert!(stream.next().await.is_none());
}
