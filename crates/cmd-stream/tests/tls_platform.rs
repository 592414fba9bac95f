//! Without authorities of its own a client trusts those of the platform. In a process of its own, whose roots the
//! environment names.

#![cfg(target_os = "linux")]

use std::process::Command;

use cmd_stream::transport::tls::{ClientTls, Identity, ServerTls};
use cmd_stream::{Client, ErrorKind, Json, Server};
use testkit::certs::Authority;
use testkit::sample::{EchoCmd, Sample, Service};
use testkit::wait::within;

/// Says to the process that is started below where the server is.
const SERVER: &str = "CMD_STREAM_TEST_TLS_SERVER";

#[tokio::test]
async fn the_roots_of_the_platform_are_trusted_and_no_others() {
    if let Ok(address) = std::env::var(SERVER) {
        return call(&address).await;
    }
    let authority = Authority::new("ca");
    let issued = authority.server(&["localhost"]);
    let tls =
        ServerTls::builder(Identity::pem(&issued.chain, &issued.key)).build().expect("it was made here");
    let server =
        Server::builder(Sample, Json, Service).bind_tls(("localhost", 0), tls).await.expect("a free port");
    let port = server.handle().local_addr().socket_addr().expect("it is TCP").port();
    tokio::spawn(server.serve());
    let address = format!("localhost:{port}");

    let (ours, theirs) = (authority.pem(), Authority::new("another").pem().to_owned());
    for (roots, is_trusted) in [(ours, true), (&*theirs, false)] {
        let file =
            std::env::temp_dir().join(format!("cmd-stream-tls-roots-{}-{is_trusted}", std::process::id()));
        std::fs::write(&file, roots).expect("a temporary file");
        let mut child = Command::new(std::env::current_exe().expect("this program"));
        child.env(SERVER, &address).env("SSL_CERT_FILE", &file).env_remove("SSL_CERT_DIR");
        let ended = tokio::task::spawn_blocking(move || child.output()).await.expect("no panic");
        let ended = ended.expect("it can be started");
        std::fs::remove_file(&file).expect("it was written");
        let output = String::from_utf8_lossy(&ended.stdout);
        assert_eq!(ended.status.success(), is_trusted, "{output}");
        assert_eq!(
            output.contains("the server's certificate is of an unknown authority"),
            !is_trusted,
            "{output}"
        );
    }
}

async fn call(address: &str) {
    let tls = ClientTls::builder().build().expect("there are roots");
    let client = within(Client::builder(Sample, Json).connect_tls(address, tls)).await;
    let client = client.unwrap_or_else(|error| {
        assert_eq!(error.kind(), ErrorKind::Tls);
        panic!("{error:#}")
    });
    within(client.send(EchoCmd::default())).await.expect("a reply");
}
