//! `Problem`: its bytes in each Format, which code each way of failing gets, and what of an error leaves the server.

use std::collections::BTreeSet;
use std::fmt::Debug;

use cmd_stream::format::{Decode, Encode, Format};
use cmd_stream::proto::Decoded;
use cmd_stream::protocol::{ClientProtocol, FailedReason, Protocol};
use cmd_stream::server::{Ended, Invocation, ServerProtocol};
use cmd_stream::{
    CallError, Client, Error, ErrorKind, Execute, Failed, Failure, Invoker, Json, Mus, Origin, Problem,
    Protobuf, Proxy, Server, protocol,
};
use serde::{Deserialize, Serialize};
use testkit::ends::both;
use testkit::wait::within;

// A service that fails as it is told.

/// Fails in this way, one of the constants below.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize, mus_format::Mus)]
struct Fail {
    #[prost(uint32, tag = "1")]
    way: u32,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize, mus_format::Mus)]
struct Done {}

/// The Receiver.
struct Clumsy;

impl Execute<Clumsy> for Fail {
    async fn execute(self, _: &Clumsy, proxy: Proxy<'_, Done>) -> Result<(), Failed> {
        match self.way {
            NOT_AT_ALL => proxy.send(Done {}).await,
            ERROR => Err("many".parse::<i64>().expect_err("no number").into()),
            PANIC => panic!("the password is swordfish"),
            NO_LAST_REPLY => Ok(()),
            OVERLOADED => Err(Failed::overloaded("too many jobs are waiting")),
            PROBLEM => Err(Problem::new(1007, "card refused").into()),
            OVERLOADED_PROBLEM => Err(Failed::overloaded(Problem::new(2000, "the ward is full"))),
            TASK_PANICS => Ok(tokio::spawn(async { panic!("the password is swordfish") }).await?),
            TASK_IS_CANCELLED => {
                let task = tokio::spawn(std::future::pending());
                task.abort();
                Ok(task.await?)
            }
            other => unreachable!("the invoker refuses {other}"),
        }
    }
}

const NOT_AT_ALL: u32 = 0;
const ERROR: u32 = 1;
const PANIC: u32 = 2;
const NO_LAST_REPLY: u32 = 3;
const OVERLOADED: u32 = 4;
const PROBLEM: u32 = 5;
const OVERLOADED_PROBLEM: u32 = 6;
const TASK_PANICS: u32 = 7;
const TASK_IS_CANCELLED: u32 = 8;
const INVOKER_REFUSES: u32 = 9;

struct Bouncer;

impl Invoker<Ward> for Bouncer {
    async fn invoke(&self, invocation: impl Invocation<Ward>) -> Result<Ended, Failed> {
        let WardCommand::Fail(fail) = invocation.command();
        if fail.way == INVOKER_REFUSES {
            return Err(Failed::overloaded("nobody gets in"));
        }
        invocation.run().await
    }
}

protocol! {
    struct Ward {
        commands { 0 => Fail -> Done }
        replies { 0 => Done, 1 => Problem }
        failure Problem
    }
}

/// What the client gets if the Command fails in this way.
async fn problem_of<F>(client: &Client<Ward, F>, way: u32) -> Problem
where
    F: Format + Encode<Fail>,
    Ward: ClientProtocol<F>,
{
    match within(client.send(Fail { way })).await.expect_err("it fails") {
        CallError::Failed(problem) => problem,
        CallError::Other(error) => panic!("{error:#}"),
    }
}

async fn every_way_of_failing_has_its_code<F>(format: F)
where
    F: Format + Encode<Fail> + Clone,
    Ward: ClientProtocol<F> + ServerProtocol<F, Clumsy>,
{
    let server = Server::builder(Ward, format.clone(), Clumsy).invoker(Bouncer);
    let (client, _server) = both(server, Client::builder(Ward, format)).await;
    for (way, code, message) in [
        (ERROR, Problem::FAILED, "invalid digit found in string"),
        (PANIC, Problem::PANICKED, "the command panicked"),
        (NO_LAST_REPLY, Problem::NO_LAST_REPLY, "the command ended without a last reply"),
        (OVERLOADED, Problem::OVERLOADED, "too many jobs are waiting"),
        (PROBLEM, 1007, "card refused"),
        (OVERLOADED_PROBLEM, 2000, "the ward is full"),
        (TASK_PANICS, Problem::PANICKED, "the command panicked"),
        (INVOKER_REFUSES, Problem::OVERLOADED, "nobody gets in"),
    ] {
        let problem = problem_of(&client, way).await;
        assert_eq!(problem, Problem::new(code, message), "way {way}");
        assert_eq!(problem.is_overloaded(), code == Problem::OVERLOADED, "way {way}");
    }
    assert_eq!(problem_of(&client, TASK_IS_CANCELLED).await.code, Problem::FAILED);

    let done = within(client.send(Fail { way: NOT_AT_ALL })).await.expect("the connection goes on");
    assert_eq!(done, Done {});
}

#[tokio::test]
async fn every_way_of_failing_has_its_code_in_json() {
    every_way_of_failing_has_its_code(Json).await;
}

#[tokio::test]
async fn every_way_of_failing_has_its_code_in_mus() {
    every_way_of_failing_has_its_code(Mus).await;
}

#[tokio::test]
async fn every_way_of_failing_has_its_code_in_protobuf() {
    every_way_of_failing_has_its_code(Protobuf).await;
}

#[test]
fn what_a_panic_in_encoding_said_stays_on_the_server() {
    let caught = Error::new(ErrorKind::Panic, Origin::Local, "panic in encoding a reply: swordfish");
    let problem = Problem::from_failed(&caught.into());
    assert_eq!(problem, Problem::new(Problem::PANICKED, "the command panicked"));
    let other = Error::new(ErrorKind::Limit, Origin::Local, "reply of 10 bytes is over the limit of 9");
    let problem = Problem::from_failed(&other.into());
    assert_eq!(problem, Problem::new(Problem::FAILED, "reply of 10 bytes is over the limit of 9"));
}

// On the wire. The bodies are written out by hand, from what Go's `encoding/json`, mus-stream-go and protobuf document.

/// Encoded, it is these bytes, and these bytes decode to it.
#[track_caller]
fn is_on_the_wire<F: Encode<Problem> + Decode<Problem>>(format: &F, problem: &Problem, bytes: &[u8]) {
    let mut encoded = Vec::new();
    format.encode(problem, &mut encoded).expect("it can be encoded");
    assert_eq!(encoded, bytes, "{problem:?}");
    assert_eq!(decoded(format, bytes), *problem);
}

#[track_caller]
fn decoded<T: Debug, F: Decode<T>>(format: &F, bytes: &[u8]) -> T {
    match format.decode(bytes, &mut F::Progress::default()) {
        Decoded::Value(value, length) => {
            assert_eq!(length, bytes.len());
            value
        }
        other => panic!("{bytes:?} does not decode: {other:?}"),
    }
}

/// The text after a length that fits in a byte.
fn with_length(body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).ok().filter(|length| *length < 0x80);
    let mut bytes = vec![length.expect("a body of under 128 bytes")];
    bytes.extend_from_slice(body);
    bytes
}

#[test]
fn json_is_what_go_writes_for_a_struct_with_these_tags() {
    for (code, message, body) in [
        (13, "no account 7", r#"{"code":13,"message":"no account 7"}"#),
        (0, "", r#"{"code":0,"message":""}"#),
        (1007, "größe", r#"{"code":1007,"message":"größe"}"#),
        (u32::MAX, "say \"no\"\n", r#"{"code":4294967295,"message":"say \"no\"\n"}"#),
    ] {
        is_on_the_wire(&Json, &Problem::new(code, message), &with_length(body.as_bytes()));
    }
}

#[test]
fn json_without_a_field_has_its_zero_value_as_in_go() {
    for (body, problem) in [
        (r#"{"code":7}"#, Problem::new(7, "")),
        (r#"{"message":"no"}"#, Problem::new(0, "no")),
        (r#"{}"#, Problem::default()),
        (r#"{"message":"no","more":[1],"code":7}"#, Problem::new(7, "no")),
    ] {
        assert_eq!(decoded::<Problem, _>(&Json, &with_length(body.as_bytes())), problem);
    }
}

#[test]
fn mus_is_the_code_as_a_varint_and_the_message_after_its_length() {
    is_on_the_wire(&Mus, &Problem::new(13, "no"), &[0x0d, 0x02, b'n', b'o']);
    is_on_the_wire(&Mus, &Problem::new(0, ""), &[0x00, 0x00]);
    is_on_the_wire(&Mus, &Problem::new(1007, "ß"), &[0xef, 0x07, 0x02, 0xc3, 0x9f]);
    is_on_the_wire(&Mus, &Problem::new(u32::MAX, ""), &[0xff, 0xff, 0xff, 0xff, 0x0f, 0x00]);
}

#[test]
fn protobuf_is_a_uint32_as_field_1_and_a_string_as_field_2() {
    is_on_the_wire(&Protobuf, &Problem::new(13, "no"), &[6, 0x08, 0x0d, 0x12, 0x02, b'n', b'o']);
    is_on_the_wire(&Protobuf, &Problem::new(0, ""), &[0]);
    is_on_the_wire(&Protobuf, &Problem::new(0, "x"), &[3, 0x12, 0x01, b'x']);
    let largest = [6, 0x08, 0xff, 0xff, 0xff, 0xff, 0x0f];
    is_on_the_wire(&Protobuf, &Problem::new(u32::MAX, ""), &largest);
}

// The type itself.

#[test]
fn the_codes_of_the_library_differ_and_leave_the_range_of_applications() {
    let codes = [
        (Problem::FAILED, "failed"),
        (Problem::PANICKED, "panicked"),
        (Problem::NO_LAST_REPLY, "no last reply"),
        (Problem::OVERLOADED, "overloaded"),
        (Problem::INVALID, "invalid"),
        (Problem::UNAUTHENTICATED, "unauthenticated"),
        (Problem::FORBIDDEN, "forbidden"),
        (Problem::NOT_FOUND, "not found"),
        (Problem::CONFLICT, "conflict"),
        (Problem::UNAVAILABLE, "unavailable"),
    ];
    let distinct: BTreeSet<_> = codes.iter().map(|(code, _)| code).collect();
    assert_eq!(distinct.len(), codes.len());
    for (code, name) in codes {
        assert!((1..Problem::APPLICATION).contains(&code), "{name}");
        assert_eq!(Problem::new(code, "it").to_string(), format!("it ({name}, code {code})"));
        assert_eq!(Problem::new(code, "").to_string(), format!("{name}, code {code}"));
    }
}

#[test]
fn display_shows_the_message_and_the_code() {
    assert_eq!(Problem::new(1007, "card refused").to_string(), "card refused (code 1007)");
    assert_eq!(Problem::new(0, "").to_string(), "code 0");
    assert_eq!(format!("{:?}", Problem::new(7, "no")), r#"Problem { code: 7, message: "no" }"#);
    assert!(std::error::Error::source(&Problem::new(7, "no")).is_none());
}

#[test]
fn a_problem_is_sent_as_it_is_whatever_it_is_returned_as() {
    let refused = Problem::new(1007, "card refused");
    for failed in [refused.clone().into(), Failed::new(refused.clone()), Failed::overloaded(refused.clone())]
    {
        assert_eq!(failed.into_failure::<Problem>(), refused);
    }
}

#[test]
fn an_overloaded_failure_has_its_reason_and_its_error() {
    let failed = Failed::overloaded("full");
    assert_eq!((failed.reason(), failed.to_string().as_str()), (FailedReason::Overloaded, "full"));
    let failed = Failed::overloaded(std::io::Error::other("no more files"));
    assert_eq!(failed.reason(), FailedReason::Overloaded);
    assert!(failed.downcast_ref::<std::io::Error>().is_some());
}

#[test]
fn the_entries_of_the_protocol_name_it() {
    let names: Vec<_> = Ward::REPLIES.iter().map(|entry| (entry.tag.get(), entry.name)).collect();
    assert_eq!(names, [(0, "Done"), (1, "Problem")]);
}
