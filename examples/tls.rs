//! TLS with certificates on both sides: the client verifies the server, and the server verifies the client.
//!
//! ```text
//! cargo run --example tls
//! ```
//!
//! makes an authority and two certificates in memory, so that no key is written anywhere, and starts both ends.
//!
//! An end that runs alone needs a directory with certificates, `--certs DIR`:
//!
//! ```text
//! cargo run --example tls -- --listen 127.0.0.1:9000 --certs certs
//! cargo run --example tls -- --connect 127.0.0.1:9000 --certs certs
//! ```
//!
//! The directory holds `ca.pem`, `server.pem`, `server.key`, `client.pem` and `client.key`. If it is empty or missing,
//! these files are made first, for a server at `localhost` or `127.0.0.1`. If it holds only some of them, the example
//! fails. The example of the same name of the Go library speaks the same bytes inside TLS, so it can be at either
//! end.

use std::io::{self, Write};
use std::path::Path;

use cmd_stream::transport::tls::{Authorities, ClientTls, Identity, Listener, ServerTls};
use cmd_stream::{Answer, Client, Context, Error, Failed, Json, Server, protocol, server};
use examples::BoxError;
use serde::{Deserialize, Serialize};
use testkit::certs::{self, Authority};
use tokio::net::TcpListener;

// The service: a text that is sent back.

struct Service;

#[derive(Serialize, Deserialize)]
struct Echo(String);

#[derive(Serialize, Deserialize)]
struct Echoed(String);

impl Answer<Service> for Echo {
    async fn answer(self, _: &Service, _: &Context<'_>) -> Result<Echoed, Failed> {
        Ok(Echoed(self.0))
    }
}

protocol! {
    struct EchoService {
        commands { 0 => Echo -> Echoed }
        replies { 0 => Echoed }
        failure close_connection
    }
}

/// What both ends need. In production each end has only its own identity.
#[derive(Clone)]
struct Certificates {
    authorities: Authorities,
    server: Identity,
    client: Identity,
}

impl Certificates {
    fn in_memory() -> Self {
        let authority = Authority::new("the authority of an example");
        let (server, client) = (authority.server(&["127.0.0.1"]), authority.client("client"));
        Self {
            authorities: Authorities::pem(authority.pem()),
            server: Identity::pem(&server.chain, &server.key),
            client: Identity::pem(&client.chain, &client.key),
        }
    }

    /// Nothing is read yet. Each end reads only its own files, and those of the authority.
    fn in_directory(directory: &Path) -> Self {
        Self {
            authorities: Authorities::file(directory.join("ca.pem")),
            server: Identity::files(directory.join("server.pem"), directory.join("server.key")),
            client: Identity::files(directory.join("client.pem"), directory.join("client.key")),
        }
    }
}

const CERTS: &str = "--certs DIR";

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let certificates = match examples::option(CERTS)? {
        Some(directory) => {
            certs::write_all_if_missing(Path::new(&directory))?;
            Certificates::in_directory(Path::new(&directory))
        }
        None if examples::is_one_end() => return Err(format!("an end alone needs {CERTS}").into()),
        None => Certificates::in_memory(),
    };
    let for_client = certificates.clone();
    examples::run_with(
        &[CERTS],
        async |address| server(address, certificates).await,
        async |address| client(address, for_client).await,
    )
    .await
}

type TlsServer = Server<EchoService, Json, Service, server::Direct, Listener<TcpListener>>;

async fn server(address: String, certificates: Certificates) -> Result<TlsServer, Error> {
    // `tls.reload()` or `tls.watch(..)` would read the files again while the server runs.
    let tls = ServerTls::builder(certificates.server)
        .require_client_certificates(certificates.authorities)
        .build()?;
    Server::builder(EchoService, Json, Service).bind_tls(address, tls).await
}

async fn client(address: String, certificates: Certificates) -> Result<(), BoxError> {
    // Without `authorities` a server is accepted if the operating system trusts it.
    let tls =
        ClientTls::builder().authorities(certificates.authorities).identity(certificates.client).build()?;
    let connect = || Client::builder(EchoService, Json).connect_tls(&address, tls.clone());
    let client = examples::connect(connect).await?;

    let text = "message";
    print!("Sending {text:?}... ");
    io::stdout().flush()?;
    let Echoed(text) = client.send(Echo(text.into())).await?;
    println!("Result: {text:?}");
    Ok(())
}
