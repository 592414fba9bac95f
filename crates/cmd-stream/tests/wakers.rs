//! Wakers are the application's code: an executor may let the waker own its task. The library may then hold the last of it,
//! and dropping that drops a call, or a Proxy, of the very connection that the waker was left at. Nothing of it may happen
//! under a lock of the connection: it would be taken twice.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use cmd_stream::protocol::kind::{OneWay, Plain};
use cmd_stream::server::{Limits, OwnedProxy, Scheduling};
use cmd_stream::{Client, Command, Execute, Failed, Json, Problem, Proxy, Reply, Server, client, protocol};
use serde::{Deserialize, Serialize};
use testkit::ends::{both, client_and_bytes, json_frame, server_and_bytes};
use testkit::wait::{PATIENCE, until, within};

/// What a waker owns. Dropping the last waker drops it.
struct Owner(#[expect(dead_code, reason = "it is dropped")] Mutex<Box<dyn Send>>);

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}

fn owner(owned: impl Send + 'static) -> Waker {
    Waker::from(Arc::new(Owner(Mutex::new(Box::new(owned)))))
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> bool {
    future.poll(&mut Context::from_waker(waker)).is_ready()
}

/// How the library loses the waker.
#[derive(Clone, Copy, Debug)]
enum How {
    /// By another waker of the same future.
    Replaced,
    /// The future is dropped.
    Dropped,
    /// What it waits for comes, or never will.
    Ends,
}

const WAYS: [How; 3] = [How::Replaced, How::Dropped, How::Ends];

/// Leaves a waker at the future that owns something, and lets it be lost.
fn lose(
    how: How,
    mut future: Pin<Box<dyn Future<Output = ()> + Send>>,
    owned: impl Send + 'static,
    end: impl FnOnce(),
) {
    let waker = owner(owned);
    // The first poll sends, and the second one renews the waker.
    assert!(!poll(future.as_mut(), Waker::noop()));
    assert!(!poll(future.as_mut(), &waker), "it waits: {how:?}");
    drop(waker);
    match how {
        How::Replaced => assert!(!poll(future.as_mut(), Waker::noop())),
        How::Dropped => drop(future),
        How::Ends => end(),
    }
}

/// Runs a test in a thread of its own: what locks twice never ends.
fn in_time<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let (done, is_done) = channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(test());
        done.send(()).expect("the test waits");
    });
    is_done.recv_timeout(3 * PATIENCE).expect("it ends, and does not wait for a lock of its own");
}

#[derive(Serialize, Deserialize)]
struct Ask;
#[derive(Serialize, Deserialize)]
struct Note(String);
#[derive(Serialize, Deserialize)]
struct Fill;

#[derive(Serialize, Deserialize)]
struct Part {
    text: String,
    last: bool,
}

impl Reply for Part {
    fn is_last(&self) -> bool {
        self.last
    }
}

impl Command for Ask {
    type Reply = Part;
    type Kind = Plain;
}
impl Command for Note {
    type Reply = ();
    type Kind = OneWay;
}
impl Command for Fill {
    type Reply = Part;
    type Kind = Plain;
}

protocol! {
    struct Owning {
        commands { 0 => Ask, 1 => Note, 2 => Fill }
        replies { 0 => Part, 1 => Problem }
        failure Problem
    }
}

/// The Receiver: the Proxies of Commands that wait for the test.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<OwnedProxy<Part>>>>);

impl Kept {
    fn push(&self, proxy: OwnedProxy<Part>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(proxy);
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn take(&self) -> OwnedProxy<Part> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().expect("there is one")
    }
}

impl Execute<Kept> for Ask {
    async fn execute(self, kept: &Kept, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        kept.push(proxy.into_owned());
        Ok(())
    }
}

impl Execute<Kept> for Note {
    async fn execute(self, _: &Kept, _: Proxy<'_, ()>) -> Result<(), Failed> {
        Ok(())
    }
}

impl Execute<Kept> for Fill {
    const SCHEDULING: Scheduling = Scheduling::Spawned;

    async fn execute(self, kept: &Kept, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        proxy.send(Part { text: "x".repeat(1 << 20), last: false }).await?;
        kept.push(proxy.into_owned());
        Ok(())
    }
}

type Waits = fn(Client<Owning, Json>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

const WAITS: [(&str, Waits); 6] = [
    ("a call", |client| Box::pin(async move { drop(client.send(Ask).await) })),
    ("a one-way call", |client| {
        // More than the buffer of the connection takes.
        Box::pin(async move { drop(client.post(Note("x".repeat(1 << 20))).await) })
    }),
    ("a stream", |client| {
        Box::pin(async move {
            let mut stream = client.stream(Ask).await.expect("it is sent");
            while stream.next().await.is_some() {}
        })
    }),
    ("room", |client| {
        Box::pin(async move {
            let first = client.send(Ask);
            let mut first = pin!(first);
            assert!(!poll(first.as_mut(), Waker::noop()));
            let mut all: Vec<_> = (0..8).map(|_| Box::pin(client.send(Ask))).collect();
            std::future::poll_fn(|cx| {
                let ready =
                    all.iter_mut().filter_map(|call| call.as_mut().poll(cx).is_ready().then_some(())).count();
                if ready == all.len() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        })
    }),
    ("the end", |client| Box::pin(async move { drop(client.closed().await) })),
    ("a change", |client| {
        let mut links = client.links();
        drop(client);
        Box::pin(async move { while links.changed().await.is_some() {} })
    }),
];

#[test]
fn a_client_drops_no_waker_under_its_lock() {
    in_time(|| async {
        for (what, waits) in WAITS {
            for how in WAYS {
                let limits = client::Limits::default().in_flight(6);
                let builder = Client::builder(Owning, Json).limits(limits);
                let (client, _peer) = within(client_and_bytes(builder, 64)).await;
                // What the waker owns is in the table, too.
                let owned = {
                    let client = client.clone();
                    let mut call = Box::pin(async move { drop(client.send(Ask).await) });
                    assert!(!poll(call.as_mut(), Waker::noop()));
                    call
                };
                eprintln!("{what}: {how:?}"); // what it was, if it waits for ever
                let keeps = client.clone();
                lose(how, waits(client.clone()), owned, || client.close());
                keeps.close();
            }
        }
    });
}

#[test]
fn a_server_drops_no_waker_under_the_lock_of_a_connection() {
    in_time(|| async {
        for how in WAYS {
            let kept = Kept::default();
            let server = Server::builder(Owning, Json, kept.clone()).limits(Limits::default().output(1));
            let (_server, mut peer) = within(server_and_bytes(server)).await;
            peer.send(&[json_frame(1, 0, "null"), json_frame(2, 0, "null")].concat()).await;
            until(|| kept.len() == 2).await;
            // The output is full then, as the client does not read. The two would not start any more.
            peer.send(&json_frame(3, 2, "null")).await;
            until(|| kept.len() == 3).await;
            let filler = kept.take();
            let (waiter, owned) = (kept.take(), kept.take());
            let waiting = Box::pin(async move { drop(waiter.ready().await) });
            lose(how, waiting, owned, || drop(peer));
            drop(filler);
        }
    });
}

#[test]
fn those_who_wait_for_the_end_of_a_connection_are_no_exception() {
    in_time(|| async {
        for how in WAYS {
            let kept = Kept::default();
            let (client, _server) =
                both(Server::builder(Owning, Json, kept.clone()), Client::builder(Owning, Json)).await;
            let _calls: Vec<_> = (0..2)
                .map(|_| {
                    let client = client.clone();
                    tokio::spawn(async move { drop(client.send(Ask).await) })
                })
                .collect();
            until(|| kept.len() == 2).await;
            let (waiter, owned) = (kept.take(), kept.take());
            lose(how, Box::pin(async move { waiter.closed().await }), owned, || client.close());
        }
    });
}
