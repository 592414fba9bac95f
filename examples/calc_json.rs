//! A calculator: two Commands, one Reply and a failure, with JSON on the wire.
//!
//! ```text
//! cargo run --example calc_json
//! ```
//!
//! `cargo run --example calc_json -- --listen 127.0.0.1:9000` is only the server, and `--connect 127.0.0.1:9000` only
//! the client. The example of the same name of the Go library speaks the same bytes, so it can be at either end.
//! There is one difference: a sum that overflows is answered with `CalcError` here, which the Go example does not know;
//! there it wraps around.

use cmd_stream::{Answer, Context, Error, Failed, Failure, Json, Sender, Server, protocol};
use examples::BoxError;
use serde::{Deserialize, Serialize};

/// The Receiver: the service that Commands act on. It knows nothing of the network.
struct Calc;

impl Calc {
    fn add(&self, a: i64, b: i64) -> Result<i64, CalcError> {
        a.checked_add(b).ok_or_else(CalcError::overflow)
    }

    fn sub(&self, a: i64, b: i64) -> Result<i64, CalcError> {
        a.checked_sub(b).ok_or_else(CalcError::overflow)
    }
}

// Commands and Replies: plain values that both ends share. The names on the wire are those of the Go example.

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct Add {
    a: i64,
    b: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct Sub {
    a: i64,
    b: i64,
}

#[derive(Serialize, Deserialize)]
struct CalcResult(i64);

/// The Reply to a Command that fails. The client gets it as an error of this very type: `CallError::Failed(CalcError)`.
/// `Failure` also makes it of any other error, and of a panic: the text becomes the message.
#[derive(Debug, Serialize, Deserialize, Failure)]
struct CalcError {
    message: String,
}

impl CalcError {
    fn overflow() -> Self {
        Self { message: "overflow".into() }
    }
}

protocol! {
    /// Which Commands and Replies there are, which Reply answers which Command, and what each is on the wire.
    struct Calculator {
        commands { 0 => Add -> CalcResult, 1 => Sub -> CalcResult }
        replies { 0 => CalcResult, 1 => CalcError }
        failure CalcError
    }
}

// How a Command acts on the Receiver: only the server needs this.

impl Answer<Calc> for Add {
    async fn answer(self, calc: &Calc, _: &Context<'_>) -> Result<CalcResult, Failed> {
        Ok(CalcResult(calc.add(self.a, self.b)?))
    }
}

impl Answer<Calc> for Sub {
    async fn answer(self, calc: &Calc, _: &Context<'_>) -> Result<CalcResult, Failed> {
        Ok(CalcResult(calc.sub(self.a, self.b)?))
    }
}

// Both ends name the Protocol and the Format. `examples::run` reads the command line and starts what it asks for: the
// server serves until it is told to shut down, the client makes its calls.

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    examples::run(server, client).await
}

async fn server(address: String) -> Result<Server<Calculator, Json, Calc>, Error> {
    Server::bind(address, Calculator, Json, Calc).await
}

async fn client(address: String) -> Result<(), BoxError> {
    let sender = examples::connect(|| Sender::connect(&address, Calculator, Json)).await?;

    let CalcResult(sum) = sender.send(Add { a: 2, b: 3 }).await?;
    println!("Result: {sum}");
    let CalcResult(difference) = sender.send(Sub { a: 8, b: 4 }).await?;
    println!("Result: {difference}");
    Ok(())
}
