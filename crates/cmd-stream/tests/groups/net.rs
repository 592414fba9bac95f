//! Servers by their addresses: such as a test plays, and real ones. What connects to them goes through memory.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use cmd_stream::client::Link;
use cmd_stream::group::Endpoints;
use cmd_stream::server::Limits;
use cmd_stream::transport::{Address, Connect, Peer};
use cmd_stream::{Json, Sender};
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::within;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};

use crate::lab::{Plain, World};
use crate::pipes::pipes;

type Answer = oneshot::Sender<io::Result<DuplexStream>>;

/// Who listens where. Whoever dials another address is refused.
#[derive(Clone, Default)]
pub(crate) struct Net(Arc<Mutex<HashMap<String, mpsc::UnboundedSender<Answer>>>>);

/// Dials one address.
pub(crate) struct Dialer(Net, Address);

/// The attempts to connect to one address, one after the other.
pub(crate) struct Dials(mpsc::UnboundedReceiver<Answer>);

/// How many bytes of each direction a connection holds, unless a test says otherwise.
pub(crate) const WIDE: usize = 1 << 20;

pub(crate) type Builder = cmd_stream::sender::Builder<Plain, Json>;

pub(crate) fn builder() -> Builder {
    Sender::builder(Plain, Json)
}

impl Net {
    /// A server that the test plays.
    pub(crate) fn server(&self, address: &str) -> Dials {
        let (attempts, answers) = mpsc::unbounded_channel();
        self.0.lock().unwrap().insert(address.into(), attempts);
        Dials(answers)
    }

    /// A real one.
    pub(crate) fn world(&self, address: &str) -> World {
        let (dialer, listener) = pipes();
        let mut dials = self.server(address);
        tokio::spawn(async move {
            while let Some(answer) = dials.0.recv().await {
                let _ = answer.send(Ok(dialer.dial(WIDE)));
            }
        });
        World::over(listener, Limits::default())
    }

    /// Nobody listens there any more.
    pub(crate) fn remove(&self, address: &str) {
        self.0.lock().unwrap().remove(address);
    }

    /// Makes what connects to an address.
    pub(crate) fn dialer(&self) -> impl Fn(&Address) -> Dialer + Send + Sync + 'static + use<> {
        let net = self.clone();
        move |address| Dialer(net.clone(), address.clone())
    }
}

impl Connect for Dialer {
    type Outgoing = (DuplexStream, Peer);

    async fn connect(&self) -> io::Result<(DuplexStream, Peer)> {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let (answer, answered) = oneshot::channel();
        let address = self.1.to_string();
        let attempts = self.0.0.lock().unwrap().get(&address).cloned();
        attempts.ok_or_else(refused)?.send(answer).map_err(|_| refused())?;
        Ok((answered.await.map_err(|_| refused())??, Peer::other(address)))
    }

    fn address(&self) -> String {
        self.1.to_string()
    }
}

impl Dials {
    /// The next attempt. It waits as long as the client does.
    pub(crate) async fn attempt(&mut self) -> Answer {
        self.0.recv().await.expect("somebody may dial")
    }

    /// Whether there is an attempt now.
    pub(crate) fn attempt_now(&mut self) -> Option<Answer> {
        self.0.try_recv().ok()
    }

    /// Connects the next attempt, and greets.
    pub(crate) async fn accept(&mut self) -> BytePeer<DuplexStream> {
        self.accept_narrow(WIDE).await
    }

    pub(crate) async fn accept_narrow(&mut self, bytes: usize) -> BytePeer<DuplexStream> {
        greet(self.attempt().await, bytes).await
    }
}

/// Connects an attempt, and greets.
pub(crate) async fn greet(answer: Answer, bytes: usize) -> BytePeer<DuplexStream> {
    let (ours, theirs) = duplex(bytes);
    let mut peer = BytePeer::over(theirs);
    peer.send(GREETING).await;
    answer.send(Ok(ours)).expect("the attempt goes on");
    peer
}

/// The connections of two members, in their order, and where they dial again.
pub(crate) struct Two {
    pub(crate) addresses: [&'static str; 2],
    pub(crate) dials: [Dials; 2],
    pub(crate) peers: [BytePeer<DuplexStream>; 2],
}

/// Connects two members to a server each. The connection of the first one holds so many bytes.
#[macro_export]
macro_rules! two {
    ($builder:expr, $bytes:expr) => {{
        let net = $crate::net::Net::default();
        let mut dials = [net.server("a:1"), net.server("b:1")];
        let builder = $builder.endpoints(["a:1", "b:1"]).minimum(2);
        let [one, two] = &mut dials;
        let (sender, one, two) = tokio::join!(
            testkit::wait::within(builder.connect_by(net.dialer())),
            one.accept_narrow($bytes),
            two.accept_narrow($bytes)
        );
        let sender = sender.expect("both greet");
        let mut two = $crate::net::Two { addresses: ["a:1", "b:1"], dials, peers: [one, two] };
        if $crate::net::peer_of(&sender, 0) != "a:1" {
            two.addresses.reverse();
            two.dials.reverse();
            two.peers.reverse();
        }
        (net, sender, two)
    }};
}

/// The server of a member.
pub(crate) fn peer_of<P, F, H>(sender: &Sender<P, F, H>, member: usize) -> String
where
    P: cmd_stream::protocol::Protocol,
    H: cmd_stream::hooks::Hooks<P>,
{
    match sender.group().members().nth(member).expect("it exists").link() {
        Link::Up(peer) => peer.to_string(),
        other => format!("{other:?}"),
    }
}

/// The servers of all members that have a connection, in the order of their names.
pub(crate) fn peers_of(sender: &Sender<Plain, Json>) -> Vec<String> {
    let link = |member: cmd_stream::group::Member| match member.link() {
        Link::Up(peer) => Some(peer.to_string()),
        _ => None,
    };
    let mut peers: Vec<_> = sender.group().members().filter_map(link).collect();
    peers.sort();
    peers
}

/// A source of sets, which the test gives.
pub(crate) struct Sets(mpsc::UnboundedReceiver<Vec<Address>>);

/// Gives sets to a source.
pub(crate) struct Give(mpsc::UnboundedSender<Vec<Address>>);

pub(crate) fn sets(first: &[&str]) -> (Give, Sets) {
    let (give, sets) = mpsc::unbounded_channel();
    let give = Give(give);
    if !first.is_empty() {
        give.set(first);
    }
    (give, Sets(sets))
}

impl Give {
    pub(crate) fn set(&self, addresses: &[&str]) {
        self.0.send(addresses.iter().map(|&address| address.into()).collect()).expect("the source is used");
    }

    /// Waits until the source is dropped.
    pub(crate) async fn dropped(&self) {
        within(self.0.closed()).await;
    }
}

impl Endpoints for Sets {
    async fn next(&mut self) -> Option<Vec<Address>> {
        self.0.recv().await
    }
}

/// Takes the first member that is available.
pub(crate) struct First;

impl cmd_stream::group::Strategy for First {
    fn pick(&self, members: &cmd_stream::group::Members<'_>) -> Option<usize> {
        (0..members.len()).find(|&member| members.is_available(member))
    }
}
