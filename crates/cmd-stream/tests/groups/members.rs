//! Members come and go, and calls go to those that are there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cmd_stream::circuit_breaker::Settings;
use cmd_stream::client::{Keepalive, Link};
use cmd_stream::group::{Members, Strategy};
use cmd_stream::{Json, Sender, Server};
use testkit::wait::within;

use crate::lab::{Plain, Text, echo, quiet};
use crate::net::{First, Net, builder};
use crate::two;
use crate::wire::echo_frame;

#[tokio::test]
async fn calls_go_to_the_member_that_is_left() {
    let serve = async || {
        let server = Server::bind("127.0.0.1:0", Plain, Json, crate::lab::Lab::new()).await.expect("a port");
        let handle = server.handle();
        (handle, tokio::spawn(server.serve()))
    };
    let ((one, serving), (two, _)) = (serve().await, serve().await);
    let sender = Sender::builder(Plain, Json)
        .endpoints([one.local_addr().to_string(), two.local_addr().to_string()])
        .minimum(2)
        .connect();
    let sender = within(sender).await.expect("both are there");
    for n in 0..200 {
        let Text(said) = within(sender.send(echo(&n.to_string()))).await.expect("it is answered");
        assert_eq!(said, n.to_string());
    }
    one.shutdown();
    within(serving).await.expect("it ends");
    for n in 0..200 {
        let Text(said) = within(sender.send(echo(&n.to_string()))).await.expect("it is answered");
        assert_eq!(said, n.to_string());
    }
    let up = sender.group().members().filter(|member| matches!(member.link(), Link::Up(_))).count();
    assert_eq!(up, 1);
    assert_eq!(within(sender.drain(Duration::from_secs(5))).await, 0);
}

#[tokio::test]
async fn one_dead_address_does_not_keep_a_single_client_from_the_living_one() {
    let server = Server::bind("127.0.0.1:0", Plain, Json, crate::lab::Lab::new()).await.expect("a port");
    let living = server.handle().local_addr().to_string();
    tokio::spawn(server.serve());
    // A port that nobody else is given as long as the socket is there, and where nobody listens.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("loopback has a free port");
    let dead = socket.local_addr().expect("it is bound").to_string();
    // Which one is tried first is up to chance.
    for _ in 0..12 {
        let sender = Sender::builder(Plain, Json).endpoints([&dead, &living]).clients(1).connect();
        let sender = within(sender).await.expect("the other one is tried");
        within(sender.send(echo("a"))).await.expect("it is answered");
    }
    let error =
        within(Sender::builder(Plain, Json).endpoints([&dead, "127.0.0.1:"]).clients(1).connect()).await;
    error.expect_err("both are dead");
}

/// The address of each member, and why it takes no calls.
#[tokio::test(start_paused = true)]
async fn members_say_where_they_connect_to_and_why_they_take_no_calls() {
    let net = Net::default();
    let mut dials = net.server("a:1");
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let settings = Settings::default().window(2).failure_rate(0.5).open_time(Duration::from_secs(60));
    let builder = builder().endpoints(["a:1", "b:1"]).breaker(settings).keepalive(Keepalive::OFF);
    let sender = builder.strategy(Asks(Arc::clone(&seen))).connect_lazy_by(net.dialer());
    let states = || {
        let states = sender.group().members().map(|member| {
            let why = member.unavailable().map(|why| why.to_string());
            (member.address().map(ToString::to_string), why)
        });
        let mut states: Vec<_> =
            states.map(|(at, why)| (at.unwrap_or_default(), why.unwrap_or_default())).collect();
        states.sort();
        states
    };
    let is = |a: &str, b: &str| vec![("a:1".to_owned(), a.to_owned()), ("b:1".to_owned(), b.to_owned())];
    assert_eq!(states(), is("connecting", "connecting"));
    let mut peer = dials.accept().await;
    quiet().await;
    let down = "down: cannot connect to b:1: connection refused";
    assert_eq!(states(), is("", down));
    let late = within(sender.send(echo("a")).timeout(Duration::from_millis(10))).await;
    late.unwrap_err();
    peer.expect(&echo_frame(1, "a")).await;
    assert_eq!(states(), is("its circuit breaker is open", down));
    let mut seen = std::mem::take(&mut *seen.lock().unwrap());
    seen.sort();
    assert_eq!(seen, ["a:1: ", &format!("b:1: {down}"), "none: "]);
}

/// Asks of all members, and of one that does not exist, what a strategy may know.
struct Asks(Arc<Mutex<Vec<String>>>);

impl Strategy for Asks {
    fn pick(&self, members: &Members<'_>) -> Option<usize> {
        for member in 0..=members.len() {
            let address =
                members.address(member).map_or_else(|| "none".into(), |address| address.to_string());
            let why = members.unavailable(member).map(|why| why.to_string()).unwrap_or_default();
            self.0.lock().unwrap().push(format!("{address}: {why}"));
        }
        (0..members.len()).find(|&member| members.is_available(member))
    }
}

/// It is told, and logged.
#[tokio::test(start_paused = true)]
async fn a_change_of_a_breaker_says_whose_it_is() {
    let told = Arc::<Mutex<Vec<String>>>::default();
    let note = |said: &'static str| {
        let told = Arc::clone(&told);
        move |text: String| told.lock().unwrap().push(format!("{said}{text}"))
    };
    let (each, all) = (note("one: "), note(""));
    let settings = Settings::default().window(2).failure_rate(0.5).open_time(Duration::from_secs(60));
    let settings = settings.on_change(move |state| each(state.to_string()));
    let builder = builder().strategy(First).keepalive(Keepalive::OFF).breaker(settings);
    let builder = builder.on_breaker_change(move |change| {
        let address = change.address().expect("it is known");
        all(format!("{} at {address}: {}", change.member(), change.state()));
        panic!("on purpose");
    });
    let (_net, sender, two) = two!(builder, 1 << 16);
    within(sender.send(echo("a")).timeout(Duration::from_millis(10))).await.unwrap_err();
    let expected = format!("0 at {}: Open", two.addresses[0]);
    assert_eq!(*told.lock().unwrap(), [expected, "one: Open".to_owned()]);
}
