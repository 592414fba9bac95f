//! The cryptography that an application has installed for its process is used, and nothing is installed. In a process of
//! its own, as there is one default per process.

use std::sync::atomic::{AtomicUsize, Ordering};

use cmd_stream::transport::tls::rustls::CipherSuite;
use cmd_stream::transport::tls::rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom, aws_lc_rs};
use cmd_stream::transport::tls::{Authorities, ClientTls, Identity, ServerTls};
use cmd_stream::{Client, Json, Server};
use testkit::certs::Authority;
use testkit::sample::{EchoCmd, Sample, Service};
use testkit::wait::within;

/// Random numbers of aws-lc-rs, which are counted.
#[derive(Debug)]
struct Counted;

static DRAWN: AtomicUsize = AtomicUsize::new(0);

impl SecureRandom for Counted {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        DRAWN.fetch_add(1, Ordering::Relaxed);
        aws_lc_rs::default_provider().secure_random.fill(buffer)
    }
}

async fn one_call() {
    let authority = Authority::new("ca");
    let issued = authority.server(&["localhost"]);
    let tls = ServerTls::builder(Identity::pem(&issued.chain, &issued.key))
        .require_client_certificates(Authorities::pem(authority.pem()))
        .build()
        .expect("it was made here");
    let server =
        Server::builder(Sample, Json, Service).bind_tls(("localhost", 0), tls).await.expect("a free port");
    let port = server.handle().local_addr().socket_addr().expect("it is TCP").port();
    tokio::spawn(server.serve());
    let issued = authority.client("alice");
    let tls = ClientTls::builder()
        .authorities(Authorities::pem(authority.pem()))
        .identity(Identity::pem(&issued.chain, &issued.key))
        .build()
        .expect("it was made here");
    let client = within(Client::builder(Sample, Json).connect_tls(("localhost", port), tls)).await;
    within(client.expect("it is trusted").send(EchoCmd::default())).await.expect("a reply");
}

#[tokio::test]
async fn the_default_of_the_process_is_used_and_none_is_installed() {
    one_call().await;
    assert!(CryptoProvider::get_default().is_none(), "nothing was installed");
    assert_eq!(DRAWN.load(Ordering::Relaxed), 0);

    let mut theirs = aws_lc_rs::default_provider();
    theirs.cipher_suites.retain(|suite| suite.suite() == CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);
    theirs.secure_random = &Counted;
    theirs.install_default().expect("nothing was installed before");
    one_call().await;
    assert!(DRAWN.load(Ordering::Relaxed) > 0);
    assert_eq!(CryptoProvider::get_default().map(|theirs| theirs.cipher_suites.len()), Some(1));
}
