//! Protobuf messages that a build script generates: see `build.rs` and `Cargo.toml`.
//!
//! ```text
//! cargo run -p protobuf_build_script
//! ```
//!
//! The example `calc_protobuf` is the same calculator with generated code that is committed, so that who builds it
//! builds no generator. Which of the two is better is a matter of taste: here nothing can be out of date, and there
//! building takes less, and what changes can be reviewed.

use std::error::Error;

use calc::{AddCmd, CalcResult};
use cmd_stream::{Command, Execute, Failed, Protobuf, Proxy, Reply, Sender, Server, protocol};

/// The messages of `calc.proto`.
#[allow(unreachable_pub, dead_code, reason = "generated, with all that is in the file")]
mod calc {
    include!(concat!(env!("OUT_DIR"), "/calc.rs"));
}

/// The Receiver.
struct Calc;

impl Reply for CalcResult {}

impl Command for AddCmd {
    type Reply = CalcResult;
}

impl Execute<Calc> for AddCmd {
    async fn execute(self, _: &Calc, proxy: Proxy<'_, CalcResult>) -> Result<(), Failed> {
        let r = self.a.checked_add(self.b).ok_or_else(|| Failed::new("overflow"))?;
        proxy.send(CalcResult { r }).await
    }
}

protocol! {
    /// Which Commands and Replies there are, and what each is on the wire.
    struct Calculator {
        commands { 0 => AddCmd }
        replies { 0 => CalcResult }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::bind("127.0.0.1:0", Calculator, Protobuf, Calc).await?;
    let handle = server.handle();
    tokio::spawn(server.serve());

    let sender = Sender::connect(handle.local_addr(), Calculator, Protobuf).await?;
    let CalcResult { r } = sender.send(AddCmd { a: 2, b: 3 }).await?;
    println!("Result: {r}");
    Ok(())
}
