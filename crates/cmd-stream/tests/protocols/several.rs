//! Several Protocols over the same types.

use crate::{Add, Any, CALC, Divide, Either, Fraction, Quotient, Sum, Whole};
use cmd_stream::{Client, Json, Server, protocol};
use testkit::ends::{both, json_frame, server_and_bytes};

mod service {
    use super::{Add, Sum, protocol};

    protocol! {
        pub struct Public { commands { 0 => Add } replies { 0 => Sum, } failure close_connection }
    }
    protocol! {
        pub(super) struct ForParent { commands { 0 => Add, } replies { 0 => Sum } failure close_connection }
    }
    protocol! {
        struct Private { commands { 4 => super::Add as Plus, } replies { 0 => super::Sum as Sum, } failure close_connection }
    }

    pub(super) fn private_names() -> Vec<&'static str> {
        <Private as cmd_stream::protocol::Protocol>::COMMANDS.iter().map(|entry| entry.name).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_may_be_of_several_protocols() {
    let public = Client::builder(service::Public, Json);
    let (client, _server) = both(Server::builder(service::Public, Json, CALC), public).await;
    assert_eq!(client.send(Add { a: 2, b: 3 }).await.expect("a reply"), Sum(5));
    let for_parent = Client::builder(service::ForParent, Json);
    let (client, _server) = both(Server::builder(service::ForParent, Json, CALC), for_parent).await;
    assert_eq!(client.send(Add { a: 2, b: 3 }).await.expect("a reply"), Sum(5));
    assert_eq!(service::private_names(), ["Plus"]);
}

// Two Protocols over the same types. The second one repeats neither the Replies of the Commands nor the `From`s.

protocol! {
    struct Second {
        commands { 5 => Add, 6 => Divide, 7 => Either }
        replies { 1 => Fraction, 2 => Whole, 3 => Sum }
        use enum Quotient { Rounded(Fraction), Exact(Whole) }
        use enum Any { Sum(Sum), Whole(Whole) }
        failure close_connection
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_protocol_has_tags_and_a_failure_of_its_own() {
    let (_server, mut peer) = server_and_bytes(Server::builder(Second, Json, CALC)).await;
    for (command, body, reply, answer) in [
        (5, r#"{"a":2,"b":3}"#, 3, "5"),
        (6, r#"{"a":6,"b":3,"both":false}"#, 2, r#"{"value":2,"more":false}"#),
        (6, r#"{"a":5,"b":2,"both":false}"#, 1, "2.5"),
        (7, r#"{"whole":true}"#, 2, r#"{"value":1,"more":false}"#),
    ] {
        peer.send(&json_frame(1, command, body)).await;
        peer.expect(&json_frame(1, reply, answer)).await;
    }
    peer.send(&json_frame(2, 5, r#"{"a":1000,"b":3}"#)).await;
    peer.expect_end().await;

    let (client, _server) = both(Server::builder(Second, Json, CALC), Client::builder(Second, Json)).await;
    let quotient = client.send(Divide { a: 5, b: 2, both: false }).await.expect("a reply");
    assert_eq!(quotient, Quotient::Rounded(Fraction(2.5)));
}
