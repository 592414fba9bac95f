//! `#[derive(Failure)]`: what the generated implementations do, beside `thiserror`, and in a service. (What does not
//! compile: `compile_fail/failure_*.rs`.)

use std::borrow::Cow;
use std::error::Error as _;
use std::fmt::{self, Debug, Display};
use std::sync::Arc;

use cmd_stream::{Answer, CallError, Client, Context, Failed, Failure, Json, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::ends::both;
use testkit::wait::within;

/// Made of a failed Command.
fn made<T: Failure>() -> T {
    Failed::new("overflow").into_failure()
}

#[derive(Debug, PartialEq, Failure)]
struct Named {
    message: String,
}

#[derive(Debug, PartialEq, Failure)]
struct Tuple(String);

#[test]
fn the_text_is_that_of_the_error_and_is_displayed() {
    let named = made::<Named>();
    assert_eq!(named, Named { message: "overflow".into() });
    assert_eq!(named.to_string(), "overflow");
    assert_eq!(format!("{named:>10}|"), "  overflow|");
    assert!(named.source().is_none());
    assert!(!named.is_overloaded());
    assert_eq!((made::<Tuple>(), made::<Tuple>().to_string()), (Tuple("overflow".into()), "overflow".into()));
    assert_eq!(Tuple::from_failed(&Failed::overloaded("full")), Tuple("full".into()));
}

#[derive(Debug, Failure)]
struct Boxed(Box<str>);
#[derive(Debug, Failure)]
struct Shared(Arc<str>);
#[derive(Debug, Failure)]
struct Clone(Cow<'static, str>);

#[test]
fn the_text_may_be_of_any_type_that_owns_one() {
    assert_eq!(&*made::<Boxed>().0, "overflow");
    assert_eq!(&*made::<Shared>().0, "overflow");
    assert_eq!(made::<Clone>().0, "overflow");
    let texts = [made::<Boxed>().to_string(), made::<Shared>().to_string(), made::<Clone>().to_string()];
    assert_eq!(texts, ["overflow"; 3]);
}

#[derive(Debug, PartialEq, Failure)]
struct Detailed {
    code: u32,
    message: String,
    hints: Vec<String>,
    severity: Severity,
}

#[derive(Debug, Default, PartialEq)]
enum Severity {
    #[expect(dead_code, reason = "a default has to be chosen between two")]
    Low,
    #[default]
    High,
}

#[derive(Debug, PartialEq, Failure)]
struct Marked(String, #[failure(message)] String, Option<u8>);

#[test]
fn the_other_fields_have_their_defaults() {
    let expected =
        Detailed { code: 0, message: "overflow".into(), hints: Vec::new(), severity: Severity::High };
    assert_eq!(made::<Detailed>(), expected);
    assert_eq!(made::<Detailed>().to_string(), "overflow");
}

#[test]
fn the_mark_decides_between_two_texts() {
    assert_eq!(made::<Marked>(), Marked(String::new(), "overflow".into(), None));
    assert_eq!(Marked("account 7".into(), "closed".into(), Some(3)).to_string(), "closed");
}

#[test]
fn a_failure_that_a_command_returns_is_kept() {
    let own = Marked("account 7".into(), "closed".into(), Some(3));
    assert_eq!(Failed::new(own).into_failure::<Marked>().0, "account 7");
}

/// A text under another name.
#[derive(Debug, PartialEq)]
struct Shout(String);

impl From<String> for Shout {
    fn from(text: String) -> Self {
        Self(text.to_uppercase())
    }
}

impl Display for Shout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}!", self.0)
    }
}

#[derive(Debug, Failure)]
struct Loud {
    #[failure(message)]
    text: Shout,
}

#[test]
fn a_marked_field_is_made_from_a_string() {
    assert_eq!(made::<Loud>().text, Shout("OVERFLOW".into()));
    assert_eq!(made::<Loud>().to_string(), "OVERFLOW!");
}

// Without `Display` and `Error` of the macro's.

#[derive(Debug, thiserror::Error, Failure)]
#[error("calculation failed: {message} (code {code})")]
#[failure(display = false)]
struct Beside {
    code: u32,
    message: String,
    #[source]
    cause: Option<std::num::ParseIntError>,
}

#[derive(Debug, Failure)]
#[failure(display = false)]
struct ByHand(String);

impl Display for ByHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "by hand: {}", self.0)
    }
}

impl std::error::Error for ByHand {}

#[test]
fn display_and_error_may_be_those_of_thiserror_or_of_the_program() {
    let beside = made::<Beside>();
    assert_eq!(beside.to_string(), "calculation failed: overflow (code 0)");
    assert!(beside.source().is_none());
    let cause = "many".parse::<i64>().err();
    assert!(Beside { code: 1, message: String::new(), cause }.source().is_some());
    assert_eq!(made::<ByHand>().to_string(), "by hand: overflow");
}

// Parameters.

#[derive(Debug, PartialEq, Failure)]
struct Generic<T, const N: usize> {
    message: String,
    detail: T,
    numbers: [Option<T>; N],
}

#[derive(Debug, Failure)]
struct OfAnyText<M> {
    #[failure(message)]
    text: M,
}

#[test]
fn parameters_are_bounded_by_what_their_fields_need() {
    fn is_failure<T: Failure>() {}
    is_failure::<Generic<u8, 0>>();

    // `Display` needs nothing of `T`.
    struct Opaque;
    let error = Generic::<Opaque, 1> { message: "no".into(), detail: Opaque, numbers: [None] };
    assert_eq!(error.to_string(), "no");

    assert_eq!(made::<OfAnyText<Shout>>().to_string(), "OVERFLOW!");
    assert_eq!(made::<OfAnyText<String>>().text, "overflow");
}

mod renamed {
    pub(crate) use cmd_stream as commands;
}

#[derive(Debug, Failure)]
#[failure(crate = renamed::commands)]
struct Elsewhere(String);

#[test]
fn the_library_may_be_found_elsewhere() {
    assert_eq!(made::<Elsewhere>().0, "overflow");
}

// In a service.

#[derive(Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Sum(i64);
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Failure)]
struct CalcError {
    message: String,
    overflows: bool,
}

struct Calc;

impl Answer<Calc> for Add {
    async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Sum, Failed> {
        if self.a < 0 {
            return Err(Failed::new("a is negative"));
        }
        let overflow = || CalcError { message: "overflow".into(), overflows: true };
        Ok(Sum(self.a.checked_add(self.b).ok_or_else(overflow)?))
    }
}

protocol! {
    struct Calculator {
        commands { 0 => Add -> Sum }
        replies { 0 => Sum, 1 => CalcError }
        failure CalcError
    }
}

#[tokio::test]
async fn a_client_gets_it_as_the_server_made_it() {
    let server = Server::builder(Calculator, Json, Calc);
    let (client, _server) = both(server, Client::builder(Calculator, Json)).await;
    let send = async |a, b| within(async { client.send(Add { a, b }).await }).await;

    assert_eq!(send(2, 3).await.expect("no overflow"), Sum(5));
    for (a, b, message, overflows) in [(-1, 0, "a is negative", false), (i64::MAX, 1, "overflow", true)] {
        match send(a, b).await.expect_err("it fails") {
            CallError::Failed(failure) => {
                assert_eq!(failure, CalcError { message: message.into(), overflows });
            }
            CallError::Other(error) => panic!("{error:#}"),
        }
    }
}
