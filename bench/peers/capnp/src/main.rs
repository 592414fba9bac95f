//! capnp-rpc: Cap'n Proto over TCP.
//!
//! Nothing in this library is `Send`: as in its examples, the server has a thread of its own, and the client another one.
//! Together these are the two threads that every participant has.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bench_harness::lines::{Description, Setting, Transport, all_but};
use bench_harness::load::{Client, Echo, Expected, burn_here};
use bench_harness::participant::{Adapter, main as participant};
use bench_harness::workload::Value;
use capnp_rpc::{RpcSystem, rpc_twoparty_capnp, twoparty};
use futures::AsyncReadExt;
use send_wrapper::SendWrapper;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio_util::compat::TokioAsyncReadCompatExt;

use bench_capnp::{bench, numbers};

bench_harness::count_allocations!();

#[allow(clippy::all, reason = "generated")]
mod bench_capnp {
    include!(concat!(env!("OUT_DIR"), "/bench_capnp.rs"));
}

struct Capnp;

struct Service {
    delay: Option<Duration>,
}

impl bench::Server for Service {
    async fn echo(
        self: Rc<Self>,
        params: bench::EchoParams,
        mut results: bench::EchoResults,
    ) -> Result<(), capnp::Error> {
        if let Some(delay) = self.delay {
            tokio::time::sleep(delay).await;
        }
        results.get().set_value(params.get()?.get_value()?)
    }

    async fn stream(
        self: Rc<Self>,
        params: bench::StreamParams,
        _: bench::StreamResults,
    ) -> Result<(), capnp::Error> {
        let to = params.get()?.get_to()?;
        for number in 0..params.get()?.get_replies() {
            let mut next = to.next_request();
            next.get().set_number(number.into());
            next.send().await?; // the flow control of the library lets it go on before the client has it
        }
        to.done_request().send().promise.await.map(drop)
    }

    async fn burn(
        self: Rc<Self>,
        params: bench::BurnParams,
        _: bench::BurnResults,
    ) -> Result<(), capnp::Error> {
        burn_here(Duration::from_millis(params.get()?.get_millis().into()));
        Ok(())
    }
}

/// The client's end of a stream.
struct Counts(Rc<RefCell<Result<Expected, String>>>);

impl numbers::Server for Counts {
    async fn next(self: Rc<Self>, params: numbers::NextParams) -> Result<(), capnp::Error> {
        let number = params.get()?.get_number();
        let mut state = self.0.borrow_mut();
        if let Ok(expected) = &mut *state
            && let Err(error) = expected.reply(number)
        {
            *state = Err(error);
        }
        Ok(())
    }

    async fn done(
        self: Rc<Self>,
        _: numbers::DoneParams,
        _: numbers::DoneResults,
    ) -> Result<(), capnp::Error> {
        Ok(())
    }
}

/// A client, on the one thread that may use it; see [`Adapter::runtime`].
#[derive(Clone)]
struct Connection(Arc<SendWrapper<Handle>>);

struct Handle {
    client: bench::Client,
    disconnector: RefCell<Option<capnp_rpc::Disconnector<rpc_twoparty_capnp::Side>>>,
}

impl Drop for Handle {
    /// Without it, the connection would stay open until the runtime ends.
    fn drop(&mut self) {
        if let Some(disconnector) = self.disconnector.take() {
            tokio::spawn(SendWrapper::new(disconnector));
        }
    }
}

struct Serving {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// Serves until it is told to stop, on a thread of its own.
fn serve_here(listener: std::net::TcpListener, delay: Option<Duration>, stop: oneshot::Receiver<()>) {
    let runtime = current_thread().expect("a runtime can be made, as one was");
    let tasks = LocalSet::new();
    let accepting = async move {
        let listener = TcpListener::from_std(listener).expect("it does not block");
        let service: bench::Client = capnp_rpc::new_client(Service { delay });
        while let Ok((stream, _)) = listener.accept().await {
            if stream.set_nodelay(true).is_ok() {
                let network = network(stream, rpc_twoparty_capnp::Side::Server);
                tokio::task::spawn_local(RpcSystem::new(Box::new(network), Some(service.client.clone())));
            }
        }
    };
    tasks.block_on(&runtime, async {
        tokio::select! {
            () = accepting => {}
            _ = stop => {}
        }
    });
}

fn network(
    stream: TcpStream,
    side: rpc_twoparty_capnp::Side,
) -> twoparty::VatNetwork<futures::io::BufReader<futures::io::ReadHalf<tokio_util::compat::Compat<TcpStream>>>>
{
    let (reader, writer) = stream.compat().split();
    // As in the library's examples.
    twoparty::VatNetwork::new(
        futures::io::BufReader::new(reader),
        futures::io::BufWriter::new(writer),
        side,
        capnp::message::ReaderOptions::default(),
    )
}

fn current_thread() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

impl Adapter for Capnp {
    type Client = Connection;
    type Server = Serving;

    fn describe(&self) -> Description {
        Description {
            name: "capnp-rpc".to_owned(),
            version: "0.27.3".to_owned(),
            settings: "TCP_NODELAY, buffered reader and writer, one thread for the server and one for the client, as in its examples; \
                       otherwise defaults"
                .to_owned(),
            language: "rust".to_owned(),
            formats: vec!["capnp".to_owned()],
            transports: vec![Transport::Tcp],
            can: all_but(&[]),
            variants: Vec::new(),
        }
    }

    /// All clients live on one thread, so that what is wrapped as `Send` never leaves it.
    fn runtime(&self) -> std::io::Result<tokio::runtime::Runtime> {
        current_thread()
    }

    async fn serve(&self, setting: &Setting) -> Result<(String, Serving), String> {
        let listener =
            std::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).map_err(text)?;
        listener.set_nonblocking(true).map_err(text)?;
        let address = listener.local_addr().map_err(text)?.to_string();
        let delay = (setting.delay_ms > 0).then(|| Duration::from_millis(setting.delay_ms));
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || serve_here(listener, delay, stopped));
        Ok((address, Serving { stop, thread }))
    }

    async fn connect(&self, _: &Setting, address: &str) -> Result<Connection, String> {
        let stream = TcpStream::connect(address).await.map_err(text)?;
        stream.set_nodelay(true).map_err(text)?;
        let network = network(stream, rpc_twoparty_capnp::Side::Client);
        let mut system = RpcSystem::new(Box::new(network), None);
        let client = system.bootstrap(rpc_twoparty_capnp::Side::Server);
        let disconnector = RefCell::new(Some(system.get_disconnector()));
        tokio::spawn(SendWrapper::new(system));
        Ok(Connection(Arc::new(SendWrapper::new(Handle { client, disconnector }))))
    }

    async fn stop(&self, server: Serving) -> Result<(), String> {
        let _ = server.stop.send(());
        // It needs nothing of this thread, and this one nothing of it.
        server.thread.join().map_err(|_| "the server has panicked".to_owned())
    }
}

impl Echo for Connection {
    fn echo(&self, value: &'static Value) -> impl Future<Output = Result<Value, String>> + Send {
        let connection = self.clone();
        SendWrapper::new(async move {
            let mut request = connection.0.client.echo_request();
            let mut to = request.get().init_value();
            to.set_bool(value.bool);
            to.set_int64(value.int64);
            to.set_string(&value.string);
            to.set_float64(value.float64);
            let reply = request.send().promise.await.map_err(text)?;
            let value = reply.get().and_then(|reply| reply.get_value()).map_err(text)?;
            let string = value.get_string().map_err(text)?.to_string().map_err(text)?;
            let (bool, int64, float64) = (value.get_bool(), value.get_int64(), value.get_float64());
            Ok(Value { bool, int64, string, float64 })
        })
    }
}

impl Client for Connection {
    fn stream(&self, replies: u32) -> impl Future<Output = Result<(), String>> + Send {
        let connection = self.clone();
        SendWrapper::new(async move {
            let state = Rc::new(RefCell::new(Ok(Expected::new(replies))));
            let mut request = connection.0.client.stream_request();
            request.get().set_replies(replies);
            request.get().set_to(capnp_rpc::new_client(Counts(Rc::clone(&state))));
            request.send().promise.await.map_err(text)?;
            state.replace(Err("taken".to_owned()))?.ended()
        })
    }

    fn burn(&self, millis: u32) -> impl Future<Output = Result<(), String>> + Send {
        let connection = self.clone();
        SendWrapper::new(async move {
            let mut request = connection.0.client.burn_request();
            request.get().set_millis(millis);
            request.send().promise.await.map(drop).map_err(text)
        })
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn main() -> ExitCode {
    participant(&Capnp)
}
