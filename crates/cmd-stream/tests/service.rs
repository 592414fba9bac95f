//! `service!`: the trait, the client and the Commands that it makes.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cmd_stream::hooks::{Hooks, Refused};
use cmd_stream::mus::Mus;
use cmd_stream::protocol::{CommandOf, Entry, Protocol};
use cmd_stream::server::Scheduling;
use cmd_stream::testing::Script;
use cmd_stream::{
    CallError, Client, Command, Context, ErrorKind, Execute, Failed, Json, Mus, Problem, Protobuf, Proxy,
    Reply, Sender, Server, service,
};
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use testkit::ends::{both, serve, server_and_bytes};
use testkit::wait::{until, within};

#[derive(Debug, PartialEq, Serialize, Deserialize, Mus)]
struct Note {
    number: u64,
    text: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Mus)]
enum Listed {
    Note(Note),
    End,
}

impl Reply for Listed {
    fn is_last(&self) -> bool {
        matches!(self, Self::End)
    }
}

service! {
    /// Keeps notes.
    trait Notes in NotesProtocol {
        /// Adds a note.
        0 => fn add(text: String) -> Note;
        /// Finds a note.
        1 => idempotent fn find(number: u64,) -> Note;
        /// Lists all notes.
        2 => idempotent stream fn list() -> Listed;
        /// Forgets all notes.
        3 => idempotent post fn forget_all();
    }
    commands #[derive(Debug, PartialEq, Serialize, Deserialize, Mus)]
    replies { 0 => Note, 1 => Listed, 2 => Problem }
    failure Problem
}

#[derive(Default)]
struct Memory(Mutex<Vec<String>>);

impl Memory {
    fn texts(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().expect("nothing panics under it")
    }
}

impl Notes for Memory {
    const FORGET_ALL_SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn add(&self, text: String, _: &Context<'_>) -> Result<Note, Failed> {
        let mut texts = self.texts();
        texts.push(text.clone());
        Ok(Note { number: texts.len() as u64, text })
    }

    async fn find(&self, number: u64, _: &Context<'_>) -> Result<Note, Failed> {
        let found = usize::try_from(number).ok().and_then(|n| self.texts().get(n.checked_sub(1)?).cloned());
        let text = found.ok_or_else(|| Problem::new(Problem::NOT_FOUND, format!("no note {number}")))?;
        Ok(Note { number, text })
    }

    async fn list(&self, proxy: Proxy<'_, Listed>) -> Result<(), Failed> {
        let texts = self.texts().clone();
        for (number, text) in (1..).zip(texts) {
            proxy.send(Listed::Note(Note { number, text })).await?;
        }
        proxy.send(Listed::End).await
    }

    async fn forget_all(&self, _: &Context<'_>) -> Result<(), Failed> {
        self.texts().clear();
        Ok(())
    }
}

#[test]
fn the_receiver_says_where_a_method_runs() {
    fn scheduling<C: Execute<R>, R>() -> Scheduling {
        C::SCHEDULING
    }
    assert_eq!(scheduling::<ForgetAllCommand, Memory>(), Scheduling::InPlace);
    assert_eq!(scheduling::<ForgetAllCommand, Arc<Memory>>(), Scheduling::InPlace);
    assert_eq!(scheduling::<ListCommand, Memory>(), Scheduling::Adaptive);
}

macro_rules! in_each_format {
    ($($name:ident => $format:expr;)+) => { $(
        #[tokio::test]
        async fn $name() {
            let (connector, handle) = both(
                Server::builder(NotesProtocol, $format, Memory::default()),
                Client::builder(NotesProtocol, $format),
            ).await;
            let notes = NotesClient(connector.into());
            let note = |number: u64, text: &str| Note { number, text: text.into() };
            assert_eq!(within(notes.add("tea".into())).await.unwrap(), note(1, "tea"));
            assert_eq!(within(notes.add("milk".into())).await.unwrap(), note(2, "milk"));
            assert_eq!(within(notes.find(2)).await.unwrap(), note(2, "milk"));

            let listed: Vec<_> = within(async { notes.list().await?.try_collect().await }).await.unwrap();
            assert_eq!(listed, [Listed::Note(note(1, "tea")), Listed::Note(note(2, "milk")), Listed::End]);

            within(notes.forget_all()).await.unwrap();
            until(|| handle.counters().started == 5).await;
            let failed = within(notes.find(2)).await.unwrap_err();
            let CallError::Failed(problem) = failed else { panic!("{failed}") };
            assert_eq!(problem, Problem::new(Problem::NOT_FOUND, "no note 2"));
        }
    )+ };
}

in_each_format! {
    every_kind_of_method_in_json => Json;
    every_kind_of_method_in_mus => Mus;
}

#[test]
fn the_protocol_has_the_names_and_tags_of_the_methods() {
    let entries = |entries: &[Entry]| -> Vec<_> { entries.iter().map(|e| (e.tag.get(), e.name)).collect() };
    assert_eq!(entries(NotesProtocol::COMMANDS), [(0, "Add"), (1, "Find"), (2, "List"), (3, "ForgetAll")]);
    assert_eq!(entries(NotesProtocol::REPLIES), [(0, "Note"), (1, "Listed"), (2, "Problem")]);
    assert_eq!(NotesProtocol::FAILURE, Some("Problem"));
}

#[test]
fn only_what_is_declared_idempotent_is() {
    const { assert!(!AddCommand::IDEMPOTENT && FindCommand::IDEMPOTENT) };
    const { assert!(ListCommand::IDEMPOTENT && ForgetAllCommand::IDEMPOTENT) };
}

/// Counts the calls.
struct Counted(Arc<AtomicU32>);

impl Hooks<NotesProtocol> for Counted {
    type Call = ();

    fn before_send<C: CommandOf<NotesProtocol>>(&self, _: &mut C, _: &'static Entry) -> Result<(), Refused> {
        self.0.fetch_add(1, Relaxed);
        Ok(())
    }
}

#[tokio::test]
async fn a_client_of_a_sender_with_hooks_calls_them() {
    let handle = serve(Server::builder(NotesProtocol, Json, Memory::default())).await;
    let calls = Arc::new(AtomicU32::new(0));
    let builder = Sender::builder(NotesProtocol, Json).hooks(Counted(Arc::clone(&calls)));
    let sender = within(builder.endpoints([handle.local_addr().to_string()]).connect()).await.unwrap();
    let notes: NotesClient<Json, _> = NotesClient(sender);
    within(notes.add("tea".into())).await.unwrap();
    within(notes.find(1)).await.unwrap();
    assert_eq!(calls.load(Relaxed), 2);
}

#[tokio::test]
async fn a_script_sees_the_commands_of_the_client() {
    let script = Script::new(NotesProtocol, Json, |command| match command {
        NotesProtocolCommand::Add(AddCommand { text }) => {
            vec![NotesProtocolReply::Note(Note { number: 7, text: text.to_uppercase() })]
        }
        _ => vec![],
    });
    let client = Client::builder(NotesProtocol, Json).connect_by(script.start()).await.unwrap();
    let notes = NotesClient(client.into()).clone();
    assert_eq!(within(notes.add("tea".into())).await.unwrap().text, "TEA");
    // A method of the client returns a call, with its options.
    let error = within(notes.find(1).timeout(Duration::from_millis(1))).await.unwrap_err();
    assert!(matches!(error, CallError::Other(error) if error.kind() == ErrorKind::Timeout));
    // It is nothing but the Command.
    assert_eq!(within(notes.0.send(AddCommand { text: "milk".into() })).await.unwrap().number, 7);
    assert!(format!("{notes:?}").starts_with("NotesClient(Sender {"), "{notes:?}");
}

#[tokio::test]
async fn an_arc_of_a_receiver_is_one() {
    let memory = Arc::new(Memory::default());
    let (client, _handle) =
        both(Server::builder(NotesProtocol, Json, Arc::clone(&memory)), Client::builder(NotesProtocol, Json))
            .await;
    let notes = NotesClient(client.into());
    within(notes.add("tea".into())).await.unwrap();
    assert_eq!(*memory.texts(), ["tea"]);
}

/// The service of the example `calc_protobuf`, whose Replies are messages.
mod calc {
    use super::*;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Number {
        #[prost(int64, tag = "1")]
        pub(crate) value: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Nothing {}

    #[derive(Debug)]
    pub(crate) enum Divided {
        By(Number),
        Nothing(Nothing),
    }

    service! {
        pub(crate) trait Calc in Calculator {
            0 => fn add(#[prost(int64, tag = "1")] a: i64, #[prost(int64, tag = "2")] b: i64) -> Number;
            1 => fn divide(#[prost(int64, tag = "1")] a: i64, #[prost(int64, tag = "2")] b: i64) -> Divided;
        }
        commands #[derive(Clone, PartialEq, prost::Message)]
        replies { 0 => Number, 1 => Nothing }
        enum Divided { By(Number), Nothing(Nothing) }
        failure close_connection
    }

    pub(crate) struct Abacus;

    impl Calc for Abacus {
        async fn add(&self, a: i64, b: i64, _: &Context<'_>) -> Result<Number, Failed> {
            Ok(Number { value: a + b })
        }

        async fn divide(&self, a: i64, b: i64, _: &Context<'_>) -> Result<Divided, Failed> {
            Ok(a.checked_div(b).map_or(Divided::Nothing(Nothing {}), |value| Divided::By(Number { value })))
        }
    }
}

#[tokio::test]
async fn attributes_of_arguments_are_those_of_fields_in_protobuf() {
    use calc::*;

    let (client, _handle) =
        both(Server::builder(Calculator, Protobuf, Abacus), Client::builder(Calculator, Protobuf)).await;
    let calc = CalcClient(client.into());
    assert_eq!(within(calc.add(2, 3)).await.unwrap().value, 5);
    assert!(matches!(within(calc.divide(6, 3)).await.unwrap(), Divided::By(Number { value: 2 })));
    assert!(matches!(within(calc.divide(6, 0)).await.unwrap(), Divided::Nothing(_)));
    let bytes = prost::Message::encode_to_vec(&AddCommand { a: 2, b: 3 });
    assert_eq!(bytes, [0x08, 2, 0x10, 3]);
}

/// The service of the example `hello_world`, as the Go library has it.
mod greetings {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize, Mus)]
    pub(crate) struct Greeting(pub(crate) String);

    service! {
        trait Greeter in Greetings {
            1 => #[serde(transparent)] fn say_hello(#[mus(max_len = 1000)] name: String) -> Greeting;
            2 => fn say_fancy_hello(#[mus(max_len = 1000)] #[serde(rename = "Name")] name: String) -> Greeting;
        }
        commands #[derive(Serialize, Deserialize, Mus)]
        replies { 1 => Greeting }
        failure close_connection
    }

    struct English;

    impl Greeter for English {
        async fn say_hello(&self, name: String, _: &Context<'_>) -> Result<Greeting, Failed> {
            Ok(Greeting(format!("Hello {name}")))
        }

        async fn say_fancy_hello(&self, name: String, _: &Context<'_>) -> Result<Greeting, Failed> {
            Ok(Greeting(format!("Hello incredible {name}")))
        }
    }

    #[tokio::test]
    async fn the_bytes_are_those_of_commands_by_hand() {
        let (_handle, mut peer) = server_and_bytes(Server::builder(Greetings, Mus, English)).await;
        peer.send(b"\x01\x01\x03you").await;
        peer.expect(b"\x01\x01\x09Hello you").await;
        peer.send(b"\x02\x02\x03you").await;
        peer.expect(b"\x02\x01\x14Hello incredible you").await;
    }

    #[test]
    fn attributes_of_arguments_are_those_of_fields_in_json_and_mus() {
        let hello = SayHelloCommand { name: "you".into() };
        assert_eq!(serde_json::to_string(&hello).unwrap(), r#""you""#);
        assert_eq!(cmd_stream::mus::to_vec(&hello).unwrap(), b"\x03you");
        let fancy = SayFancyHelloCommand { name: "you".into() };
        assert_eq!(serde_json::to_string(&fancy).unwrap(), r#"{"Name":"you"}"#);
        let long = SayHelloCommand { name: "x".repeat(1001) };
        assert!(cmd_stream::mus::to_vec(&long).is_err());
    }
}
