//! Commands that wait with a waker of their own, which panics. A Command may poll what it awaits by any executor. Nobody else
//! may notice: neither those who wait for the same, nor the connection, nor who shuts the server down.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use crate::lab::{Losses, quiet};
use crate::pipes::pipes;
use crate::{assert_error, assert_shutdown, call};
use cmd_stream::client::Client;
use cmd_stream::server::{Handle, Limits, Scheduling, Served};
use cmd_stream::transport::{Accept, memory};
use cmd_stream::{ErrorKind, Execute, Failed, Json, Origin, Proxy, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::ends::json_frame;
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::within;
use tokio::io::DuplexStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// What a Command waits for.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
enum What {
    Closed,
    ClosedByItsContext,
    ClosedByAnOwnedProxy,
    GoingAway,
    Room,
}

/// Waits with a waker that panics, and never ends.
#[derive(Serialize, Deserialize)]
struct Panics(What);

/// Waits, and then ends with a Reply if it can.
#[derive(Serialize, Deserialize)]
struct Waits(What);

/// Sends more Replies than there is room for.
#[derive(Serialize, Deserialize)]
struct Fills {}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Text(String);

impl cmd_stream::Reply for Text {
    fn is_last(&self) -> bool {
        self.0 == "last"
    }
}

protocol! {
    struct Waiting {
        commands { 0 => Panics -> Text, 1 => Waits -> Text, 2 => Fills -> Text }
        replies { 0 => Text }
        failure close_connection
    }
}

/// The Receiver.
#[derive(Clone)]
struct Seen {
    /// How many Commands wait, and how many have waited.
    counts: watch::Sender<(usize, usize)>,
    /// Opens when the output is full.
    full: Arc<Semaphore>,
}

impl Seen {
    async fn until_it_can_wait_for(&self, what: What) {
        if what == What::Room {
            self.full.acquire().await.expect("it is never closed").forget();
        }
    }
}

impl What {
    async fn wait(self, proxy: Proxy<'_, Text>) {
        match self {
            Self::Closed => proxy.closed().await,
            Self::ClosedByItsContext => proxy.context().closed().await,
            Self::ClosedByAnOwnedProxy => proxy.into_owned().closed().await,
            Self::GoingAway => proxy.going_away().await,
            Self::Room => drop(proxy.ready().await),
        }
    }
}

struct PanicsWhenWoken;

impl Wake for PanicsWhenWoken {
    fn wake(self: Arc<Self>) {
        panic!("as it likes");
    }
}

impl Execute<Seen> for Panics {
    const SCHEDULING: Scheduling = Scheduling::Spawned;

    async fn execute(self, seen: &Seen, proxy: Proxy<'_, Text>) -> Result<(), Failed> {
        seen.until_it_can_wait_for(self.0).await;
        let waker = Waker::from(Arc::new(PanicsWhenWoken));
        let mut waits = pin!(self.0.wait(proxy));
        assert!(
            waits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(),
            "it waits for {:?}",
            self.0
        );
        seen.counts.send_modify(|(waiting, _)| *waiting += 1);
        pending().await
    }
}

impl Execute<Seen> for Waits {
    const SCHEDULING: Scheduling = Scheduling::Spawned;

    async fn execute(self, seen: &Seen, proxy: Proxy<'_, Text>) -> Result<(), Failed> {
        seen.until_it_can_wait_for(self.0).await;
        seen.counts.send_modify(|(waiting, _)| *waiting += 1);
        let owned = proxy.into_owned();
        match self.0 {
            What::GoingAway => owned.going_away().await,
            What::Room => owned.ready().await?,
            _ => owned.closed().await,
        }
        seen.counts.send_modify(|(_, woken)| *woken += 1);
        owned.send(Text("last".into())).await
    }
}

impl Execute<Seen> for Fills {
    const SCHEDULING: Scheduling = Scheduling::Spawned;

    async fn execute(self, _: &Seen, proxy: Proxy<'_, Text>) -> Result<(), Failed> {
        for _ in 0..5 {
            proxy.send(Text("x".repeat(90))).await?;
        }
        proxy.send(Text("last".into())).await
    }
}

struct World {
    handle: Handle,
    serving: JoinHandle<Served>,
    full: Arc<Semaphore>,
    seen: watch::Receiver<(usize, usize)>,
    losses: Losses,
}

impl World {
    fn over(listener: impl Accept, limits: Limits) -> Self {
        let (counts, seen) = watch::channel((0, 0));
        let full = Arc::new(Semaphore::new(0));
        let receiver = Seen { counts, full: Arc::clone(&full) };
        let (lose, losses) = Losses::channel();
        let server = Server::builder(Waiting, Json, receiver).limits(limits).on_connection_lost(lose);
        let server = server.listen(listener).expect("it has an address");
        Self { handle: server.handle(), serving: tokio::spawn(server.serve()), full, seen, losses }
    }

    async fn until(&mut self, waiting: usize, woken: usize) {
        within(self.seen.wait_for(|seen| *seen == (waiting, woken))).await.expect("the server is there");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_end_of_a_connection_beside_a_waker_that_panics_is_told() {
    for what in [What::Closed, What::ClosedByItsContext, What::ClosedByAnOwnedProxy] {
        let (connector, listener) = memory::pair();
        let mut world = World::over(listener, Limits::default());
        let connect =
            || within(Client::builder(Waiting, Json).reconnect(false).connect_by(connector.clone()));
        let (client, other) = (connect().await.expect("it is there"), connect().await.expect("it is there"));
        let _before = call!(client.send(Waits(What::Closed)));
        world.until(1, 0).await;
        let _panics = call!(client.send(Panics(what)));
        world.until(2, 0).await;
        let _after = call!(client.send(Waits(What::Closed)));
        world.until(3, 0).await;
        let on_the_other = call!(other.send(Waits(What::GoingAway)));
        world.until(4, 0).await;

        client.close();
        world.until(4, 2).await;
        let lost = world.losses.next().await;
        assert_error(&lost.reason, ErrorKind::Closed, Origin::Remote, "the client closed the connection");
        world.handle.shutdown();
        assert_eq!(within(on_the_other).await.unwrap().unwrap(), Text("last".into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_is_shut_down_though_a_command_waits_for_that_with_a_waker_that_panics() {
    let (connector, listener) = memory::pair();
    let mut world = World::over(listener, Limits::default().drain(Duration::from_secs(3)));
    let connect = || within(Client::builder(Waiting, Json).reconnect(false).connect_by(connector.clone()));
    let (client, idle) = (connect().await.expect("it is there"), connect().await.expect("it is there"));
    let before = call!(client.send(Waits(What::GoingAway)));
    world.until(1, 0).await;
    let _panics = call!(client.send(Panics(What::GoingAway)));
    world.until(2, 0).await;
    let after = call!(client.send(Waits(What::GoingAway)));
    world.until(3, 0).await;

    world.handle.shutdown();
    for waited in [before, after] {
        assert_eq!(within(waited).await.unwrap().unwrap(), Text("last".into()));
    }
    assert_eq!(within(idle.closed()).await.kind(), ErrorKind::Closed);
    // The Command that panics never ends, and is cut.
    assert_shutdown(within(world.serving).await.expect("serve does not panic"), 1, 1);
}

/// A Command that fills the output, one that waits for room in it with a waker that panics, and one that just waits.
async fn full_output() -> (World, BytePeer<DuplexStream>) {
    let (dialer, listener) = pipes();
    let mut world = World::over(listener, Limits::default().output(100));
    let mut peer = BytePeer::over(dialer.dial(100));
    peer.expect(GREETING).await;
    let commands = [json_frame(1, 2, "{}"), json_frame(2, 0, r#""Room""#), json_frame(3, 1, r#""Room""#)];
    peer.send(&commands.concat()).await;
    quiet().await;
    world.full.add_permits(2);
    world.until(2, 0).await;
    quiet().await;
    (world, peer)
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_room_beside_a_waker_that_panics_gets_it() {
    let (mut world, mut peer) = full_output().await;
    tokio::spawn(async move { peer.rest().await });
    world.until(2, 1).await;
    quiet().await;
    assert_eq!(world.handle.counters().open, 1, "the connection goes on");
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_in_order_though_a_command_waits_for_room_with_a_waker_that_panics() {
    let (world, peer) = full_output().await;
    drop(peer);
    let lost = world.losses.next().await;
    assert_ne!(lost.reason.kind(), ErrorKind::Panic, "{:#}", lost.reason);
    assert_ne!(format!("{:#}", lost.reason), "the server ended", "its task has panicked");
    quiet().await;
    assert_eq!(world.handle.counters().open, 0);
}
