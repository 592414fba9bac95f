// compiles
//! A client needs no more than the shared crate; nothing here can execute a Command.

use cmd_stream::{Error, Json, Sender};
use shared::{Add, Calculator, Sum, Traced};

pub async fn client() -> Result<i64, Error> {
    let sender = Sender::connect("127.0.0.1:9000", Calculator, Json).await?;
    let Sum(five) = sender.send(Add { a: 2, b: 3 }).await?;
    let Sum(six) = sender.send(Traced { trace: "1".into(), command: Add { a: 3, b: 3 } }).await?;
    Ok(five + six)
}

fn main() {}
