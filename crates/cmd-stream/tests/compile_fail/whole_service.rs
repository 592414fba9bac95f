// compiles
//! The least that a service needs.

use cmd_stream::{Answer, Context, Error, Failed, Json, Sender, Server, protocol};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}
#[derive(Serialize, Deserialize)]
struct Sum(i64);

struct Calc;

impl Answer<Calc> for Add {
    async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Sum, Failed> {
        Ok(Sum(self.a + self.b))
    }
}

protocol! {
    struct Calculator {
        commands { 0 => Add -> Sum }
        replies { 0 => Sum }
        failure close_connection
    }
}

pub async fn client() -> Result<i64, Error> {
    let sender = Sender::connect("127.0.0.1:9000", Calculator, Json).await?;
    let Sum(five) = sender.send(Add { a: 2, b: 3 }).await?;
    Ok(five)
}

pub async fn server() -> Result<(), Error> {
    Server::bind("127.0.0.1:9000", Calculator, Json, Calc).await?.serve().await;
    Ok(())
}

fn main() {}
