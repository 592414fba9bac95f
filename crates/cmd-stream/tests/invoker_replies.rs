//! What an Invoker is told about Replies, and what it can read of a Command's metadata.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cmd_stream::protocol::kind::Plain;
use cmd_stream::protocol::{Metadata, Protocol};
use cmd_stream::server::{Ended, EndedLater, Invocation, Limits, OwnedProxy, Replied};
use cmd_stream::{Client, Command, Execute, Failed, Invoker, Json, Problem, Proxy, Reply, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::ends::{both, json_frame, server_and_bytes};
use testkit::wait::{until, within};
use tokio::sync::mpsc;

/// Sends this many parts of this many bytes, or fails.
#[derive(Serialize, Deserialize)]
struct Send {
    parts: usize,
    bytes: usize,
}

/// Hands its Proxy over.
#[derive(Serialize, Deserialize)]
struct HandOver;

/// Hands its Proxy over, and fails.
#[derive(Serialize, Deserialize)]
struct FailsLater;

/// Carries data.
#[derive(Serialize, Deserialize)]
struct Carry(BTreeMap<String, String>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Part {
    text: String,
    last: bool,
}

impl Reply for Part {
    fn is_last(&self) -> bool {
        self.last
    }
}

impl Command for Carry {
    type Reply = Part;
    type Kind = Plain;

    fn metadata(&mut self) -> Option<&mut dyn Metadata> {
        Some(self)
    }
}

impl Metadata for Carry {
    fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.into(), value.into());
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

struct Service(mpsc::UnboundedSender<OwnedProxy<Part>>);

impl Execute<Service> for Send {
    async fn execute(self, _: &Service, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        for part in 1..=self.parts {
            proxy.send(Part { text: "x".repeat(self.bytes), last: part == self.parts }).await?;
        }
        if self.parts == 0 { Err(Failed::new("nothing to send")) } else { Ok(()) }
    }
}

impl Execute<Service> for HandOver {
    async fn execute(self, service: &Service, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        service.0.send(proxy.into_owned()).map_err(|_| Failed::new("the test is over"))
    }
}

impl Execute<Service> for Carry {
    async fn execute(self, _: &Service, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        proxy.send(Part { text: self.0.len().to_string(), last: true }).await
    }
}

impl Execute<Service> for FailsLater {
    async fn execute(self, _: &Service, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        let _proxy = proxy.into_owned();
        Err(Failed::new("as asked"))
    }
}

protocol! {
    struct Parts {
        commands { 0 => Send -> Part, 1 => HandOver -> Part, 2 => Carry, 3 => FailsLater -> Part }
        replies { 0 => Part, 3 => Problem }
        failure Problem
    }
}

type Log = Arc<Mutex<Vec<String>>>;

fn taken(log: &Log) -> Vec<String> {
    std::mem::take(&mut log.lock().expect("no panic"))
}

/// Writes down each Reply, with what it has kept for the Command.
struct Watch(&'static str, Log);

/// What it keeps. It says when it is dropped.
struct Kept(String, Log);

impl Drop for Kept {
    fn drop(&mut self) {
        self.1.lock().expect("no panic").push(format!("{} is dropped", self.0));
    }
}

impl<P: Protocol> Invoker<P> for Watch {
    const SEES_REPLIES: bool = true;

    async fn invoke(&self, mut invocation: impl Invocation<P>) -> Result<Ended, Failed> {
        let seq = invocation.seq();
        let metadata = invocation.metadata().map(|metadata| {
            let names = metadata.names().join(", ");
            format!("{names}; a is {:?}", metadata.get("a"))
        });
        if let Some(metadata) = metadata {
            self.1.lock().expect("no panic").push(format!("{} carries {metadata}", invocation.type_name()));
        }
        if self.0 != "bare" {
            invocation.extensions().insert(Kept(format!("kept {seq}"), Arc::clone(&self.1)));
        }
        invocation.run().await
    }

    fn on_reply(&self, reply: &Replied<'_>) {
        assert!(reply.received_at().elapsed().as_secs() < 60 && reply.connection().id() == 1);
        let kept = reply.extension::<Kept>().map_or("nothing", |kept| &kept.0);
        let (name, entry, command, seq) = (self.0, reply.entry(), reply.command(), reply.seq());
        let (size, last) = (reply.size(), reply.is_last());
        let line =
            format!("{name}: {} to {} {seq}, {size} bytes, last: {last}, {kept}", entry.name, command.name);
        self.1.lock().expect("no panic").push(line);
        assert_ne!(name, "panics", "as it should");
    }

    fn on_end(&self, ended: &EndedLater<'_>) {
        assert!(ended.took() < Duration::from_secs(60) && ended.connection().id() == 1 && ended.size() > 3);
        let kept = ended.extension::<Kept>().map_or("nothing", |kept| &kept.0);
        let (name, command, seq) = (self.0, ended.command().name, ended.seq());
        let line = format!("{name}: end of {command} {seq}, failed: {}, {kept}", ended.has_failed());
        self.1.lock().expect("no panic").push(line);
        assert_ne!(name, "panics", "as it should");
    }
}

/// It has no eye for Replies, and so is not told.
struct Blind;

impl<P: Protocol> Invoker<P> for Blind {
    async fn invoke(&self, invocation: impl Invocation<P>) -> Result<Ended, Failed> {
        invocation.run().await
    }

    fn on_reply(&self, reply: &Replied<'_>) {
        panic!("it is told {reply:?}");
    }

    fn on_end(&self, ended: &EndedLater<'_>) {
        panic!("it is told {ended:?}");
    }
}

fn service() -> (Service, mpsc::UnboundedReceiver<OwnedProxy<Part>>) {
    let (handed, proxies) = mpsc::unbounded_channel();
    (Service(handed), proxies)
}

#[tokio::test]
async fn each_reply_is_told_with_its_size_to_all_invokers_that_see_replies_the_inner_one_first() {
    let log = Log::default();
    let server = Server::builder(Parts, Json, service().0)
        .invoker(Watch("outer", Arc::clone(&log)))
        .invoker(Blind)
        .invoker(Watch("panics", Arc::clone(&log)));
    let (client, handle) = both(server, Client::builder(Parts, Json)).await;
    let mut stream = within(client.stream(Send { parts: 2, bytes: 3 })).await.expect("it is sent");
    while let Some(part) = within(stream.next()).await {
        part.expect("a part");
    }
    let size = |last: bool| json_frame(1, 0, &format!(r#"{{"text":"xxx","last":{last}}}"#)).len();
    let lines = [false, true].map(|last| {
        let line = format!("Part to Send 1, {} bytes, last: {last}, kept 1", size(last));
        [format!("panics: {line}"), format!("outer: {line}")]
    });
    let mut expected: Vec<_> = lines.into_iter().flatten().collect();
    // The inner one has replaced what the outer one had kept.
    expected.insert(0, "kept 1 is dropped".into());
    expected.push("kept 1 is dropped".into());
    until(|| log.lock().expect("no panic").len() == expected.len()).await;
    assert_eq!(taken(&log), expected);
    assert_eq!(handle.counters().panicked, 0, "a panic of a watcher is not one of the Command");
}

#[tokio::test]
async fn a_failure_is_a_reply_too() {
    let log = Log::default();
    let server = Server::builder(Parts, Json, service().0).invoker(Watch("it", Arc::clone(&log)));
    let (client, _handle) = both(server, Client::builder(Parts, Json)).await;
    within(client.send(Send { parts: 0, bytes: 0 })).await.expect_err("it fails");
    until(|| log.lock().expect("no panic").len() == 2).await;
    let lines = taken(&log);
    assert!(
        lines[0].starts_with("it: Problem to Send 1, ") && lines[0].ends_with("last: true, kept 1"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn replies_of_an_owned_proxy_are_told_after_the_command_has_returned_and_what_was_kept_lives_as_long() {
    let log = Log::default();
    let (service, mut proxies) = service();
    let server = Server::builder(Parts, Json, service).invoker(Watch("it", Arc::clone(&log)));
    let (client, _handle) = both(server, Client::builder(Parts, Json)).await;
    let mut stream = within(client.stream(HandOver)).await.expect("it is sent");
    let proxy = within(proxies.recv()).await.expect("it is handed over");
    // The Command has returned when a later one has been answered.
    within(client.send(Send { parts: 1, bytes: 0 })).await.expect("it replies");
    taken(&log);
    let sending = tokio::spawn(async move {
        proxy.send(Part { text: "a".into(), last: false }).await.expect("it is sent");
        let other = proxy.clone();
        let blocking = move || other.send_blocking(Part { text: "b".into(), last: false });
        tokio::task::spawn_blocking(blocking).await.expect("it does not panic").expect("it is sent");
        proxy // dropped without a last Reply
    });
    for _ in 0..2 {
        within(stream.next()).await.expect("a part").expect("a part");
    }
    // A Reply is told once it is in the output, so the client may have it before.
    let proxy = within(sending).await.expect("it does not panic");
    let lines: Vec<_> = taken(&log).into_iter().filter(|line| line.contains("HandOver")).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    drop(proxy);
    within(stream.next()).await.expect("the failure").expect_err("it has no last reply");
    until(|| log.lock().expect("no panic").len() == 3).await;
    let lines = taken(&log);
    assert!(lines[0].contains("Problem to HandOver 1") && lines[0].ends_with("kept 1"), "{lines:?}");
    assert_eq!(lines[1..], ["it: end of HandOver 1, failed: true, kept 1", "kept 1 is dropped"]);
}

#[tokio::test]
async fn the_end_of_a_command_is_told_once_to_all_invokers_if_it_was_handed_over() {
    let log = Log::default();
    let (service, mut proxies) = service();
    let server = Server::builder(Parts, Json, service)
        .invoker(Watch("outer", Arc::clone(&log)))
        .invoker(Blind)
        .invoker(Watch("panics", Arc::clone(&log)));
    let (client, _handle) = both(server, Client::builder(Parts, Json)).await;
    let ends = || {
        let log = log.lock().expect("no panic");
        log.iter().filter(|line| line.contains("end of")).cloned().collect::<Vec<_>>()
    };
    let mut stream = within(client.stream(HandOver)).await.expect("it is sent");
    let proxy = within(proxies.recv()).await.expect("it is handed over");
    proxy.send(Part { text: "a".into(), last: true }).await.expect("it is sent");
    within(stream.next()).await.expect("a part").expect("a part");
    within(client.send(Send { parts: 1, bytes: 0 })).await.expect("it replies");
    assert_eq!(ends(), [""; 0], "somebody still has it");
    drop(proxy);
    let end = "end of HandOver 1, failed: false, kept 1";
    until(|| ends().len() == 2).await;
    assert_eq!(ends(), [format!("panics: {end}"), format!("outer: {end}")]);
    // Fails by itself after that: then its own end is the one that was told.
    within(client.stream(FailsLater))
        .await
        .expect("it is sent")
        .next()
        .await
        .expect("the failure")
        .expect_err("it fails");
    within(client.send(Send { parts: 1, bytes: 0 })).await.expect("it replies");
    assert_eq!(ends().len(), 2);
}

#[tokio::test]
async fn a_reply_that_waits_for_room_is_told_once_it_is_in_the_output() {
    let log = Log::default();
    let server = Server::builder(Parts, Json, service().0)
        .limits(Limits::default().output(100_000))
        .invoker(Watch("bare", Arc::clone(&log)));
    let (_handle, mut client) = server_and_bytes(server).await;
    client.send(&json_frame(1, 0, r#"{"parts":20,"bytes":60000}"#)).await;
    until(|| log.lock().expect("no panic").len() >= 2).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let before = log.lock().expect("no panic").len();
    assert!(before < 10, "{before} of 20 are told, though the client reads nothing");
    let len =
        |last: bool| json_frame(1, 0, &format!(r#"{{"text":"{}","last":{last}}}"#, "x".repeat(60_000))).len();
    for part in 1..=20 {
        client.receive(len(part == 20)).await;
    }
    until(|| log.lock().expect("no panic").len() == 20).await;
    let lines = taken(&log);
    assert!(lines.iter().all(|line| line.ends_with("nothing")), "{lines:?}");
    assert!(lines[18].contains(&format!("{} bytes, last: false", len(false))), "{}", lines[18]);
    assert!(lines[19].contains(&format!("{} bytes, last: true", len(true))), "{}", lines[19]);
}

#[tokio::test]
async fn a_failure_that_waits_for_room_is_told_and_counted_once() {
    const FAILING: usize = 3;
    let log = Log::default();
    let (service, mut proxies) = service();
    let server = Server::builder(Parts, Json, service)
        .limits(Limits::default().output(100_000))
        .invoker(Watch("it", Arc::clone(&log)));
    let (handle, mut client) = server_and_bytes(server).await;
    let mut handed = Vec::new();
    for seq in 1..=FAILING as u64 {
        client.send(&json_frame(seq, 1, "null")).await;
        handed.push(within(proxies.recv()).await.expect("it is handed over"));
    }
    client.send(&json_frame(9, 0, r#"{"parts":9,"bytes":60000}"#)).await;
    let told = |of: &str| log.lock().expect("no panic").iter().filter(|line| line.contains(of)).count();
    until(|| told("Part to Send") >= 2).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    // Now the output is full, and nobody reads it.
    for (number, proxy) in handed.into_iter().enumerate() {
        proxy.fail(Failed::new(format!("number {number}")));
    }
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(told("Problem to HandOver"), 0, "there is no room for them");
    let ended = || handle.stats().command("HandOver").expect("it is declared").failed;
    until(|| ended() == FAILING as u64).await;
    assert_eq!(handle.stats().command("HandOver").expect("it is declared").in_flight, 0);

    let reading = tokio::spawn(async move {
        let mut all = client.into_inner();
        tokio::io::copy(&mut all, &mut tokio::io::sink()).await
    });
    until(|| told("kept 9 is dropped") == 1 && told("Problem to HandOver") == FAILING).await;
    until(|| (1..=FAILING).all(|seq| told(&format!("kept {seq} is dropped")) == 1)).await;
    handle.close();
    within(reading).await.expect("it does not panic").expect("the server closes");
    assert_eq!(ended(), FAILING as u64);
    let lines = taken(&log);
    for seq in 1..=FAILING as u64 {
        let (ends, of_it): (Vec<_>, Vec<_>) = lines
            .iter()
            .filter(|line| line.contains(&format!("HandOver {seq}, ")))
            .partition(|line| line.contains("end of"));
        assert_eq!(ends.len(), 1, "{lines:?}");
        assert!(of_it.len() == 1 && of_it[0].ends_with(&format!("last: true, kept {seq}")), "{of_it:?}");
    }
}

#[tokio::test]
async fn the_metadata_and_the_type_of_a_command_can_be_read() {
    let log = Log::default();
    let server =
        Server::builder(Parts, Json, service().0).invoker(Blind).invoker(Watch("bare", Arc::clone(&log)));
    let (client, _handle) = both(server, Client::builder(Parts, Json)).await;
    let values = [("a", "1"), ("b", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    within(client.send(Carry(values.into()))).await.expect("it replies");
    assert_eq!(taken(&log)[0], "invoker_replies::Carry carries a, b; a is Some(\"1\")");
}
