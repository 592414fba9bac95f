//! Starts a client or a server, of ours or in Go.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cmd_stream::server::{Builder, Handle, LostConnection};
use cmd_stream::transport::Accept;
use cmd_stream::transport::tls::{Listener, ServerTls};
use cmd_stream::{Client, Error, Invoker, Server};
use interop::{SampleFormat, go};
use testkit::process::Process;
use testkit::sample::{EchoCmd, EchoResult, Service};
use testkit::wait::within;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A Format, and its name in the Go peer.
#[derive(Clone, Copy)]
pub(crate) struct Wire<F> {
    pub(crate) name: &'static str,
    pub(crate) format: F,
}

impl<F: SampleFormat> Wire<F> {
    /// The sample service in Go, and its address.
    pub(crate) async fn go_server(self, args: &[&str]) -> (Process, String) {
        go_server("sample", &[&["--format", self.name], args].concat()).await
    }

    /// A scenario of the Go client with the sample service.
    pub(crate) fn go_client(self, address: &str, scenario: &str, args: &[&str]) -> Process {
        go_client("sample", address, &[&["--format", self.name, "--scenario", scenario], args].concat())
    }

    /// A client of ours.
    pub(crate) async fn client(self, address: &str) -> Client<F::Protocol, F> {
        Client::connect(address, F::Protocol::default(), self.format).await.expect("a server listens there")
    }

    /// A client of ours that ends with its connection.
    pub(crate) async fn client_of_one_connection(self, address: &str) -> Client<F::Protocol, F> {
        self.client_builder().reconnect(false).connect(address).await.expect("a server listens there")
    }

    /// The settings of a client of ours.
    pub(crate) fn client_builder(self) -> cmd_stream::client::Builder<F::Protocol, F> {
        Client::builder(F::Protocol::default(), self.format)
    }

    /// The settings of a server of ours.
    pub(crate) fn server_builder(self) -> Builder<F::Protocol, F, Service> {
        Server::builder(F::Protocol::default(), self.format, Service)
    }
}

/// A server of the Go peer, and its address. It ends with this process, even if the process is killed.
pub(crate) async fn go_server(service: &str, args: &[&str]) -> (Process, String) {
    let args = [&["server", "--service", service, "--until-stdin-closes"], args].concat();
    Process::start_server(go_peer(), &args).await
}

/// A server of the Go peer on the address that another one has just left.
pub(crate) async fn restart_go_server(service: &str, address: &str, args: &[&str]) -> Process {
    let first = ["server", "--service", service, "--until-stdin-closes", "--listen", address];
    Process::restart_server(go_peer(), &[&first, args].concat(), address).await
}

/// A client of the Go peer.
pub(crate) fn go_client(service: &str, address: &str, args: &[&str]) -> Process {
    let args = [&["client", "--service", service, "--connect", address], args].concat();
    Process::start(go_peer(), &args)
}

/// The Go peer; the first caller builds it.
fn go_peer() -> &'static Path {
    static PEER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = PEER.get_or_init(|| go::build("go", "peer", Path::new(env!("CARGO_TARGET_TMPDIR"))));
    built.as_deref().unwrap_or_else(|message| panic!("{message}"))
}

/// A server of ours in this process. It is closed when it is dropped.
pub(crate) struct OurServer {
    pub(crate) handle: Handle,
    pub(crate) address: String,
    lost: UnboundedReceiver<Lost>,
}

/// A connection that a server of ours has lost.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) reason: Error,
    pub(crate) commands_left: usize,
}

impl From<&LostConnection<'_>> for Lost {
    fn from(lost: &LostConnection<'_>) -> Self {
        Self { reason: lost.reason.clone(), commands_left: lost.commands_left }
    }
}

impl OurServer {
    pub(crate) async fn start<F: SampleFormat, I: Invoker<F::Protocol>>(
        settings: Builder<F::Protocol, F, Service, I>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self::over(settings, listener)
    }

    pub(crate) async fn start_tls<F: SampleFormat>(
        settings: Builder<F::Protocol, F, Service>,
        tls: ServerTls,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self::over(settings, Listener::new(listener, tls))
    }

    fn over<F: SampleFormat, I: Invoker<F::Protocol>>(
        settings: Builder<F::Protocol, F, Service, I>,
        listener: impl Accept,
    ) -> Self {
        let (sender, lost) = unbounded_channel();
        let settings = settings.on_connection_lost(move |lost| {
            // Nobody listens once the test is over.
            let _ = sender.send(lost.into());
        });
        let server = settings.listen(listener).expect("it has an address");
        let handle = server.handle();
        tokio::spawn(server.serve());
        Self { address: handle.local_addr().to_string(), handle, lost }
    }

    /// Waits for the next lost connection.
    pub(crate) async fn lost(&mut self) -> Lost {
        within(self.lost.recv()).await.expect("the server serves")
    }
}

impl Drop for OurServer {
    fn drop(&mut self) {
        self.handle.close();
    }
}

/// Sends an echo and compares every bit of what comes back.
pub(crate) async fn expect_echo<F: SampleFormat>(client: &Client<F::Protocol, F>, echo: EchoCmd) {
    let EchoCmd { bool, int64, string, float64 } = echo.clone();
    let reply = within(client.send(F::Echo::from(echo))).await.expect("an echo is answered");
    let reply: EchoResult = reply.into();
    assert_eq!((reply.bool, reply.int64, reply.string), (bool, int64, string));
    assert_eq!(reply.float64.to_bits(), float64.to_bits(), "0 and -0 are equal, and not the same");
}
