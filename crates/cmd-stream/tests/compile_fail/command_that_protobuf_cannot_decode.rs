// error: the Format `Protobuf` cannot decode `Add`
// error: for `Protobuf`, derive `prost::Message` on `Add`

use cmd_stream::{Command, Error, Execute, Failed, Protobuf, Proxy, Reply, Server, protocol};
use serde::Deserialize;

#[derive(Deserialize)]
struct Add {
    a: i64,
    b: i64,
}
#[derive(prost::Message)]
struct Sum {
    #[prost(int64, tag = "1")]
    value: i64,
}

struct Calc;

impl Reply for Sum {}
impl Command for Add {
    type Reply = Sum;
}
impl Execute<Calc> for Add {
    async fn execute(self, _: &Calc, proxy: Proxy<'_, Sum>) -> Result<(), Failed> {
        proxy.send(Sum { value: self.a + self.b }).await
    }
}

protocol! {
    struct Calculator {
        commands { 0 => Add }
        replies { 0 => Sum }
    }
}

pub async fn server() -> Result<(), Error> {
    Server::bind("127.0.0.1:9000", Calculator, Protobuf, Calc).await?.serve().await;
    Ok(())
}

fn main() {}
