//! Protobuf messages that a build script generates: see `build.rs` and `Cargo.toml`.
//!
//! ```text
//! cargo run -p protobuf_build_script
//! ```
//!
//! The example `calc_protobuf` is the same calculator with generated code that is committed, so that building it needs no
//! generator. Each way has its advantages: here the code cannot be out of date; there the build takes less time, and
//! changes of the code can be reviewed.

use std::error::Error;

use calc::{AddCmd, CalcResult};
use cmd_stream::{Answer, Context, Failed, Problem, Protobuf, Sender, Server, protocol};

/// The messages of `calc.proto`.
#[allow(unreachable_pub, dead_code, reason = "generated, with all that is in the file")]
mod calc {
    include!(concat!(env!("OUT_DIR"), "/calc.rs"));
}

/// The Receiver.
struct Calc;

protocol! {
    /// Which Commands and Replies there are, which Reply answers which Command, and what each is on the wire.
    struct Calculator {
        commands { 0 => AddCmd -> CalcResult }
        replies { 0 => CalcResult, 1 => Problem }
        failure Problem
    }
}

impl Answer<Calc> for AddCmd {
    async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<CalcResult, Failed> {
        let r = self.a.checked_add(self.b).ok_or_else(|| Failed::new("overflow"))?;
        Ok(CalcResult { r })
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
