//! A calculator: two Commands, one Reply and a failure, with Protobuf on the wire.
//!
//! ```text
//! cargo run --example calc_protobuf
//! ```
//!
//! Commands and Replies are messages of a `.proto` file, `calc_protobuf/calc.proto`. What `prost-build` generates from it
//! is committed beside it, so that building this generates nothing. (`protobuf_build_script` shows the other way: a
//! build script that generates the code each time. Its tests check that the committed code is what is generated.)
//! Neither way needs `protoc`. The failure is [`Problem`], which comes with the library.
//!
//! `cargo run --example calc_protobuf -- --listen 127.0.0.1:9000` is only the server, and `--connect 127.0.0.1:9000` only
//! the client. The example of the same name of the Go library speaks the same bytes, so it can be at either end.
//! There is one difference: a sum that overflows is answered with a `Problem` here, which the Go example does not know;
//! there it wraps around.

use calc::{AddCmd, CalcResult, SubCmd};
use cmd_stream::{Answer, Context, Error, Failed, Problem, Protobuf, Sender, Server, protocol};
use examples::BoxError;

/// The messages of `calc.proto`: plain structs that both ends share.
#[expect(unreachable_pub, reason = "generated")]
mod calc {
    include!("calc_protobuf/calc.rs");
}

/// The Receiver: the service that Commands act on. It knows nothing of the network.
struct Calc;

impl Calc {
    fn add(&self, a: i64, b: i64) -> Option<i64> {
        a.checked_add(b)
    }

    fn sub(&self, a: i64, b: i64) -> Option<i64> {
        a.checked_sub(b)
    }
}

protocol! {
    /// Which Commands and Replies there are, which Reply answers which Command, and what each is on the wire.
    struct Calculator {
        commands { 0 => AddCmd -> CalcResult, 1 => SubCmd -> CalcResult }
        replies { 0 => CalcResult, 1 => Problem }
        failure Problem
    }
}

// How a Command acts on the Receiver: only the server needs this. A Command that fails with a `Problem` is answered with
// it. Any other error would become one with the code `Problem::FAILED`.

impl Answer<Calc> for AddCmd {
    async fn answer(self, calc: &Calc, _: &Context<'_>) -> Result<CalcResult, Failed> {
        let r = calc.add(self.a, self.b).ok_or_else(overflow)?;
        Ok(CalcResult { r })
    }
}

impl Answer<Calc> for SubCmd {
    async fn answer(self, calc: &Calc, _: &Context<'_>) -> Result<CalcResult, Failed> {
        let r = calc.sub(self.a, self.b).ok_or_else(overflow)?;
        Ok(CalcResult { r })
    }
}

/// The code of an overflow. Codes from `Problem::APPLICATION` on, which is 1000, are the application's own.
const OVERFLOW: u32 = Problem::APPLICATION;

fn overflow() -> Problem {
    Problem::new(OVERFLOW, "overflow")
}

// Both ends name the Protocol and the Format. `examples::run` reads the command line and starts what it asks for: the
// server serves until it is told to shut down, the client makes its calls.

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    examples::run(server, client).await
}

async fn server(address: String) -> Result<Server<Calculator, Protobuf, Calc>, Error> {
    Server::bind(address, Calculator, Protobuf, Calc).await
}

async fn client(address: String) -> Result<(), BoxError> {
    let sender = examples::connect(|| Sender::connect(&address, Calculator, Protobuf)).await?;

    let sum = sender.send(AddCmd { a: 2, b: 3 }).await?;
    println!("Result: {}", sum.r);
    let difference = sender.send(SubCmd { a: 8, b: 4 }).await?;
    println!("Result: {}", difference.r);
    Ok(())
}
