// error: `Add` cannot be executed on the Receiver `Calc`
// error: write `impl Execute<Calc> for Add`

use cmd_stream::{Command, Error, Json, Reply, Server, protocol};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}
#[derive(Serialize, Deserialize)]
struct Sum(i64);

struct Calc;

impl Reply for Sum {}
impl Command for Add {
    type Reply = Sum;
}

protocol! {
    struct Calculator {
        commands { 0 => Add }
        replies { 0 => Sum }
    }
}

pub async fn server() -> Result<(), Error> {
    Server::bind("127.0.0.1:9000", Calculator, Json, Calc).await?.serve().await;
    Ok(())
}

fn main() {}
