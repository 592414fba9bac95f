// error: the Format `Json` cannot decode `Add`
// error: derive `serde::Deserialize` on `Add`

use cmd_stream::{Command, Error, Execute, Failed, Json, Proxy, Reply, Server, protocol};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
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
impl Execute<Calc> for Add {
    async fn execute(self, _: &Calc, proxy: Proxy<'_, Sum>) -> Result<(), Failed> {
        proxy.send(Sum(self.a + self.b)).await
    }
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
