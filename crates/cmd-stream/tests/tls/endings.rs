//! How connections over TLS end: with close_notify, after the last Replies, and one direction at a time.

use cmd_stream::server::Limits;
use cmd_stream::transport::Accept;
use cmd_stream::transport::Establish;
use cmd_stream::transport::tls::Listener;
use cmd_stream::transport::{Connect, Tcp, tls};
use cmd_stream::{Client, ErrorKind, Json, Origin};
use testkit::certs::Authority;
use testkit::ends::json_frame;
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::{until, within};
use tokio::net::TcpListener;

use crate::lab::{Plain, World, hold, text};
use crate::{call, client, connect, server, world, world_within};

/// A connection to this server, as bytes inside TLS.
async fn bytes(world: &World, authority: &Authority) -> BytePeer<impl cmd_stream::transport::Io> {
    let connector = tls::Connector::new(Tcp::new(world.address()), client(authority).build().unwrap());
    let outgoing = within(connector.connect()).await.unwrap();
    let (io, _) = within(outgoing.establish()).await.unwrap();
    let mut peer = BytePeer::over(io);
    peer.expect(GREETING).await;
    peer
}

#[tokio::test]
async fn a_client_that_closes_its_direction_still_gets_its_replies() {
    let authority = Authority::new("ca");
    let world = world(server(&authority).build().unwrap()).await;
    let mut peer = bytes(&world, &authority).await;
    peer.send(&json_frame(1, 0, r#"{"text":"a"}"#)).await;
    peer.send(&json_frame(2, 0, r#"{"text":"b"}"#)).await;
    peer.finish().await;
    peer.expect(&json_frame(1, 0, r#""a""#)).await;
    peer.expect(&json_frame(2, 0, r#""b""#)).await;
    peer.expect_end().await;
    let lost = world.lost().await.reason;
    assert_eq!((lost.kind(), lost.origin()), (ErrorKind::Closed, Origin::Remote), "{lost:#}");
}

#[tokio::test]
async fn a_server_that_shuts_down_says_goodbye_after_the_last_reply() {
    let authority = Authority::new("ca");
    let world = world(server(&authority).build().unwrap()).await;
    let client = connect(&world, client(&authority).build().unwrap()).await.unwrap();
    let reply = call!(client.send(hold("late")));
    world.lab.until(|seen| seen.started == 1).await;
    world.handle.shutdown();
    world.lab.open_gate(1);
    assert_eq!(within(reply).await.unwrap().unwrap(), text("late"));
    let closed = within(client.closed()).await;
    assert_eq!((closed.kind(), closed.origin()), (ErrorKind::Closed, Origin::Remote), "{closed:#}");
    world.served().await;
}

#[tokio::test]
async fn a_client_that_closes_says_goodbye() {
    let authority = Authority::new("ca");
    let world = world(server(&authority).build().unwrap()).await;
    let client = connect(&world, client(&authority).build().unwrap()).await.unwrap();
    client.close();
    let lost = world.lost().await.reason;
    assert_eq!((lost.kind(), lost.origin()), (ErrorKind::Closed, Origin::Remote), "{lost:#}");
}

#[tokio::test]
async fn what_follows_a_bad_frame_is_read_so_that_the_replies_before_it_arrive() {
    let authority = Authority::new("ca");
    let world = world(server(&authority).build().unwrap()).await;
    let mut peer = bytes(&world, &authority).await;
    let mut sent = json_frame(1, 0, r#"{"text":"a"}"#);
    sent.extend(json_frame(2, 99, "{}"));
    sent.extend(vec![0; 300_000]);
    peer.send_until_closed(&sent).await;
    peer.expect(&json_frame(1, 0, r#""a""#)).await;
    peer.expect_end().await;
    assert_eq!(world.lost().await.reason.kind(), ErrorKind::UnknownTag);
}

#[tokio::test]
async fn a_client_is_told_when_a_tls_server_says_goodbye() {
    let authority = Authority::new("ca");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut listener = Listener::new(listener, server(&authority).build().unwrap());
    let tls = client(&authority).build().unwrap();
    let connecting = Client::builder(Plain, Json).reconnect(false).connect_tls(address, tls);
    let serving = async {
        let incoming = listener.accept().await.unwrap();
        let (io, _) = incoming.establish().await.unwrap();
        let mut peer = BytePeer::over(io);
        peer.send(GREETING).await;
        peer.finish().await;
        peer
    };
    let (client, _peer) = within(async { tokio::join!(connecting, serving) }).await;
    let closed = within(client.unwrap().closed()).await;
    assert_eq!((closed.kind(), closed.origin()), (ErrorKind::Closed, Origin::Remote), "{closed:#}");
}

#[tokio::test]
async fn a_server_that_closes_at_once_still_says_goodbye() {
    let authority = Authority::new("ca");
    let world = world(server(&authority).build().unwrap()).await;
    let mut peer = bytes(&world, &authority).await;
    peer.send(&json_frame(1, 1, r#"{"text":"never answered"}"#)).await;
    world.lab.until(|seen| seen.started == 1).await;
    world.handle.close();
    let end = within(tokio::io::AsyncReadExt::read(&mut peer.into_inner(), &mut [0])).await;
    assert_eq!(end.expect("an orderly end"), 0);
}

#[tokio::test]
async fn a_connection_that_is_not_read_sees_its_client_leave() {
    let authority = Authority::new("ca");
    let limits = Limits::default().in_flight(1).half_closed(std::time::Duration::from_millis(100));
    let world = world_within(server(&authority).build().unwrap(), limits).await;
    let mut peer = bytes(&world, &authority).await;
    for seq in 1..=3 {
        peer.send(&json_frame(seq, 6, "{}")).await; // they do not end before their connection
    }
    until(|| world.counters().in_flight_pauses == 1).await;
    peer.finish().await;
    world.lab.until(|seen| seen.saw_closed == 1).await;
    let lost = world.lost().await;
    assert_eq!((lost.reason.kind(), lost.commands_left), (ErrorKind::Closed, 1), "{:#}", lost.reason);
}
