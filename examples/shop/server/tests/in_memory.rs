//! The whole service, Invokers and Format included, over connections in memory: no socket, no port.

use cmd_stream::protocol::Protocol;
use cmd_stream::server::{Counters, Cut, Ended, Handle, Invocation, Served};
use cmd_stream::transport::memory::{self, Connector};
use cmd_stream::{CallError, Client, ErrorKind, Failed, Invoker, Mus, ServerInfo};
use shop_api::{
    AddToCart, Browse, FindProduct, Item, Listing, PlaceOrder, Reason, Restock, Shop, ShopError,
    SignIn, Stock, Viewed, WatchStock,
};
use shop_client::{ShopSender, connect_by};
use shop_server::{Store, opening_stock, shop};
use testkit::wait::within;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// A shop that has just opened, and what connects to it.
struct Opened {
    connector: Connector,
    handle: Handle,
    serving: JoinHandle<Served>,
    ended: UnboundedReceiver<&'static str>,
}

/// One more Invoker, inside those of the shop: it tells the test which Commands have ended.
struct Witness(UnboundedSender<&'static str>);

impl<P: Protocol> Invoker<P> for Witness {
    async fn invoke(&self, invocation: impl Invocation<P>) -> Result<Ended, Failed> {
        let name = invocation.entry().name;
        let ended = invocation.run().await;
        let _ = self.0.send(name); // the test may have ended
        ended
    }
}

impl Opened {
    fn new() -> Self {
        let (connector, listener) = memory::pair();
        let (witness, ended) = unbounded_channel();
        let server = shop(Store::new(opening_stock())).invoker(Witness(witness));
        let server = server.listen(listener).expect("memory has an address");
        let handle = server.handle();
        let serving = tokio::spawn(server.serve());
        Self {
            connector,
            handle,
            serving,
            ended,
        }
    }

    async fn connect(&self) -> ShopSender {
        let connected = within(connect_by(self.connector.clone())).await;
        connected.expect("both are of the same version")
    }

    /// Waits until what the server counts is as it should be.
    async fn until(&self, arrived: impl Fn(Counters) -> bool) {
        within(async {
            while !arrived(self.handle.counters()) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Each test ends with the shop: nothing is left running.
    async fn shut_down(self) -> Served {
        self.handle.shutdown();
        within(self.serving).await.expect("it does not panic")
    }
}

fn pots(quantity: u32) -> Item {
    Item {
        sku: "pot-001".into(),
        quantity,
    }
}

fn reason<T>(called: Result<T, CallError<ShopError>>) -> Reason {
    match called {
        Err(CallError::Failed(refusal)) => refusal.reason,
        Err(CallError::Other(error)) => panic!("the connection is lost: {error:#}"),
        Ok(_) => panic!("it is not refused"),
    }
}

#[tokio::test]
async fn commands_that_need_a_customer_or_the_staff_are_refused_to_others() {
    let opened = Opened::new();
    let stranger = opened.connect().await;
    assert_eq!(
        reason(stranger.send(SignIn("a hairpin".into())).await),
        Reason::NotSignedIn
    );
    assert_eq!(
        reason(stranger.send(AddToCart(pots(1))).await),
        Reason::NotSignedIn
    );
    assert_eq!(reason(stranger.send(PlaceOrder).await), Reason::NotSignedIn);
    assert_eq!(
        reason(stranger.send(Restock(pots(1))).await),
        Reason::NotSignedIn
    );

    // The connection goes on, and is that of a customer from now on.
    stranger
        .send(SignIn("ann's key".into()))
        .await
        .expect("it is her key");
    assert_eq!(
        reason(stranger.send(Restock(pots(1))).await),
        Reason::NotAllowed
    );
    stranger
        .send(AddToCart(pots(1)))
        .await
        .expect("there are 3");

    let clerk = opened.connect().await;
    clerk
        .send(SignIn("the clerk's key".into()))
        .await
        .expect("it is the clerk's key");
    let pot = clerk.send(Restock(pots(1))).await.expect("the clerk may");
    assert_eq!(pot.stock, 4);
    opened.shut_down().await;
}

#[tokio::test]
async fn who_has_signed_in_is_forgotten_with_the_connection_and_the_cart_is_not() {
    let opened = Opened::new();
    let ann = opened.connect().await;
    ann.send(SignIn("ann's key".into()))
        .await
        .expect("it is her key");
    ann.send(AddToCart(pots(2))).await.expect("there are 3");
    drop(ann);

    let again = opened.connect().await;
    assert_eq!(reason(again.send(PlaceOrder).await), Reason::NotSignedIn);
    let cart = again
        .send(SignIn("ann's key".into()))
        .await
        .expect("it is her key");
    assert_eq!((&cart.items[..], cart.cents), (&[pots(2)][..], 6990));
    opened.shut_down().await;
}

#[tokio::test]
async fn a_refusal_says_how_many_are_left() {
    let opened = Opened::new();
    let ann = opened.connect().await;
    assert_eq!(
        reason(ann.send(FindProduct("pot-002".into())).await),
        Reason::NoSuchProduct
    );
    ann.send(SignIn("ann's key".into()))
        .await
        .expect("it is her key");
    assert_eq!(reason(ann.send(PlaceOrder).await), Reason::EmptyCart);
    assert_eq!(
        reason(ann.send(AddToCart(pots(4))).await),
        Reason::OutOfStock(3)
    );
    opened.shut_down().await;
}

#[tokio::test]
async fn the_stock_is_watched_across_connections() {
    let opened = Opened::new();
    let (watcher, clerk) = (opened.connect().await, opened.connect().await);
    let mut stock = watcher
        .stream(WatchStock("pot-001".into()))
        .await
        .expect("it is sent");
    clerk
        .send(SignIn("the clerk's key".into()))
        .await
        .expect("it is the clerk's key");
    for level in [3, 4, 5] {
        let reply = within(stock.next())
            .await
            .expect("it goes on")
            .expect("it is watched");
        assert_eq!(reply, Stock::Level(level));
        clerk.send(Restock(pots(1))).await.expect("the clerk may");
    }
    opened.shut_down().await;
}

#[tokio::test]
async fn a_stream_ends_when_its_client_leaves() {
    let mut opened = Opened::new();
    let watcher = opened.connect().await;
    let mut stock = watcher
        .stream(WatchStock("pot-001".into()))
        .await
        .expect("it is sent");
    within(stock.next())
        .await
        .expect("it goes on")
        .expect("it is watched");
    watcher.close();
    // The stock does not change, and the server stays.
    assert_eq!(within(opened.ended.recv()).await, Some("WatchStock"));
    opened.shut_down().await;
}

#[tokio::test]
async fn what_was_viewed_is_listed_first() {
    let opened = Opened::new();
    let ann = opened.connect().await;
    ann.post(Viewed("tea-002".into()))
        .await
        .expect("it is sent");
    // Nothing says when a one-way Command has run. So the list is read until it has.
    within(async {
        loop {
            let mut listing = ann.stream(Browse("tea".into())).await.expect("it is sent");
            let mut skus = Vec::new();
            while let Some(reply) = listing.next().await {
                if let Listing::Product(product) = reply.expect("it is a list") {
                    skus.push(product.sku);
                }
            }
            match skus.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["tea-002", "pot-001", "tea-001"] => break,
                ["pot-001", "tea-001", "tea-002"] => tokio::task::yield_now().await,
                _ => panic!("{skus:?}"),
            }
        }
    })
    .await;
    opened.shut_down().await;
}

#[tokio::test]
async fn a_shutdown_ends_the_streams_and_cuts_nothing() {
    let opened = Opened::new();
    let watcher = opened.connect().await;
    let mut streams = Vec::new();
    for sku in ["tea-001", "tea-002", "pot-001"] {
        let mut stream = watcher
            .stream(WatchStock(sku.into()))
            .await
            .expect("it is sent");
        within(stream.next())
            .await
            .expect("it goes on")
            .expect("it is watched");
        streams.push(stream);
    }
    let served = opened.shut_down().await;
    assert_eq!(served, Served::Shutdown(Cut::default()));
    for mut stream in streams {
        let last = within(stream.next()).await.expect("the server says so");
        assert_eq!(
            last.expect("the connection was not lost before"),
            Stock::Closing
        );
        assert!(within(stream.next()).await.is_none());
    }
}

#[tokio::test]
async fn a_connection_is_not_read_further_while_256_of_its_commands_run() {
    let opened = Opened::new();
    let watcher = opened.connect().await;
    let mut streams = Vec::new();
    for _ in 0..256 {
        let stream = watcher.stream(WatchStock("pot-001".into())).await;
        streams.push(stream.expect("it is sent"));
    }
    for stream in &mut streams {
        let first = within(stream.next()).await.expect("it goes on");
        assert_eq!(first.expect("it is watched"), Stock::Level(3));
    }
    let counters = opened.handle.counters();
    assert_eq!((counters.started, counters.in_flight_pauses), (256, 0));

    let one_more = watcher.stream(WatchStock("pot-001".into())).await;
    let _one_more = one_more.expect("it is sent");
    opened.until(|now| now.in_flight_pauses == 1).await;
    assert_eq!(opened.handle.counters().started, 256);
    opened.shut_down().await;
}

#[tokio::test]
async fn connections_beyond_1000_wait() {
    let opened = Opened::new();
    let mut clients = Vec::new();
    for _ in 0..1_000 {
        clients.push(opened.connect().await);
    }
    opened.until(|now| now.open == 1_000).await;
    assert_eq!(opened.handle.counters().waiting, 0);

    let one_more = tokio::spawn(connect_by(opened.connector.clone()));
    opened.until(|now| now.waiting == 1).await;
    clients.pop();
    let connected = within(one_more).await.expect("it does not panic");
    let _connected = connected.expect("there is a place");
    opened.shut_down().await;
}

#[tokio::test]
async fn a_client_of_another_version_cannot_connect() {
    let opened = Opened::new();
    let client = Client::builder(Shop, Mus).server_info(ServerInfo::default());
    let refused = within(client.connect_by(opened.connector.clone())).await;
    assert_eq!(
        refused.map_err(|error| error.kind()).err(),
        Some(ErrorKind::ServerInfoMismatch)
    );
    opened.shut_down().await;
}
