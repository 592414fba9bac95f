//! Connections that are not made: each side says just why.

use std::time::Duration;

use cmd_stream::client::{self, Client};
use cmd_stream::server::Limits;
use cmd_stream::transport::tls::{ClientTls, Connector, Identity, Listener, ServerTls};
use cmd_stream::transport::{Peer, memory};
use cmd_stream::{Error, ErrorKind, Json, Origin};
use testkit::certs::{Authority, Validity};
use testkit::log::Log;
use testkit::peer::BytePeer;
use testkit::wait::{until, within};
use tokio::net::TcpStream;
use tracing::Level;

use crate::lab::{Plain, World};
use crate::{NAMES, authorities, client, connect, identity, server, world, world_within};

/// The client fails with one text, and the server logs another.
async fn both_say(server: ServerTls, client: ClientTls, client_says: &str, server_says: &str) {
    let (log, _guard) = Log::start(Level::TRACE);
    let world = world(server).await;
    let error = connect(&world, client).await.unwrap_err();
    assert_eq!((error.kind(), error.origin()), (ErrorKind::Tls, Origin::Remote), "{error:#}");
    assert!(!error.was_sent());
    let error = format!("{error:#}");
    assert!(error.contains(client_says), "the client says {error}");
    let logged = log.says("connection not established").await;
    assert!(logged.contains(server_says), "the server says {logged}");
    assert!(logged.starts_with("DEBUG"), "{logged}");
    until(|| world.counters().open == 0).await;
    assert_eq!((world.counters().handshakes_failed, world.counters().handshake_timeouts), (1, 0));
}

fn own(issued: &testkit::certs::Issued) -> Identity {
    identity(issued)
}

#[tokio::test]
async fn certificate_of_a_server_that_has_expired() {
    let authority = Authority::new("ca");
    let server = ServerTls::builder(own(&authority.server_valid(NAMES, Validity::Past))).build().unwrap();
    let client = client(&authority).build().unwrap();
    let (there, here) = (
        "the server's certificate has expired: ",
        "the client refuses this server's certificate: it has expired",
    );
    both_say(server, client, there, here).await;
}

#[tokio::test]
async fn certificate_of_a_server_that_is_not_valid_yet() {
    let authority = Authority::new("ca");
    let server = ServerTls::builder(own(&authority.server_valid(NAMES, Validity::Future))).build().unwrap();
    let client = client(&authority).build().unwrap();
    both_say(server, client, "the server's certificate is not valid yet: ", "or is not valid yet").await;
}

#[tokio::test]
async fn certificate_of_a_server_with_another_name() {
    let authority = Authority::new("ca");
    let server = ServerTls::builder(own(&authority.server(&["shop.example"]))).build().unwrap();
    let client = client(&authority).build().unwrap();
    let there = "the server's certificate is for another name (`ClientTls::server_name`): invalid peer certificate: certificate not valid for name \"127.0.0.1\"";
    both_say(server, client, there, "perhaps it is not for the name that the client asked for").await;
}

#[tokio::test]
async fn certificate_of_a_server_of_an_unknown_authority() {
    let (ours, theirs) = (Authority::new("ca"), Authority::new("another ca"));
    let here = "the client refuses this server's certificate: it is of an authority unknown there";
    let there = "the server's certificate is of an unknown authority (`ClientTlsBuilder::authorities`)";
    both_say(server(&theirs).build().unwrap(), client(&ours).build().unwrap(), there, here).await;
}

#[tokio::test]
async fn certificate_of_an_authority_that_was_made_anew() {
    let (ours, theirs) = (Authority::new("ca"), Authority::new("ca"));
    let there = "the server's certificate is not signed by the known authority that it names (`ClientTlsBuilder::authorities`)";
    let here = "the client refuses this server's certificate: it is not signed by the authority of that name";
    both_say(server(&theirs).build().unwrap(), client(&ours).build().unwrap(), there, here).await;
}

#[tokio::test]
async fn certificate_of_a_client_used_for_a_server() {
    let authority = Authority::new("ca");
    let server = ServerTls::builder(own(&authority.client("localhost"))).build().unwrap();
    let client = client(&authority).build().unwrap().server_name("localhost");
    both_say(
        server,
        client,
        "the server's certificate is not for a server",
        "the client refuses this server's certificate",
    )
    .await;
}

#[tokio::test]
async fn missing_certificate_of_a_client() {
    let authority = Authority::new("ca");
    let server = server(&authority).require_client_certificates(authorities(&authority)).build().unwrap();
    let there = "the server requires a client certificate, and none is set (`ClientTlsBuilder::identity`)";
    both_say(
        server,
        client(&authority).build().unwrap(),
        there,
        "the client sent no certificate, and one is required",
    )
    .await;
}

#[tokio::test]
async fn certificate_of_a_client_of_an_unknown_authority() {
    let (ours, theirs) = (Authority::new("ca"), Authority::new("another ca"));
    for optional in [false, true] {
        let tls = server(&ours);
        let server = if optional {
            tls.accept_client_certificates(authorities(&ours))
        } else {
            tls.require_client_certificates(authorities(&ours))
        };
        let client = client(&ours).identity(identity(&theirs.client("mallory"))).build().unwrap();
        let there = "the server refuses this client's certificate: it is of an authority unknown there";
        both_say(
            server.build().unwrap(),
            client,
            there,
            "the client's certificate is of an unknown authority",
        )
        .await;
    }
}

#[tokio::test]
async fn certificate_of_a_client_that_has_expired() {
    let authority = Authority::new("ca");
    let server = server(&authority).require_client_certificates(authorities(&authority)).build().unwrap();
    let expired = authority.client_valid("alice", Validity::Past);
    let client = client(&authority).identity(identity(&expired)).build().unwrap();
    let there = "the server refuses this client's certificate: it has expired";
    both_say(server, client, there, "the client's certificate has expired: ").await;
}

#[tokio::test]
async fn client_with_tls_at_a_plain_port() {
    let world = World::tcp(Limits::default()).await;
    let error = connect(&world, client(&Authority::new("ca")).build().unwrap()).await.unwrap_err();
    assert_eq!((error.kind(), error.origin()), (ErrorKind::Tls, Origin::Remote));
    let says =
        "the server speaks plain cmd-stream, or another protocol without TLS: its first bytes are \\x07d";
    assert!(format!("{error:#}").ends_with(says), "{error:#}");
    let lost = world.lost().await.reason;
    assert_eq!(lost.origin(), Origin::Remote);
    assert!(format!("{lost:#}").starts_with("the client uses TLS, and this server does not: "), "{lost:#}");
}

#[tokio::test]
async fn client_without_tls_at_a_tls_port() {
    let (log, _guard) = Log::start(Level::TRACE);
    let authority = Authority::new("ca");
    let limits = Limits::default().handshake(Duration::from_millis(100));
    let world = world_within(server(&authority).build().unwrap(), limits).await;
    let limits = client::Limits::default().handshake(Duration::from_millis(50));
    let error =
        within(Client::builder(Plain, Json).limits(limits).connect(world.address())).await.unwrap_err();
    assert_eq!((error.kind(), error.origin()), (ErrorKind::Timeout, Origin::Remote));
    assert!(error.to_string().contains("it sent nothing, and may be a server that uses TLS"), "{error}");
    // The client has gone, which the server sees before its own time is over. One that stays, too:
    let logged = log.says("connection not established").await;
    assert!(logged.contains("the client closed the connection during the TLS handshake"), "{logged}");
    let _silent = TcpStream::connect(world.address()).await.unwrap();
    let logged = log.says("connection not established in time").await;
    assert!(logged.contains("the client sent nothing: it may be a client without TLS"), "{logged}");
    assert_eq!(world.counters().handshake_timeouts, 1);
}

#[tokio::test]
async fn client_that_begins_tls_and_stops_is_not_called_silent() {
    let (log, _guard) = Log::start(Level::TRACE);
    let limits = Limits::default().handshake(Duration::from_millis(50));
    let world = world_within(server(&Authority::new("ca")).build().unwrap(), limits).await;
    let mut peer = BytePeer::connect(world.address()).await;
    peer.send(&[0x16, 3, 1, 0, 200, 1]).await;
    let logged = log.says("connection not established in time").await;
    assert!(logged.contains("began the transport's handshake and did not end it"), "{logged}");
}

#[tokio::test]
async fn client_that_speaks_something_else_at_a_tls_port() {
    let (log, _guard) = Log::start(Level::TRACE);
    let world = world(server(&Authority::new("ca")).build().unwrap()).await;
    let mut peer = BytePeer::connect(world.address()).await;
    peer.send(b"GET / HTTP/1.1\r\n\r\n").await;
    peer.rest().await;
    let logged = log.says("connection not established").await;
    assert!(
        logged.contains("the client speaks HTTP, and does not speak TLS: its first bytes are GE"),
        "{logged}"
    );
}

#[tokio::test(start_paused = true)]
async fn server_that_says_nothing_to_a_tls_client() {
    let (connector, mut listener) = memory::pair();
    let connector =
        Connector::new(connector, client(&Authority::new("ca")).build().unwrap().server_name("localhost"));
    let connecting = Client::builder(Plain, Json).connect_by(connector);
    let accepting = cmd_stream::transport::Accept::accept(&mut listener);
    let (error, _silent) = tokio::join!(connecting, accepting);
    let error: Error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("memory sent nothing: "), "{error}");
}

#[tokio::test]
async fn a_first_frame_that_begins_as_tls_and_then_ends_names_tls() {
    let world = World::tcp(Limits::default()).await;
    let mut peer = BytePeer::greeted(world.address()).await;
    peer.send(&[0x16, 3, 1]).await;
    peer.finish().await;
    let lost = world.lost().await;
    assert_eq!(lost.reason.to_string(), "the client uses TLS, and this server does not");
    // After a frame it is something else.
    let mut peer = BytePeer::greeted(world.address()).await;
    peer.send(&[0]).await;
    peer.expect(&[0]).await;
    peer.send(&[0x16, 3, 1]).await;
    peer.finish().await;
    assert_eq!(world.lost().await.reason.to_string(), "the connection ended in the middle of a frame");
}

#[tokio::test]
async fn a_connection_that_ends_without_close_notify_is_told_from_one_that_ends_with_it() {
    let authority = Authority::new("ca");
    let (connector, listener) = memory::pair();
    let world = World::over(Listener::new(listener, server(&authority).build().unwrap()), Limits::default());
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (mut wire, _) = cmd_stream::transport::Connect::connect(&connector).await.unwrap();
    // Between them, so that the connection can be cut below TLS.
    let relay = tokio::spawn(async move {
        let mut theirs = theirs;
        let _ = tokio::io::copy_bidirectional(&mut theirs, &mut wire).await;
    });
    let outgoing = Connector::new(
        Once(std::sync::Mutex::new(Some(ours))),
        client(&authority).build().unwrap().server_name("localhost"),
    );
    let client = within(Client::builder(Plain, Json).reconnect(false).connect_by(outgoing)).await.unwrap();
    relay.abort();
    let lost = world.lost().await.reason;
    assert_eq!(lost.kind(), ErrorKind::UnexpectedEof, "{lost:#}");
    assert!(
        format!("{lost:#}").contains("the client ended the connection without a TLS close_notify"),
        "{lost:#}"
    );
    let closed = within(client.closed()).await;
    assert!(
        format!("{closed:#}").contains("the server ended the connection without a TLS close_notify"),
        "{closed:#}"
    );
}

/// A connector that has one connection.
struct Once(std::sync::Mutex<Option<tokio::io::DuplexStream>>);

impl cmd_stream::transport::Connect for Once {
    type Outgoing = (tokio::io::DuplexStream, Peer);

    async fn connect(&self) -> std::io::Result<Self::Outgoing> {
        let io = self.0.lock().expect("no panic").take().expect("once");
        Ok((io, Peer::other("once")))
    }

    fn address(&self) -> String {
        "once".into()
    }
}

/// Nobody can connect through it. It counts what it is told of that.
struct Refuses(std::sync::Arc<std::sync::atomic::AtomicU64>);

impl cmd_stream::transport::Connect for Refuses {
    type Outgoing = (tokio::io::DuplexStream, Peer);

    async fn connect(&self) -> std::io::Result<Self::Outgoing> {
        Err(std::io::ErrorKind::ConnectionRefused.into())
    }

    fn address(&self) -> String {
        "refuses".into()
    }

    fn failed(&self) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn the_transport_below_is_told_that_it_has_failed() {
    let told = std::sync::Arc::<std::sync::atomic::AtomicU64>::default();
    let tls = client(&Authority::new("ca")).build().unwrap().server_name("localhost");
    let client = Client::builder(Plain, Json)
        .connect_lazy_by(Connector::new(Refuses(std::sync::Arc::clone(&told)), tls));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let failed = client.counters().attempts_failed;
    assert!(failed > 1 && told.load(std::sync::atomic::Ordering::Relaxed) == failed, "{failed} {told:?}");
}

/// The beginning of a record with a hello that cannot be read: one byte long, and not empty as it should be.
const BAD_HELLO: &[u8] = &[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0];
/// An alert: fatal, handshake failure.
const ALERT: &[u8] = &[0x15, 3, 3, 0, 2, 2, 40];

#[tokio::test(start_paused = true)]
async fn a_client_fails_at_once_while_the_server_keeps_the_connection() {
    let (connector, mut listener) = memory::pair();
    let connector =
        Connector::new(connector, client(&Authority::new("ca")).build().unwrap().server_name("localhost"));
    let began = tokio::time::Instant::now();
    // Less time than is lingered for.
    let limits = client::Limits::default().handshake(Duration::from_millis(500));
    let connecting = Client::builder(Plain, Json).limits(limits).connect_by(connector);
    let accepting = async {
        let (io, _) = cmd_stream::transport::Accept::accept(&mut listener).await.unwrap();
        let mut peer = BytePeer::over(io);
        peer.send(ALERT).await;
        peer
    };
    let (error, peer) = tokio::join!(connecting, accepting);
    let error: Error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:#}");
    assert!(format!("{error:#}").contains("no TLS version or algorithm in common"), "{error:#}");
    assert_eq!(began.elapsed(), Duration::ZERO);
    drop(peer);
}

#[tokio::test]
async fn a_failed_handshake_is_not_counted_as_slow_if_the_client_keeps_the_connection() {
    let (log, _guard) = Log::start(Level::TRACE);
    // Less time than is lingered for.
    let limits = Limits::default().handshake(Duration::from_millis(500));
    let world = world_within(server(&Authority::new("ca")).build().unwrap(), limits).await;
    let mut peer = BytePeer::connect(world.address()).await;
    peer.send(BAD_HELLO).await;
    let logged = log.says("connection not established").await;
    assert!(logged.contains("TLS with the client failed"), "{logged}");
    assert_eq!((world.counters().handshakes_failed, world.counters().handshake_timeouts), (1, 0));
    peer.rest().await; // the alert, and the end
}
