//! A calculator: two Commands, one Reply, JSON on the wire.
//!
//! ```text
//! cargo run --example calc_json
//! ```
//!
//! `cargo run --example calc_json -- --listen 127.0.0.1:9000` is only the server, and `--connect 127.0.0.1:9000` only
//! the client. The example of the same name of the Go library speaks the same bytes, so it can be at either end.

use cmd_stream::{Command, Error, Execute, Failed, Json, Proxy, Reply, Sender, Server, protocol};
use examples::Failure;
use serde::{Deserialize, Serialize};

/// The Receiver: the service that Commands act on. It knows nothing of the network.
struct Calc;

impl Calc {
    fn add(&self, a: i64, b: i64) -> Result<i64, Failed> {
        a.checked_add(b).ok_or_else(|| Failed::new("overflow"))
    }

    fn sub(&self, a: i64, b: i64) -> Result<i64, Failed> {
        a.checked_sub(b).ok_or_else(|| Failed::new("overflow"))
    }
}

// Commands and their Reply: plain values that both ends share. The names on the wire are those of the Go example.

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

impl Reply for CalcResult {}

impl Command for Add {
    type Reply = CalcResult;
}

impl Command for Sub {
    type Reply = CalcResult;
}

// How a Command acts on the Receiver: only the server needs this.

impl Execute<Calc> for Add {
    async fn execute(self, calc: &Calc, proxy: Proxy<'_, CalcResult>) -> Result<(), Failed> {
        proxy.send(CalcResult(calc.add(self.a, self.b)?)).await
    }
}

impl Execute<Calc> for Sub {
    async fn execute(self, calc: &Calc, proxy: Proxy<'_, CalcResult>) -> Result<(), Failed> {
        proxy.send(CalcResult(calc.sub(self.a, self.b)?)).await
    }
}

protocol! {
    /// Which Commands and Replies there are, and what each is on the wire.
    struct Calculator {
        commands { 0 => Add, 1 => Sub }
        replies { 0 => CalcResult }
    }
}

// Both ends name the Protocol and the Format. `examples::run` reads the command line and starts what it asks for: the
// server serves until it is told to shut down, the client makes its calls.

#[tokio::main]
async fn main() -> Result<(), Failure> {
    examples::run(server, client).await
}

async fn server(address: String) -> Result<Server<Calculator, Json, Calc>, Error> {
    Server::bind(address, Calculator, Json, Calc).await
}

async fn client(address: String) -> Result<(), Failure> {
    let sender = examples::connect(|| Sender::connect(&address, Calculator, Json)).await?;

    let CalcResult(sum) = sender.send(Add { a: 2, b: 3 }).await?;
    println!("Result: {sum}");
    let CalcResult(difference) = sender.send(Sub { a: 8, b: 4 }).await?;
    println!("Result: {difference}");
    Ok(())
}
