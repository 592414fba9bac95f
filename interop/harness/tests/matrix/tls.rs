//! TLS with Go's `crypto/tls`, with certificates on one side and on both.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use cmd_stream::transport::tls::{Authorities, ClientTls, Identity, ServerTls};
use cmd_stream::{Client, Error, ErrorKind, Origin};
use interop::SampleFormat;
use testkit::certs::{Authority, write_all};
use testkit::sample::EchoCmd;
use testkit::wait::{until, within};

use crate::support::{OurServer, Wire, expect_echo};

/// A directory with certificates for both sides. It is removed in the end.
pub(crate) struct Certs(PathBuf);

impl Certs {
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cmd-stream-interop-{}-{count}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        write_all(&path).expect("a temporary directory");
        Self(path)
    }

    pub(crate) fn directory(&self) -> &str {
        self.0.to_str().expect("it is text")
    }

    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.directory())
    }

    fn identity(&self, name: &str) -> Identity {
        Identity::files(self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")))
    }

    fn authorities(&self) -> Authorities {
        Authorities::file(self.path("ca.pem"))
    }

    /// The options of an end in Go. With an authority it verifies the other end.
    fn go(&self, name: &str, authority: bool) -> Vec<String> {
        let mut args = vec!["--tls-cert".into(), self.path(&format!("{name}.pem"))];
        args.extend(["--tls-key".into(), self.path(&format!("{name}.key"))]);
        if authority {
            args.extend(["--tls-ca".into(), self.path("ca.pem")]);
        }
        args
    }

    fn client(&self, with_identity: bool) -> ClientTls {
        let tls = ClientTls::builder().authorities(self.authorities());
        let tls = if with_identity { tls.identity(self.identity("client")) } else { tls };
        tls.build().expect("they were made here")
    }

    fn server(&self, mutual: bool) -> ServerTls {
        let tls = ServerTls::builder(self.identity("server"));
        let tls = if mutual { tls.require_client_certificates(self.authorities()) } else { tls };
        tls.build().expect("they were made here")
    }
}

impl Drop for Certs {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn borrowed(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

async fn connect<F: SampleFormat>(
    wire: Wire<F>,
    address: &str,
    tls: ClientTls,
) -> Result<Client<F::Protocol, F>, Error> {
    within(wire.client_builder().connect_tls(address, tls)).await
}

pub(crate) async fn our_client_and_a_go_server_verify_each_other<F: SampleFormat>(wire: Wire<F>) {
    let certs = Certs::new("go-server");
    for mutual in [false, true] {
        let (mut server, address) = wire.go_server(&borrowed(&certs.go("server", mutual))).await;
        let client = connect(wire, &address, certs.client(mutual)).await.expect("they trust each other");
        for len in [0, 1, 16_000, 100_000, 1 << 20] {
            expect_echo(&client, EchoCmd { string: "x".repeat(len), ..EchoCmd::default() }).await;
        }
        client.close();
        server.expect_line("lost: EOF").await; // which is a close_notify
    }
}

pub(crate) async fn a_go_client_and_our_server_verify_each_other<F: SampleFormat>(wire: Wire<F>) {
    let certs = Certs::new("go-client");
    for mutual in [false, true] {
        let mut server = OurServer::start_tls(wire.server_builder(), certs.server(mutual)).await;
        let identity =
            if mutual { certs.go("client", true) } else { vec!["--tls-ca".into(), certs.path("ca.pem")] };
        for scenario in ["unary", "pipelined", "streaming", "keepalive"] {
            wire.go_client(&server.address, scenario, &borrowed(&identity)).expect_success(&["ok"]).await;
            let lost = server.lost().await.reason;
            assert_eq!((lost.kind(), lost.origin()), (ErrorKind::Closed, Origin::Remote), "{lost:#}");
        }
        let before = server.handle.counters().started;
        let mut client = wire.go_client(&server.address, "killed", &borrowed(&identity));
        client.expect_line("waiting").await;
        until(|| server.handle.counters().started > before).await;
        server.handle.close();
        client.expect_line("failed: EOF").await;
        client.expect_success(&["ok"]).await;
    }
}

pub(crate) async fn a_go_server_that_requires_a_certificate_is_named_by_our_client<F: SampleFormat>(
    wire: Wire<F>,
) {
    let certs = Certs::new("missing");
    let (_server, address) = wire.go_server(&borrowed(&certs.go("server", true))).await;
    let error = connect(wire, &address, certs.client(false)).await.expect_err("it has no certificate");
    assert_eq!((error.kind(), error.origin()), (ErrorKind::Tls, Origin::Remote), "{error:#}");
    assert!(
        format!("{error:#}").contains("the server requires a client certificate, and none is set"),
        "{error:#}"
    );
}

pub(crate) async fn a_go_client_without_a_certificate_is_named_by_our_server<F: SampleFormat>(wire: Wire<F>) {
    let certs = Certs::new("anonymous");
    let server = OurServer::start_tls(wire.server_builder(), certs.server(true)).await;
    let args = ["--tls-ca", &certs.path("ca.pem")];
    let ended = wire.go_client(&server.address, "unary", &args).end().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.complaints.contains("tls: certificate required"), "{ended:?}");
    until(|| server.handle.counters().handshakes_failed == 1).await;
}

pub(crate) async fn an_unknown_authority_is_named_by_our_side<F: SampleFormat>(wire: Wire<F>) {
    let certs = Certs::new("unknown");
    let (_server, address) = wire.go_server(&borrowed(&certs.go("server", true))).await;
    let other = Authority::new("another authority");
    let tls = ClientTls::builder().authorities(Authorities::pem(other.pem())).build().expect("it is PEM");
    let error = connect(wire, &address, tls).await.expect_err("another authority");
    assert!(
        format!("{error:#}").contains("the server's certificate is of an unknown authority"),
        "{error:#}"
    );

    // The client trusts the server, and not the other way round.
    let issued = other.client("mallory");
    let tls = ClientTls::builder().authorities(certs.authorities());
    let tls = tls.identity(Identity::pem(&issued.chain, &issued.key)).build().expect("it was made here");
    let error = connect(wire, &address, tls).await.expect_err("another authority");
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:#}");
    let says = "the server refuses this client's certificate: it is of an authority unknown there";
    assert!(format!("{error:#}").contains(says), "{error:#}");
}
