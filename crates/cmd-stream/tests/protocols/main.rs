//! What `protocol!` generates: Replies of several types, generic Commands, Commands of another crate, names and tags.
//! Also user-defined Formats.

mod names_and_tags;
mod other_crate;
mod own_format;
mod replies;
mod several;
mod wrappers;

use std::future::Future;

use cmd_stream::protocol::kind::Wrapper;
use cmd_stream::server::Scheduling;
use cmd_stream::{
    Answer, Client, Command, Context, Execute, Failed, Failure, Json, Proxy, Reply, Server, protocol,
};
use serde::{Deserialize, Serialize};
use testkit::ends::both;

/// The Receiver of most Commands here.
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

/// Answered with a whole number or with a fraction; if `both`, with one and then the other.
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

// A Protocol that uses every feature of the macro.

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

/// Another enum of Replies, with one Reply in common with `Quotient`.
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
    /// Has documentation and derives.
    #[derive(PartialOrd, Ord, Hash)]
    #[allow(dead_code, reason = "an attribute that the macro has to pass on")]
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
