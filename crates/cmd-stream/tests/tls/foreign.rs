//! Peers that speak another protocol: each side names it, over every transport, also if its first bytes come one by one.

use std::io;
use std::time::Duration;

use cmd_stream::client::{self, Client};
use cmd_stream::server::Limits;
use cmd_stream::transport::tls::{self, Connector, Listener};
use cmd_stream::transport::{Connect, Peer};
use cmd_stream::{Error, ErrorKind, Json, Origin, Server, ServerInfo};
use testkit::certs::Authority;
use testkit::log::Log;
use testkit::peer::BytePeer;
use testkit::wait::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpListener;
use tracing::Level;

use crate::lab::{Lab, Plain, World};
use crate::pipes::{self, Dialer};
use crate::{client, server, world};

/// What clients of other protocols send first.
const CLIENTS: [(&[u8], &str); 7] = [
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP"),
    (b"POST /call HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "HTTP"),
    (b"OPTIONS * HTTP/1.1\r\n\r\n", "HTTP"),
    (b"PROPFIND /a HTTP/1.1\r\n\r\n", "HTTP"),
    (b"CONNECT a:443 HTTP/1.1\r\n\r\n", "HTTP"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2"),
    (b"SSH-2.0-OpenSSH_9.6\r\n", "SSH"),
];

/// What servers of other protocols send first, also without having been asked.
const SERVERS: [(&[u8], &str); 3] = [
    (b"SSH-2.0-OpenSSH_9.6\r\n", "SSH"),
    (b"HTTP/1.1 400 Bad Request\r\n", "HTTP"),
    (b"HTTP/1.0 408 Request Time-out\r\nContent-Length: 0\r\nConnection: close\r\nServer: a\r\n\r\n", "HTTP"),
];

const TLS_HELLO: &[u8] = &[0x16, 3, 1, 0, 200, 1, 0];
const TLS_ALERT: &[u8] = &[0x15, 3, 3, 0, 2, 2, 40];

/// All at once, and in pieces of a byte.
const WIDTHS: [usize; 2] = [1 << 16, 1];

/// A server on pipes.
fn over_pipes() -> (World, Dialer) {
    let (dialer, listener) = pipes::pipes();
    (World::over(listener, Limits::default()), dialer)
}

async fn sends(peer: &mut BytePeer<DuplexStream>, bytes: &[u8]) {
    peer.send_until_closed(bytes).await;
}

#[tokio::test]
async fn a_server_names_what_its_client_speaks() {
    let (world, dialer) = over_pipes();
    let expected =
        CLIENTS.map(|(bytes, name)| (bytes, format!("the client speaks {name}, and this server does not")));
    let tls = "the client uses TLS, and this server does not".to_owned();
    for (bytes, says) in expected.into_iter().chain([(TLS_HELLO, tls.clone()), (TLS_ALERT, tls)]) {
        for width in WIDTHS {
            let mut peer = BytePeer::over(dialer.dial(width));
            peer.expect(testkit::peer::GREETING).await;
            sends(&mut peer, bytes).await;
            let lost = world.lost().await.reason;
            assert_eq!(
                (lost.to_string(), lost.origin()),
                (says.clone(), Origin::Remote),
                "in {width}: {lost:#}"
            );
            assert!(format!("{lost:#}").len() > says.len(), "what was wrong is told, too: {lost:#}");
        }
    }
}

#[tokio::test]
async fn a_server_names_it_over_tcp_and_unix_sockets() {
    let world = World::tcp(Limits::default()).await;
    for (bytes, name) in CLIENTS {
        let mut peer = BytePeer::greeted(world.address()).await;
        peer.send(bytes).await;
        assert_eq!(
            world.lost().await.reason.to_string(),
            format!("the client speaks {name}, and this server does not")
        );
    }
    #[cfg(unix)]
    {
        let folder = std::env::temp_dir().join(format!("cmd-stream-foreign-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("s");
        let world = World::over(tokio::net::UnixListener::bind(&path).unwrap(), Limits::default());
        for (bytes, name) in CLIENTS {
            let mut socket = within(tokio::net::UnixStream::connect(&path)).await.unwrap();
            within(socket.write_all(bytes)).await.unwrap();
            let lost = world.lost().await.reason.to_string();
            assert_eq!(lost, format!("the client speaks {name}, and this server does not"));
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_byte_that_many_protocols_begin_with_is_not_named() {
    let (dialer, listener) = pipes::pipes();
    let world = World::over(listener, Limits::default().frame_time(Duration::from_secs(2)));
    let mut peer = BytePeer::over(dialer.dial(1 << 16));
    peer.send(&[0x16]).await;
    let lost = world.lost().await.reason;
    assert_eq!(
        (lost.kind(), lost.to_string().contains("TLS")),
        (ErrorKind::Timeout, false),
        "a byte is too little"
    );
}

#[tokio::test(start_paused = true)]
async fn bytes_that_may_be_another_protocol_are_awaited_for_a_moment() {
    let (world, dialer) = over_pipes();
    let mut peer = BytePeer::over(dialer.dial(1 << 16));
    peer.expect(testkit::peer::GREETING).await;
    let began = tokio::time::Instant::now();
    peer.send(b"GET").await;
    let lost = world.lost().await.reason;
    assert_eq!(lost.kind(), ErrorKind::UnknownTag, "{lost:#}");
    let took = began.elapsed();
    assert!((Duration::from_millis(200)..Duration::from_millis(210)).contains(&took), "{took:?}");
    // After a frame it is no question any more.
    let mut peer = BytePeer::over(dialer.dial(1 << 16));
    peer.expect(testkit::peer::GREETING).await;
    peer.send(&[0]).await;
    peer.expect(&[0]).await;
    peer.send(b"GET / HTTP/1.1\r\n").await;
    assert_eq!(world.lost().await.reason.to_string(), "invalid command");
}

/// A client's attempt to connect to a server that sends these bytes, and nothing more.
async fn greeted_by(bytes: &[u8], width: usize, info: Option<ServerInfo>) -> Error {
    let (ours, theirs) = duplex(width);
    let mut builder = Client::builder(Plain, Json);
    if let Some(info) = info {
        builder = builder.server_info(info);
    }
    let mut peer = BytePeer::over(theirs);
    let connecting = async { builder.over(ours, pipes::peer()).await };
    let (error, ()) = within(async { tokio::join!(connecting, sends(&mut peer, bytes)) }).await;
    error.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_client_names_what_its_server_speaks_at_once() {
    let began = tokio::time::Instant::now();
    let tls = "pipe uses TLS, and this client does not".to_owned();
    let expected =
        SERVERS.map(|(bytes, name)| (bytes, format!("pipe speaks {name}, and is no server of cmd-stream")));
    for (bytes, says) in expected.into_iter().chain([(TLS_ALERT, tls.clone()), (TLS_HELLO, tls)]) {
        for width in WIDTHS {
            let error = greeted_by(bytes, width, None).await;
            assert_eq!(
                (error.to_string(), error.kind(), error.origin()),
                (says.clone(), ErrorKind::Decode, Origin::Remote)
            );
        }
    }
    let settings = b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\0\x10\0\0\0\x06\0\0\x40\0";
    let error = greeted_by(settings, 1 << 16, None).await;
    assert_eq!(error.to_string(), "pipe speaks HTTP/2, and is no server of cmd-stream");
    assert_eq!(began.elapsed(), Duration::ZERO, "nothing was waited for");
}

#[tokio::test(start_paused = true)]
async fn a_server_info_that_looks_like_another_protocol_is_one() {
    // 83 is an `S`.
    let info = ServerInfo::new([b"SH-2.0-".as_slice(), &[b'x'; 76]].concat()).unwrap();
    let mut greeting = Vec::new();
    info.encode(&mut greeting);
    assert!(greeting.starts_with(b"SSH-2.0-"));
    for width in WIDTHS {
        let (ours, theirs) = duplex(width);
        let connecting = Client::builder(Plain, Json).server_info(info.clone()).over(ours, pipes::peer());
        let mut peer = BytePeer::over(theirs);
        let (client, ()) = within(async { tokio::join!(connecting, peer.send(&greeting)) }).await;
        client.unwrap();
        // Of another service it is not.
        let error = greeted_by(b"SSH-2.0-OpenSSH_9.6\r\n", width, Some(info.clone())).await;
        assert_eq!(error.to_string(), "pipe speaks SSH, and is no server of cmd-stream");
    }
}

#[tokio::test]
async fn a_client_names_it_over_tcp() {
    for (bytes, name) in SERVERS {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connecting = Client::connect(listener.local_addr().unwrap().to_string(), Plain, Json);
        let serving = async {
            let mut peer = BytePeer::accept(&listener).await;
            peer.send(bytes).await;
            peer.rest().await;
        };
        let (error, ()) = within(async { tokio::join!(connecting, serving) }).await;
        let says = format!("speaks {name}, and is no server of cmd-stream");
        assert!(error.unwrap_err().to_string().ends_with(&says));
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_called_so() {
    let (ours, _theirs) = duplex(64);
    let error = Client::builder(Plain, Json).over(ours, pipes::peer()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(
        error.to_string().contains("it sent nothing, and may be a server that uses TLS, or one of HTTP"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_with_tls_names_a_client_without() {
    let (log, _guard) = Log::start(Level::TRACE);
    let (dialer, listener) = pipes::pipes();
    let tls = server(&Authority::new("ca")).build().unwrap();
    let world = World::over(Listener::new(listener, tls), Limits::default());
    for (already, (bytes, name)) in CLIENTS.into_iter().enumerate() {
        for (nth, width) in WIDTHS.into_iter().enumerate() {
            let mut peer = BytePeer::over(dialer.dial(width));
            sends(&mut peer, bytes).await;
            testkit::wait::until(|| world.counters().handshakes_failed == (2 * already + nth + 1) as u64)
                .await;
            let says = format!("error=the client speaks {name}, and does not speak TLS: its first bytes are");
            log.says(&says).await;
        }
    }
}

#[tokio::test]
async fn a_client_with_tls_names_a_server_without() {
    let tls = client(&Authority::new("ca")).build().unwrap().server_name("localhost");
    for (bytes, name) in SERVERS {
        for width in WIDTHS {
            let (ours, theirs) = duplex(width);
            let (mut read, mut write) = tokio::io::split(theirs);
            // It must take what the client sends.
            let taking =
                tokio::spawn(async move { tokio::io::copy(&mut read, &mut tokio::io::sink()).await });
            let connector = Connector::new(Once(std::sync::Mutex::new(Some(ours))), tls.clone());
            let connecting = Client::builder(Plain, Json).reconnect(false).connect_by(connector);
            let sending = async { drop(write.write_all(bytes).await) };
            let (error, ()) = within(async { tokio::join!(connecting, sending) }).await;
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Tls, "{error:#}");
            let says = format!("the server speaks {name} without TLS: its first bytes are");
            assert!(format!("{error:#}").contains(&says), "{error:#}");
            taking.abort();
        }
    }
}

#[tokio::test]
async fn http_over_tls_is_named_on_both_sides() {
    use cmd_stream::transport::Establish;

    let authority = Authority::new("ca");
    // A server of ours, and a client of HTTP.
    let world = world(server(&authority).build().unwrap()).await;
    let stream = tls::Connector::new(
        cmd_stream::transport::Tcp::new(world.address()),
        client(&authority).build().unwrap(),
    );
    let (mut io, _) = within(within(stream.connect()).await.unwrap().establish()).await.unwrap();
    within(io.write_all(b"GET / HTTP/1.1\r\n\r\n")).await.unwrap();
    within(io.flush()).await.unwrap();
    assert_eq!(world.lost().await.reason.to_string(), "the client speaks HTTP, and this server does not");

    // A server of HTTP, and a client of ours.
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut listener = Listener::new(tcp, server(&authority).build().unwrap());
    let address = cmd_stream::transport::Accept::local_addr(&listener).unwrap().to_string();
    for says in [Some("speaks HTTP, and is no server of cmd-stream"), None] {
        let limits = client::Limits::default().handshake(Duration::from_millis(if says.is_some() {
            10_000
        } else {
            300
        }));
        let builder = Client::builder(Plain, Json).limits(limits);
        let connecting = builder.connect_tls(address.clone(), client(&authority).build().unwrap());
        let serving = async {
            let incoming = cmd_stream::transport::Accept::accept(&mut listener).await.unwrap();
            let (mut io, _) = incoming.establish().await.unwrap();
            if says.is_some() {
                io.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
                io.flush().await.unwrap();
            }
            let _ = io.read(&mut [0]).await;
        };
        let (error, ()) = within(async { tokio::join!(connecting, serving) }).await;
        let error = error.unwrap_err();
        let says = says.unwrap_or("it sent nothing, and may be a server of HTTP");
        assert!(error.to_string().contains(says), "{error}");
    }
}

/// A connector that has one connection.
struct Once(std::sync::Mutex<Option<DuplexStream>>);

impl Connect for Once {
    type Outgoing = (DuplexStream, Peer);

    async fn connect(&self) -> io::Result<Self::Outgoing> {
        let io = self.0.lock().expect("no panic").take();
        io.map(|io| (io, pipes::peer())).ok_or_else(|| io::Error::other("there is no other"))
    }

    fn address(&self) -> String {
        "pipe".into()
    }
}

/// The greeting of a server with another ServerInfo stays a mismatch.
#[tokio::test]
async fn another_server_info_is_told_as_before() {
    let (dialer, listener) = pipes::pipes();
    let builder = Server::builder(Plain, Json, Lab::new()).server_info(ServerInfo::new("other").unwrap());
    tokio::spawn(builder.listen(listener).unwrap().serve());
    let error = Client::builder(Plain, Json).over(dialer.dial(64), pipes::peer()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ServerInfoMismatch);
}
