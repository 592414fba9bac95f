//! What is logged of the life of a connection: a span with its peer and number, and events in it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use cmd_stream::{Client, Json, Server};
use testkit::sample::{EchoCmd, Sample, Service};
use testkit::wait::{until, within};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Fields by their names, as text.
type Fields = BTreeMap<String, String>;

/// A subscriber that keeps what it sees.
#[derive(Clone, Default)]
struct Log(Arc<Kept>);

#[derive(Default)]
struct Kept {
    next_id: AtomicU64,
    spans: Mutex<BTreeMap<u64, (String, Fields)>>,
    entered: Mutex<Vec<u64>>,
    events: Mutex<Vec<Seen>>,
}

/// An event, and the span it is in.
#[derive(Clone, Debug)]
struct Seen {
    level: Level,
    fields: Fields,
    span: Option<(String, Fields)>,
}

struct Collect<'a>(&'a mut Fields);

impl Visit for Collect<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("cmd_stream")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        let mut fields = Fields::new();
        span.record(&mut Collect(&mut fields));
        self.0.spans.lock().expect("no panic").insert(id, (span.metadata().name().to_owned(), fields));
        Id::from_u64(id)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::new();
        event.record(&mut Collect(&mut fields));
        let entered = self.0.entered.lock().expect("no panic").last().copied();
        let span = entered.and_then(|id| self.0.spans.lock().expect("no panic").get(&id).cloned());
        self.0.events.lock().expect("no panic").push(Seen { level: *event.metadata().level(), fields, span });
    }

    fn enter(&self, span: &Id) {
        self.0.entered.lock().expect("no panic").push(span.into_u64());
    }

    fn exit(&self, _: &Id) {
        self.0.entered.lock().expect("no panic").pop();
    }
}

impl Log {
    fn events(&self, message: &str) -> Vec<Seen> {
        let events = self.0.events.lock().expect("no panic");
        events
            .iter()
            .filter(|event| event.fields.get("message").is_some_and(|text| text == message))
            .cloned()
            .collect()
    }
}

#[tokio::test]
async fn the_life_of_a_connection_is_logged_in_a_span_with_its_peer_and_number() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());

    let server = Server::bind("127.0.0.1:0", Sample, Json, Service).await.expect("a free port");
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());
    let client = Client::connect(handle.local_addr().to_string(), Sample, Json).await.expect("it listens");
    within(client.send(EchoCmd::default())).await.expect("a reply");
    client.close();
    until(|| !log.events("connection ended").is_empty() && handle.counters().open == 0).await;
    handle.shutdown();
    within(serving).await.expect("no panic");

    assert_eq!(log.events("serving").len(), 1);
    assert_eq!(log.events("connected").len(), 1);
    for message in ["connection opened", "connection ended"] {
        let in_span =
            log.events(message).into_iter().filter(|event| event.span.is_some()).collect::<Vec<_>>();
        let [event] = &in_span[..] else { panic!("{message}: {in_span:?}") };
        let (name, fields) = event.span.as_ref().expect("a span");
        assert_eq!((name.as_str(), fields["id"].as_str()), ("connection", "1"), "{message}");
        assert!(fields["peer"].starts_with("127.0.0.1:"), "{message}: {fields:?}");
        assert_eq!(event.level, Level::DEBUG, "{message}: nothing that an operator should act on");
    }
    let ended = log.events("connection ended");
    assert!(
        ended.iter().any(|event| event.fields["reason"].contains("the client closed the connection")),
        "{ended:?}"
    );
}

#[tokio::test]
async fn commands_that_fail_are_logged_with_their_name_seq_and_peer() {
    use cmd_stream::{Answer, Context, Failed, Problem, protocol};
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Note;
    #[derive(Serialize, Deserialize)]
    struct Ask;
    #[derive(Serialize, Deserialize)]
    struct Done;

    impl Answer<()> for Note {
        async fn answer(self, (): &(), _: &Context<'_>) -> Result<(), Failed> {
            Err(Failed::new("no room"))
        }
    }
    impl Answer<()> for Ask {
        async fn answer(self, (): &(), _: &Context<'_>) -> Result<Done, Failed> {
            Err(Failed::new("no idea"))
        }
    }

    protocol! {
        struct Desk {
            commands { 0 => Note -> (), 1 => Ask -> Done }
            replies { 0 => Done, 1 => Problem }
            failure Problem
        }
    }

    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let (client, _) = testkit::ends::both(Server::builder(Desk, Json, ()), Client::builder(Desk, Json)).await;
    within(client.post(Note)).await.expect("it is written");
    within(client.send(Ask)).await.err().expect("it fails");
    until(|| log.events("one-way command failed").len() == 1 && log.events("command failed").len() == 1)
        .await;
    for (message, level, name, seq, why) in [
        // Nobody but the log hears of it.
        ("one-way command failed", Level::WARN, "Note", "1", "no room"),
        ("command failed", Level::DEBUG, "Ask", "2", "no idea"),
    ] {
        let [event] = &log.events(message)[..] else { panic!("{message}") };
        assert_eq!(event.level, level, "{message}");
        let field = |name: &str| event.fields[name].trim_matches('"').to_owned();
        let expected = (name, seq, "memory", why);
        assert_eq!((&*field("name"), &*field("seq"), &*field("peer"), &*field("failed")), expected);
    }
}

/// An error that cannot be logged.
#[derive(Debug)]
struct Unspeakable;

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("as asked")
    }
}

impl std::error::Error for Unspeakable {}

#[tokio::test]
async fn what_becomes_of_a_connection_does_not_depend_on_whether_somebody_reads_the_log() {
    use cmd_stream::{Answer, CallError, Context, Failed, Failure, protocol};
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Ask;
    #[derive(Debug, Serialize, Deserialize)]
    struct Done;
    #[derive(Debug, Serialize, Deserialize)]
    struct Fixed;

    impl std::fmt::Display for Fixed {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("fixed")
        }
    }
    impl std::error::Error for Fixed {}
    impl Failure for Fixed {
        fn from_failed(_: &Failed) -> Self {
            Self
        }
    }

    impl Answer<()> for Ask {
        async fn answer(self, (): &(), _: &Context<'_>) -> Result<Done, Failed> {
            Err(Unspeakable.into())
        }
    }

    protocol! {
        struct Desk {
            commands { 0 => Ask -> Done }
            replies { 0 => Done, 1 => Fixed }
            failure Fixed
        }
    }

    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let (client, _) = testkit::ends::both(Server::builder(Desk, Json, ()), Client::builder(Desk, Json)).await;
    for _ in 0..2 {
        let error = within(client.send(Ask)).await.expect_err("it fails");
        assert!(matches!(error, CallError::Failed(Fixed)), "{error:?}");
    }
}
