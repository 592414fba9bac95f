//! Values that cannot be written, and bytes that cannot be read, whether they arrive at once or one by one.

use crate::{
    Sent, Short, Stretch, WAYS, Words, client, client_refuses, empty, error_of, frame, frame_of, nest,
    server, server_refuses,
};
use cmd_stream::{ErrorKind, Mus, Origin};
use mus_format::to_vec;
use testkit::ends::both;
use testkit::wait::within;

#[tokio::test(start_paused = true)]
async fn text_over_its_maximum_fails_its_own_call_and_the_connection_goes_on() {
    let (client, handle) = both(server(Mus), client(Mus)).await;
    let longest = Short("é".repeat(4));
    assert_eq!(client.send(longest.clone()).await.expect("8 bytes"), longest);

    let error = error_of(client.send(Short("9 letters".into())).await);
    assert_eq!((error.kind(), error.origin(), error.was_sent()), (ErrorKind::Encode, Origin::Local, false));
    assert!(format!("{error:#}").contains("length 9 is over the limit of 8"), "{error:#}");

    // The same for a Reply: `send` fails, and the Command may send another Reply.
    assert_eq!(client.send(Stretch("9 letters".into())).await.expect("a reply"), Short("Encode".into()));
    assert_eq!(client.send(Stretch("8 letter".into())).await.expect("a reply"), Short("8 letter".into()));
    assert_eq!((client.in_flight(), handle.counters().started), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_nested_too_deep_fails_its_own_call() {
    let (client, _handle) = both(server(Mus), client(Mus.depth(4))).await;
    let error = error_of(client.send(nest(5)).await);
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Encode, false), "{error:#}");
    assert_eq!(client.send(nest(4)).await.expect("4 levels"), nest(4));
}

/// Checks that both ends refuse this body with this tag, for this reason.
async fn both_refuse(tag: u64, body: &[u8], kind: ErrorKind, says: &str) {
    for way in WAYS {
        let server = server_refuses(server(Mus), way, &frame_of(2, tag, body)).await;
        let client = client_refuses(client(Mus), way, &frame_of(1, tag, body)).await;
        for error in [server, client] {
            assert_eq!((error.kind(), error.origin()), (kind, Origin::Remote), "{error:#}");
            assert!(format!("{error:#}").contains(says), "{way:?}: \"{error:#}\" does not say \"{says}\"");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nesting_over_the_limit_is_refused_and_the_stack_of_a_worker_holds() {
    both_refuse(5, &[1; 129], ErrorKind::Decode, "nested deeper than 128").await;
    // As deep as the frame limit allows.
    let deepest = vec![1; (4 << 20) - 2];
    for error in [
        server_refuses(server(Mus), Sent::Whole, &frame_of(2, 5, &deepest)).await,
        client_refuses(client(Mus), Sent::Whole, &frame_of(1, 5, &deepest)).await,
    ] {
        assert_eq!(error.kind(), ErrorKind::Decode, "{error:#}");
        assert!(format!("{error:#}").contains("nested deeper than 128"), "{error:#}");
    }
    let (client, _handle) = both(server(Mus), client(Mus)).await;
    let deep = within(client.send(nest(128))).await.expect("128 levels");
    assert_eq!(deep, nest(128));
}

#[tokio::test(start_paused = true)]
async fn elements_without_bytes_over_the_limit_are_refused() {
    for elements in [(4 << 20) + 1, 1 << 40, i64::MAX as u64] {
        let body = to_vec(&elements).expect("a number");
        both_refuse(4, &body, ErrorKind::Decode, "elements without bytes exceed the limit of 4194304").await;
    }
    let (client, _handle) = both(server(Mus), client(Mus)).await;
    assert_eq!(client.send(empty(4 << 20)).await.expect("as many as are allowed"), empty(4 << 20));
}

#[tokio::test(start_paused = true)]
async fn each_end_uses_the_settings_of_its_own_format() {
    let deep = frame(2, 5, &nest(5));
    let error = server_refuses(server(Mus.depth(4)), Sent::Whole, &deep).await;
    assert!(format!("{error:#}").contains("nested deeper than 4"), "{error:#}");
    let error = client_refuses(client(Mus.depth(4)), Sent::Whole, &deep).await;
    assert!(format!("{error:#}").contains("nested deeper than 4"), "{error:#}");
    let many = frame(2, 4, &empty(101));
    let error = server_refuses(server(Mus.empty_elements(100)), Sent::Whole, &many).await;
    assert!(format!("{error:#}").contains("exceed the limit of 100"), "{error:#}");
}

#[tokio::test(start_paused = true)]
async fn text_that_is_not_utf_8_is_refused() {
    both_refuse(1, b"\x02\xc3\x28", ErrorKind::Decode, "text is not UTF-8").await;
    // One of many texts, in a frame that was scanned before it is decoded.
    let mut words = to_vec(&Words(vec!["word".into(); 1000])).expect("it can be written");
    words[2503] = 0xff;
    both_refuse(2, &words, ErrorKind::Decode, "text is not UTF-8").await;
}

#[tokio::test(start_paused = true)]
async fn a_text_over_its_maximum_is_refused_at_its_length() {
    both_refuse(3, &[9], ErrorKind::Limit, "length 9 is over the limit of 8").await;
    both_refuse(3, b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f", ErrorKind::Limit, "over the limit of 8").await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_tag_is_refused_and_named() {
    both_refuse(99, &[], ErrorKind::UnknownTag, "99").await;
    both_refuse(0, &[], ErrorKind::UnknownTag, "0").await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_its_command_does_not_declare_is_refused() {
    let error = client_refuses(client(Mus), Sent::Whole, &frame(1, 4, &empty(1))).await;
    assert_eq!((error.kind(), error.origin()), (ErrorKind::Protocol, Origin::Remote), "{error:#}");
}
