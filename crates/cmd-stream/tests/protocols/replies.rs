//! Commands that are answered with Replies of several types.

use crate::{Any, Calculator, Divide, Either, Fraction, Quotient, Sum, Whole, calculator};
use cmd_stream::{Client, Error, ErrorKind, Json};
use testkit::ends::{client_and_bytes, json_frame};
use testkit::wait::within;

#[tokio::test(start_paused = true)]
async fn a_command_may_be_answered_with_replies_of_several_types() {
    let client = calculator().await;
    let divide = |a, b| Divide { a, b, both: false };
    let whole = |value, more| Quotient::Exact(Whole { value, more });
    assert_eq!(client.send(divide(6, 3)).await.expect("a reply"), whole(2, false));
    assert_eq!(client.send(divide(5, 2)).await.expect("a reply"), Quotient::Rounded(Fraction(2.5)));

    let mut stream = client.stream(Divide { a: 5, b: 2, both: true }).await.expect("sent");
    assert_eq!(stream.next().await.expect("a reply").expect("a reply"), whole(2, true));
    assert_eq!(stream.next().await.expect("a reply").expect("a reply"), Quotient::Rounded(Fraction(2.5)));
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn two_enums_of_replies_may_have_a_reply_in_common() {
    let client = calculator().await;
    assert_eq!(client.send(Either { whole: false }).await.expect("a reply"), Any::Sum(Sum(2)));
    assert_eq!(
        client.send(Either { whole: true }).await.expect("a reply"),
        Any::Whole(Whole { value: 1, more: false })
    );
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_not_in_the_enum_of_its_command_ends_the_client() {
    let (client, mut peer) = client_and_bytes(Client::builder(Calculator, Json), 1 << 16).await;
    let serving = async {
        peer.expect(&json_frame(1, 300, r#"{"whole":true}"#)).await;
        peer.send(&json_frame(1, 3, "2.5")).await;
        peer.expect_end().await;
    };
    let calling = async { client.send(Either { whole: true }).await.expect_err("a fraction is no `Any`") };
    let error = Error::from(within(async { tokio::join!(calling, serving) }).await.0);
    assert_eq!(error.kind(), ErrorKind::Protocol);
}
