//! What `protocol!` makes: Replies of several types, generic Commands, Commands of another crate, names and tags; and
//! Formats of the user's own.

use std::future::{Future, ready};
use std::sync::{Arc, Mutex};

use cmd_stream::format::{Decode, Encode, EncodeError, Format};
use cmd_stream::proto::Tag;
use cmd_stream::proto::{Decoded, Fault, varint};
use cmd_stream::protocol::kind::Wrapper;
use cmd_stream::protocol::{CommandOf, Entry, Protocol};
use cmd_stream::sender::{Replied, SendCommand};
use cmd_stream::server::Scheduling;
use cmd_stream::{
    Answer, CallError, Client, Command, Context, Error, ErrorKind, Execute, Failed, Failure, Json, Proxy,
    Reply, Sender, Server, protocol,
};
use serde::{Deserialize, Serialize};
use testkit::ends::{both, client_and_bytes, json_frame, server_and_bytes};
use testkit::sample::{
    DelayCmd, DelayResult, EchoCmd, EchoResult, FailCmd, Sample, StreamCmd, StreamResult, TraceCmd,
};
use testkit::wait::{until, within};

/// Most Commands here only need a Receiver to be executed on.
struct Calc {
    limit: i64,
}

const CALC: Calc = Calc { limit: 1000 };

#[derive(PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Add {
    a: i64,
    b: i64,
}

#[derive(PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Sum(i64);

impl Answer<Calc> for Add {
    async fn answer(self, calc: &Calc, _: &Context<'_>) -> Result<Sum, Failed> {
        let sum = self.a + self.b;
        if sum > calc.limit {
            return Err(Failed::new("too much"));
        }
        Ok(Sum(sum))
    }
}

// Replies of several types.

/// Answered with a whole number, or with a fraction; if `both`, with the one and then the other.
#[derive(Serialize, Deserialize)]
struct Divide {
    a: i64,
    b: i64,
    both: bool,
}

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Whole {
    value: i64,
    more: bool,
}

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Fraction(f64);

#[derive(PartialEq, Debug)]
enum Quotient {
    Exact(Whole),
    Rounded(Fraction),
}

impl Reply for Whole {
    fn is_last(&self) -> bool {
        !self.more
    }
}

impl Execute<Calc> for Divide {
    async fn execute(self, _: &Calc, proxy: Proxy<'_, Quotient>) -> Result<(), Failed> {
        let whole = || Whole { value: self.a / self.b, more: self.both };
        if self.both {
            proxy.send(Quotient::Exact(whole())).await?;
        } else if self.a % self.b == 0 {
            return proxy.send(Quotient::Exact(whole())).await;
        }
        proxy.send(Fraction(self.a as f64 / self.b as f64)).await // by the `From` of `protocol!`
    }
}

// Generic Commands.

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Traced<C> {
    trace: u64,
    command: C,
}

impl<C: Command> Command for Traced<C> {
    type Reply = C::Reply;
    type Kind = Wrapper<C::Kind>;
}

impl<C: Execute<Calc>> Execute<Calc> for Traced<C> {
    const SCHEDULING: Scheduling = C::SCHEDULING;

    fn execute(
        self,
        calc: &Calc,
        proxy: Proxy<'_, C::Reply>,
    ) -> impl Future<Output = Result<(), Failed>> + Send {
        self.command.execute(calc, proxy)
    }
}

// A Protocol with everything.

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct CalcError(String);

impl std::fmt::Display for CalcError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CalcError {}
impl Failure for CalcError {
    fn from_failed(failed: &Failed) -> Self {
        Self(failed.to_string())
    }
}

/// Another choice, which has a Reply in common with the first one.
#[derive(PartialEq, Debug)]
enum Any {
    Sum(Sum),
    Whole(Whole),
}

#[derive(Serialize, Deserialize)]
struct Either {
    whole: bool,
}

impl Answer<Calc> for Either {
    async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Any, Failed> {
        Ok(if self.whole { Whole { value: 1, more: false }.into() } else { Sum(2).into() })
    }
}

protocol! {
    /// Documented, with derives of its own.
    #[derive(PartialOrd, Ord, Hash)]
    #[allow(dead_code)]
    pub(crate) struct Calculator {
        commands {
            0 => Add -> Sum,
            1 => Divide -> Quotient,
            2 => Traced<Add> as TracedAdd,
            0x20 => Traced<Traced<crate::Divide>> as TwiceTracedDivide,
            300 => self::Either as Either -> Any,
        }
        replies {
            0 => Sum,
            7 => Whole,
            3 => Fraction,
            1_000 => CalcError,
        }
        enum Quotient {
            Exact(Whole),
            Rounded(Fraction),
        }
        enum Any { Sum(Sum), Whole(Whole) }
        failure CalcError
    }
}

async fn calculator() -> Client<Calculator, Json> {
    both(Server::builder(Calculator, Json, CALC), Client::builder(Calculator, Json)).await.0
}

#[tokio::test(start_paused = true)]
async fn a_command_may_be_answered_with_replies_of_several_types() {
    let client = calculator().await;
    let divide = |a, b| Divide { a, b, both: false };
    let whole = |value, more| Quotient::Exact(Whole { value, more });
    assert_eq!(client.send(divide(6, 3)).await.expect("a reply"), whole(2, false));
    assert_eq!(client.send(divide(5, 2)).await.expect("a reply"), Quotient::Rounded(Fraction(2.5)));

    let mut stream = client.stream(Divide { a: 5, b: 2, both: true }).await.expect("sent");
    assert_eq!(stream.next().await.expect("a reply").expect("a reply"), whole(2, true));
    assert_eq!(stream.next().await.expect("a reply").expect("a reply"), Quotient::Rounded(Fraction(2.5)));
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn two_choices_may_have_a_reply_in_common() {
    let client = calculator().await;
    assert_eq!(client.send(Either { whole: false }).await.expect("a reply"), Any::Sum(Sum(2)));
    assert_eq!(
        client.send(Either { whole: true }).await.expect("a reply"),
        Any::Whole(Whole { value: 1, more: false })
    );
}

#[tokio::test(start_paused = true)]
async fn a_declared_reply_outside_of_the_choice_of_its_command_ends_the_client() {
    let (client, mut peer) = client_and_bytes(Client::builder(Calculator, Json), 1 << 16).await;
    let serving = async {
        peer.expect(&json_frame(1, 300, r#"{"whole":true}"#)).await;
        peer.send(&json_frame(1, 3, "2.5")).await;
        peer.expect_end().await;
    };
    let calling = async { client.send(Either { whole: true }).await.expect_err("a fraction is no `Any`") };
    let error = Error::from(within(async { tokio::join!(calling, serving) }).await.0);
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[tokio::test(start_paused = true)]
async fn a_generic_command_is_listed_once_for_each_of_its_types() {
    let client = calculator().await;
    let add = |a, b| Traced { trace: 1, command: Add { a, b } };
    assert_eq!(client.send(add(2, 3)).await.expect("a reply"), Sum(5));
    match client.send(add(1000, 3)).await.expect_err("over the limit") {
        CallError::Failed(failure) => assert_eq!(failure, CalcError("too much".into())),
        CallError::Other(error) => panic!("{error:#}"),
    }
    let divide =
        Traced { trace: 1, command: Traced { trace: 2, command: Divide { a: 6, b: 3, both: false } } };
    assert_eq!(client.send(divide).await.expect("a reply"), Quotient::Exact(Whole { value: 2, more: false }));
}

#[tokio::test(start_paused = true)]
async fn tags_stand_on_the_wire_as_declared() {
    let (_server, mut peer) = server_and_bytes(Server::builder(Calculator, Json, CALC)).await;
    peer.send(&json_frame(1, 300, r#"{"whole":true}"#)).await;
    peer.expect(&json_frame(1, 7, r#"{"value":1,"more":false}"#)).await;
    peer.send(&json_frame(
        2,
        0x20,
        r#"{"trace":1,"command":{"trace":2,"command":{"a":5,"b":2,"both":false}}}"#,
    ))
    .await;
    peer.expect(&json_frame(2, 3, "2.5")).await;
    peer.send(&json_frame(3, 2, r#"{"trace":1,"command":{"a":1000,"b":2}}"#)).await;
    peer.expect(&json_frame(3, 1000, r#""too much""#)).await;
}

#[test]
fn a_protocol_tells_its_names_and_tags() {
    let entry = |tag, name| Entry::new(Tag::new(tag), name);
    let commands = [
        entry(0, "Add"),
        entry(1, "Divide"),
        entry(2, "TracedAdd"),
        entry(0x20, "TwiceTracedDivide"),
        entry(300, "Either"),
    ];
    assert_eq!(Calculator::COMMANDS, commands);
    assert_eq!(
        Calculator::REPLIES,
        [entry(0, "Sum"), entry(7, "Whole"), entry(3, "Fraction"), entry(1000, "CalcError")]
    );
    assert_eq!((Calculator::NAME, Calculator::FAILURE), ("Calculator", Some("CalcError")));
    assert_eq!(Printable::FAILURE, None);
    assert_eq!(<Either as CommandOf<Calculator>>::TAG, Tag::new(300));
    assert_eq!(<Either as CommandOf<Calculator>>::INDEX, 4);
    assert_eq!(<Traced<Add> as CommandOf<Calculator>>::TAG, Tag::new(2));
}

#[test]
fn a_protocol_is_a_value_with_the_derives_that_were_asked_for() {
    fn is_hash<T: std::hash::Hash + Ord + Copy + Default + std::fmt::Debug>(_: T) {}
    is_hash(Calculator);
    assert_eq!(Calculator, Default::default());
    assert_eq!(format!("{Calculator:?}"), "Calculator");
}

// Debug.

protocol! {
    struct Printable {
        commands { 0 => Add, 1 => Traced<Add> as TracedAdd }
        replies { 0 => Sum }
        failure close_connection
    }
}

#[test]
fn the_enums_are_debug_where_all_their_types_are() {
    let command = Traced { trace: 1, command: Add { a: 2, b: 3 } };
    assert_eq!(format!("{:?}", PrintableCommand::TracedAdd(&command)), format!("{command:?}"));
    assert_eq!(format!("{:?}", PrintableCommand::Add(&command.command)), "Add { a: 2, b: 3 }");
    assert_eq!(format!("{:?}", PrintableReply::Sum(Sum(5))), "Sum(5)");
    assert_eq!(format!("{:?}", CommandOf::<Printable>::as_command(&command)), format!("{command:?}"));
}

/// Whether a type is Debug: the method of the type itself, if there is one, goes before that of the trait.
struct Probe<T>(std::marker::PhantomData<T>);

impl<T: std::fmt::Debug> Probe<T> {
    fn is_debug(&self) -> bool {
        true
    }
}

trait IsNot {
    fn is_debug(&self) -> bool {
        false
    }
}

impl<T> IsNot for Probe<T> {}

#[test]
fn the_enums_are_not_debug_where_a_type_is_not() {
    // `Divide` and `Either` are not; the replies all are.
    assert!(!Probe::<CalculatorCommand<'_>>(std::marker::PhantomData).is_debug());
    assert!(Probe::<CalculatorReply>(std::marker::PhantomData).is_debug());
    assert!(Probe::<PrintableCommand<'_>>(std::marker::PhantomData).is_debug());
}

// Visibility and commas.

mod service {
    use super::{Add, Sum, protocol};

    protocol! {
        pub struct Public { commands { 0 => Add } replies { 0 => Sum, } failure close_connection }
    }
    protocol! {
        pub(super) struct ForParent { commands { 0 => Add, } replies { 0 => Sum } failure close_connection }
    }
    protocol! {
        struct Private { commands { 4 => super::Add as Plus, } replies { 0 => super::Sum as Sum, } failure close_connection }
    }

    pub(super) fn private_names() -> Vec<&'static str> {
        <Private as cmd_stream::protocol::Protocol>::COMMANDS.iter().map(|entry| entry.name).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_may_be_of_several_protocols() {
    let public = Client::builder(service::Public, Json);
    let (client, _server) = both(Server::builder(service::Public, Json, CALC), public).await;
    assert_eq!(client.send(Add { a: 2, b: 3 }).await.expect("a reply"), Sum(5));
    let for_parent = Client::builder(service::ForParent, Json);
    let (client, _server) = both(Server::builder(service::ForParent, Json, CALC), for_parent).await;
    assert_eq!(client.send(Add { a: 2, b: 3 }).await.expect("a reply"), Sum(5));
    assert_eq!(service::private_names(), ["Plus"]);
}

// Commands of another crate, which knows nothing of this Receiver.

struct Elsewhere;

impl Answer<Elsewhere> for EchoCmd {
    async fn answer(self, _: &Elsewhere, _: &Context<'_>) -> Result<EchoResult, Failed> {
        Ok(EchoResult { int64: -self.int64, ..EchoResult::default() })
    }
}

impl Execute<Elsewhere> for StreamCmd {
    async fn execute(self, _: &Elsewhere, proxy: Proxy<'_, StreamResult>) -> Result<(), Failed> {
        proxy.send(StreamResult { value: -self.init, last: true }).await
    }
}

impl Answer<Elsewhere> for FailCmd {
    async fn answer(self, _: &Elsewhere, _: &Context<'_>) -> Result<EchoResult, Failed> {
        Ok(EchoResult::default())
    }
}

impl Answer<Elsewhere> for DelayCmd {
    async fn answer(self, _: &Elsewhere, _: &Context<'_>) -> Result<DelayResult, Failed> {
        Ok(DelayResult { id: -self.id })
    }
}

#[tokio::test(start_paused = true)]
async fn commands_of_another_crate_are_executed_on_a_receiver_of_this_one() {
    let (client, _server) =
        both(Server::builder(Sample, Json, Elsewhere), Client::builder(Sample, Json)).await;
    let echo = EchoCmd { int64: 5, ..EchoCmd::default() };
    assert_eq!(client.send(echo.clone()).await.expect("a reply").int64, -5);
    assert_eq!(client.send(TraceCmd { map_carrier: None, cmd: echo }).await.expect("a reply").int64, -5);
    assert_eq!(client.send(StreamCmd { init: 5, count: 3 }).await.expect("a reply").value, -5);
    assert_eq!(client.send(DelayCmd { id: 5, delay_ms: 1 }).await.expect("a reply").id, -5);
    assert_eq!(client.send(FailCmd {}).await.expect("a reply"), EchoResult::default());
}

// A wrapper of another crate, which is generic in the Receiver and in the Command.

/// The Receiver.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

/// One-way.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Note {
    text: String,
}

/// Answered with each note, in the order in which they came.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct ReadAll {}

/// Answered with how many notes there are.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct CountAll {}

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Line {
    text: String,
    more: bool,
}

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Count(usize);

impl Reply for Line {
    fn is_last(&self) -> bool {
        !self.more
    }
}

impl Answer<Notes> for Note {
    async fn answer(self, notes: &Notes, _: &Context<'_>) -> Result<(), Failed> {
        notes.0.lock().expect("no panic").push(self.text);
        Ok(())
    }
}

impl Execute<Notes> for ReadAll {
    async fn execute(self, notes: &Notes, proxy: Proxy<'_, Line>) -> Result<(), Failed> {
        let notes = notes.0.lock().expect("no panic").clone();
        let left = (0..notes.len()).rev();
        for (text, left) in notes.into_iter().zip(left) {
            proxy.send(Line { text, more: left > 0 }).await?;
        }
        Ok(())
    }
}

impl Answer<Notes> for CountAll {
    async fn answer(self, notes: &Notes, _: &Context<'_>) -> Result<Count, Failed> {
        Ok(Count(notes.0.lock().expect("no panic").len()))
    }
}

protocol! {
    struct Notebook {
        commands {
            0 => Note -> (),
            1 => ReadAll -> Line,
            2 => CountAll -> Count,
            3 => TraceCmd<Note> as TracedNote,
            4 => TraceCmd<ReadAll> as TracedReadAll,
            5 => TraceCmd<TraceCmd<CountAll>> as TwiceTracedCountAll,
        }
        replies { 0 => Line, 1 => Count }
        failure close_connection
    }
}

fn traced<C>(cmd: C) -> TraceCmd<C> {
    TraceCmd { map_carrier: None, cmd }
}

#[tokio::test(start_paused = true)]
async fn a_wrapper_of_another_crate_is_sent_and_executed_as_what_is_in_it() {
    let notes = Notes::default();
    let (client, server) =
        both(Server::builder(Notebook, Json, notes.clone()), Client::builder(Notebook, Json)).await;
    for text in ["a", "b"] {
        client.post(traced(Note { text: text.into() })).await.expect("it is sent");
    }
    client.post(Note { text: "c".into() }).await.expect("it is sent");
    until(|| notes.0.lock().expect("no panic").len() == 3).await;
    notes.0.lock().expect("no panic").sort(); // each has a task of its own

    let mut stream = client.stream(traced(ReadAll {})).await.expect("sent");
    for (text, more) in [("a", true), ("b", true), ("c", false)] {
        assert_eq!(stream.next().await.expect("a reply").expect("a reply"), Line { text: text.into(), more });
    }
    assert!(stream.next().await.is_none());
    assert_eq!(client.send(traced(traced(CountAll {}))).await.expect("a reply"), Count(3));
    assert_eq!((client.in_flight(), server.counters().replies), (0, 4), "of those posted there is none");
}

// Two Protocols over the same types: the second one declares neither what the Commands are answered with nor the `From`s.

protocol! {
    struct Second {
        commands { 5 => Add, 6 => Divide, 7 => Either }
        replies { 1 => Fraction, 2 => Whole, 3 => Sum }
        use enum Quotient { Rounded(Fraction), Exact(Whole) }
        use enum Any { Sum(Sum), Whole(Whole) }
        failure close_connection
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_protocol_has_tags_and_a_failure_of_its_own() {
    let (_server, mut peer) = server_and_bytes(Server::builder(Second, Json, CALC)).await;
    for (command, body, reply, answer) in [
        (5, r#"{"a":2,"b":3}"#, 3, "5"),
        (6, r#"{"a":6,"b":3,"both":false}"#, 2, r#"{"value":2,"more":false}"#),
        (6, r#"{"a":5,"b":2,"both":false}"#, 1, "2.5"),
        (7, r#"{"whole":true}"#, 2, r#"{"value":1,"more":false}"#),
    ] {
        peer.send(&json_frame(1, command, body)).await;
        peer.expect(&json_frame(1, reply, answer)).await;
    }
    peer.send(&json_frame(2, 5, r#"{"a":1000,"b":3}"#)).await;
    peer.expect_end().await;

    let (client, _server) = both(Server::builder(Second, Json, CALC), Client::builder(Second, Json)).await;
    let quotient = client.send(Divide { a: 5, b: 2, both: false }).await.expect("a reply");
    assert_eq!(quotient, Quotient::Rounded(Fraction(2.5)));
}

// A sender behind a trait object.

/// Something that adds.
type Adder = dyn SendCommand<Add, Failure = CalcError>;

/// What an application has that is tested without a network.
async fn total(numbers: &[i64], calculator: &Adder) -> Result<i64, Error> {
    let mut total = 0;
    for &number in numbers {
        Sum(total) = calculator.send(Add { a: total, b: number }).await?;
    }
    Ok(total)
}

/// A stand-in for the server.
struct OnPaper;

impl SendCommand<Add> for OnPaper {
    type Failure = CalcError;

    fn send(&self, command: Add) -> Replied<'_, Sum, CalcError> {
        Box::pin(ready(Ok(Sum(command.a + command.b))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_may_be_a_trait_object() {
    let client = calculator().await;
    let sender = Sender::from(client.clone());
    let all: [Box<Adder>; 3] = [Box::new(OnPaper), Box::new(client.clone()), Box::new(sender)];
    for calculator in &all {
        assert_eq!(total(&[1, 2, 3], &**calculator).await.expect("a sum"), 6);
    }
    let error = total(&[999, 2], &client).await.expect_err("over the limit");
    assert_eq!(error.kind(), ErrorKind::Remote);
}

// A Format of the user's own: strings with their length before them, without tags.

#[derive(Clone, Copy, Debug)]
struct Text;

impl Format for Text {
    const NAME: &str = "text";
    type Progress = ();

    fn encode_tag(&self, _: Tag, _: &mut Vec<u8>) {}
    fn decode_tag(&self, _: &[u8]) -> Decoded<Tag> {
        Decoded::Value(Tag::new(0), 0)
    }
}

impl<T: AsRef<str>> Encode<T> for Text {
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        varint::encode(value.as_ref().len() as u64, out);
        out.extend_from_slice(value.as_ref().as_bytes());
        Ok(())
    }
}

impl<T: From<String>> Decode<T> for Text {
    fn decode(&self, bytes: &[u8], _: &mut ()) -> Decoded<T> {
        let (length, start) = match varint::decode_length(bytes) {
            Decoded::Value(length, start) => (length, start),
            Decoded::Incomplete(missing) => return Decoded::Incomplete(missing),
            Decoded::Invalid(error) => return Decoded::Invalid(error),
        };
        let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        match bytes.get(start..end) {
            None => Decoded::incomplete(end - bytes.len()),
            Some(text) => match String::from_utf8(text.to_vec()) {
                Ok(text) => Decoded::Value(text.into(), end),
                Err(error) => Decoded::invalid(Fault::Body(error.into()), end),
            },
        }
    }
}

macro_rules! text {
    ($($name:ident),*) => { $(
        #[derive(PartialEq, Debug)]
        struct $name(String);

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )* };
}
text!(Say, Said);

impl Answer<Calc> for Say {
    async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Said, Failed> {
        Ok(Said(self.0))
    }
}

protocol! {
    struct Echo { commands { 0 => Say -> Said } replies { 0 => Said } failure close_connection }
}

#[tokio::test(start_paused = true)]
async fn a_format_of_the_users_own_carries_a_service() {
    let (client, server) = both(Server::builder(Echo, Text, CALC), Client::builder(Echo, Text)).await;
    for text in [String::new(), "hello".into(), "ü".repeat(70_000)] {
        assert_eq!(client.send(Say(text.clone())).await.expect("a reply"), Said(text));
    }
    let over = "x".repeat(5 << 20);
    let error = Error::from(client.send(Say(over)).await.expect_err("over the limit"));
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert_eq!(client.send(Say("more".into())).await.expect("it goes on"), Said("more".into()));
    assert_eq!(server.counters().commands, 4);
}

#[tokio::test(start_paused = true)]
async fn a_format_without_tags_puts_none_on_the_wire() {
    let (_server, mut peer) = server_and_bytes(Server::builder(Echo, Text, CALC)).await;
    peer.send_bytewise(b"\x01\x05hello").await;
    peer.expect(b"\x01\x05hello").await;
    peer.send(b"\x02\x00\x03\x01x").await;
    let mut replies = [peer.receive(2).await, peer.receive(3).await].concat();
    if replies[0] == 3 {
        replies.rotate_left(3); // each Command has a task of its own
    }
    assert_eq!(replies, b"\x02\x00\x03\x01x");
}

#[tokio::test(start_paused = true)]
async fn what_a_format_of_the_users_own_refuses_closes_the_connection() {
    for (bytes, kind) in [
        (&b"\x01\x02\xff\xff"[..], ErrorKind::Decode), // no UTF-8
        (b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", ErrorKind::Decode), // a length below zero
        (b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7f", ErrorKind::Limit), // one that no memory holds
        (b"\x01\x81\x80\x80\x02", ErrorKind::Limit),   // one byte over 4 MiB
    ] {
        let (reason, mut reasons) = tokio::sync::mpsc::unbounded_channel();
        let server = Server::builder(Echo, Text, CALC)
            .on_connection_lost(move |lost| reason.send(lost.reason.kind()).expect("the test reads"));
        let (_server, mut peer) = server_and_bytes(server).await;
        peer.send(bytes).await;
        peer.expect_end().await;
        assert_eq!(within(reasons.recv()).await, Some(kind), "{bytes:x?}");
    }
}
