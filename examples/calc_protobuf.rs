//! A calculator: two Commands, one Reply, Protobuf on the wire.
//!
//! ```text
//! cargo run --example calc_protobuf
//! ```
//!
//! Commands and Replies are messages of a `.proto` file, `calc_protobuf/calc.proto`. What `prost-build` makes of it is
//! committed beside it, so that nothing is generated when this is built. (`protobuf_build_script` shows the other way: a
//! build script that generates it each time. Its tests hold the committed code to what is generated.) Neither way
//! needs `protoc`. The code that uses the messages is that of `calc_json`, but for the Format.
//!
//! `cargo run --example calc_protobuf -- --listen 127.0.0.1:9000` is only the server, and `--connect 127.0.0.1:9000` only
//! the client. The example of the same name of the Go library speaks the same bytes, so it can be at either end.

use calc::{AddCmd, CalcResult, SubCmd};
use cmd_stream::{Command, Error, Execute, Failed, Protobuf, Proxy, Reply, Sender, Server, protocol};
use examples::Failure;

/// The messages of `calc.proto`: plain structs that both ends share.
#[expect(unreachable_pub, reason = "generated")]
mod calc {
    include!("calc_protobuf/calc.rs");
}

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

// Which messages are Commands, and what they are answered with.

impl Reply for CalcResult {}

impl Command for AddCmd {
    type Reply = CalcResult;
}

impl Command for SubCmd {
    type Reply = CalcResult;
}

// How a Command acts on the Receiver: only the server needs this.

impl Execute<Calc> for AddCmd {
    async fn execute(self, calc: &Calc, proxy: Proxy<'_, CalcResult>) -> Result<(), Failed> {
        proxy.send(CalcResult { r: calc.add(self.a, self.b)? }).await
    }
}

impl Execute<Calc> for SubCmd {
    async fn execute(self, calc: &Calc, proxy: Proxy<'_, CalcResult>) -> Result<(), Failed> {
        proxy.send(CalcResult { r: calc.sub(self.a, self.b)? }).await
    }
}

protocol! {
    /// Which Commands and Replies there are, and what each is on the wire.
    struct Calculator {
        commands { 0 => AddCmd, 1 => SubCmd }
        replies { 0 => CalcResult }
    }
}

// Both ends name the Protocol and the Format. `examples::run` reads the command line and starts what it asks for: the
// server serves until it is told to shut down, the client makes its calls.

#[tokio::main]
async fn main() -> Result<(), Failure> {
    examples::run(server, client).await
}

async fn server(address: String) -> Result<Server<Calculator, Protobuf, Calc>, Error> {
    Server::bind(address, Calculator, Protobuf, Calc).await
}

async fn client(address: String) -> Result<(), Failure> {
    let sender = examples::connect(|| Sender::connect(&address, Calculator, Protobuf)).await?;

    let sum = sender.send(AddCmd { a: 2, b: 3 }).await?;
    println!("Result: {}", sum.r);
    let difference = sender.send(SubCmd { a: 8, b: 4 }).await?;
    println!("Result: {}", difference.r);
    Ok(())
}
