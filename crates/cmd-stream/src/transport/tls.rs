//! TLS 1.3 and 1.2 over any other transport, with certificates on the server or on both sides (feature `tls`).
//!
//! ```no_run
//! # use cmd_stream::{protocol, Answer, Context, Failed, Json};
//! # use serde::{Deserialize, Serialize};
//! # struct Calc;
//! # #[derive(Serialize, Deserialize)] struct Add { a: i64, b: i64 }
//! # #[derive(Serialize, Deserialize)] struct Sum(i64);
//! # impl Answer<Calc> for Add {
//! #     async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Sum, Failed> { Ok(Sum(self.a + self.b)) }
//! # }
//! # protocol! {
//! #     struct Calculator { commands { 0 => Add -> Sum } replies { 0 => Sum } failure close_connection }
//! # }
//! # async fn f() -> Result<(), cmd_stream::Error> {
//! use cmd_stream::transport::tls::{Authorities, ClientTls, Identity, ServerTls};
//! use cmd_stream::{Client, Server};
//!
//! let tls = ServerTls::builder(Identity::files("server.pem", "server.key"))
//!     .require_client_certificates(Authorities::file("ca.pem"))
//!     .build()?;
//! let server = Server::builder(Calculator, Json, Calc).bind_tls("0.0.0.0:9000", tls).await?;
//!
//! let tls = ClientTls::builder()
//!     .authorities(Authorities::file("ca.pem"))
//!     .identity(Identity::files("client.pem", "client.key"))
//!     .build()?;
//! let client = Client::builder(Calculator, Json).connect_tls("shop.example:9000", tls).await?;
//! # let _ = (server, client);
//! # Ok(()) }
//! ```
//!
//! - **Reload**: [`ServerTls::reload`] and [`ServerTls::watch`], and the same on [`ClientTls`]. New connections use the new
//!   certificates, and no connection is dropped.
//! - **Several names**: [`ServerTlsBuilder::also`]. The client's SNI chooses the certificate.
//! - **Who the client is**: its verified certificate is [`Peer::certificate`]. Commands, Invokers and callbacks see it:
//!   `context.connection().peer()`.
//! - **Over other transports**: [`Listener`] and [`Connector`] put TLS over any [`Accept`](super::Accept) or
//!   [`Connect`](super::Connect).
//! - **Everything else** (ALPN, revocation lists, keys in hardware): make a [`rustls`] configuration, and convert it to a
//!   [`ServerTls`] or [`ClientTls`].
//!
//! # What is chosen
//!
//! - TLS 1.2 and 1.3, and no ALPN, as in Go.
//! - Sessions are not resumed. A resumed session is not verified again, so it would outlive the client's certificate and a
//!   reload; and connections of this library are few and long.
//! - Without [`ClientTlsBuilder::authorities`], the operating system decides whom a client trusts, by
//!   `rustls-platform-verifier`: its roots, and on macOS, Windows and Android also its rules and revocations. On Linux
//!   these are the roots in `/etc/ssl`, or in the file that `SSL_CERT_FILE` names.
//!
//! # Handshakes that fail
//!
//! The side that refuses the other tells it why, and reports its own error at once. The connection is then read in the
//! background for at most 1 s, until the other side has closed it, because closing it earlier could destroy the reason
//! on its way. At most 128 connections of a process are read so at the same time. Further ones are closed at once, and
//! their peers may see a reset instead of the reason.
//!
//! # Cryptography
//!
//! If the application has installed a [`rustls::crypto::CryptoProvider`] for the process, that one is used. Otherwise it is
//! aws-lc-rs, and nothing is installed. The provider is looked up whenever settings are built or reloaded.
//!
//! aws-lc-rs was preferred to ring because it is what rustls itself prefers, several people are paid to maintain it, it is
//! faster on current processors, and it has the post-quantum key exchange X25519MLKEM768, which Go uses by default as
//! well. It takes longer to build than ring. It needs a C compiler, and on some platforms CMake.

use std::io;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Io, Peer};
use crate::sync::Arc;

mod ahead;
mod client;
mod reason;
mod reload;
mod server;
mod source;
mod stream;

/// The TLS library: the version whose configurations are accepted here.
pub use tokio_rustls::rustls;

pub use client::{ClientTls, ClientTlsBuilder, Connector, Outgoing};
pub use server::{Incoming, Listener, ServerTls, ServerTlsBuilder};
pub use source::{Authorities, Identity};
pub use stream::Stream;

/// The cryptography that the application has chosen, or ours.
fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

/// Adds the first certificate of the chain that a peer has sent: its own one, whose key it has. The others may be any
/// certificates, as those that the verifier does not need are not looked at.
fn peer_with(peer: Peer, chain: Option<&[CertificateDer<'_>]>) -> Peer {
    match chain.and_then(<[_]>::first) {
        Some(own) => peer.with_certificate(own.to_vec()),
        None => peer,
    }
}

/// Lets the peer read why TLS has failed: closes this direction, and reads until the peer has closed the other. When a
/// socket with unread bytes is closed, the system resets the connection, and what was sent last may be lost.
///
/// It returns at once: a task of its own reads. The peer must not be able to delay the error, or to turn it into a time-out.
fn hang_up(io: impl Io, error: &io::Error) {
    if !reason::is_of_tls(error) {
        return;
    }
    // Otherwise the connection is just closed.
    if let (Ok(permit), Ok(runtime)) = (LINGERING.try_acquire(), Handle::try_current()) {
        runtime.spawn(async move {
            let _ = timeout(LINGER, farewell(io)).await;
            drop(permit);
        });
    }
}

async fn farewell(mut io: impl Io) -> io::Result<()> {
    io.shutdown().await?;
    let mut buffer = vec![0; 4096];
    for _ in 0..LINGER_READS {
        if io.read(&mut buffer).await? == 0 {
            break;
        }
    }
    Ok(())
}

/// For how long, and for how many reads, a connection on which the handshake has failed is still read.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_READS: usize = 16;

/// How many connections of the process may linger at the same time. They no longer count as connections of their server,
/// so they need a limit of their own. 128 hold at most half a megabyte of buffers.
static LINGERING: Semaphore = Semaphore::const_new(128);
