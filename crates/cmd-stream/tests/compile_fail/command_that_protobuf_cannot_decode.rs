// error: the Format `Protobuf` cannot decode `Add`
// error: for `Protobuf`, derive `prost::Message` on `Add`

use cmd_stream::{Answer, Context, Error, Failed, Protobuf, Server, protocol};
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

impl Answer<Calc> for Add {
    async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Sum, Failed> {
        Ok(Sum { value: self.a + self.b })
    }
}

protocol! {
    struct Calculator {
        commands { 0 => Add -> Sum }
        replies { 0 => Sum }
        failure close_connection
    }
}

pub async fn server() -> Result<(), Error> {
    Server::bind("127.0.0.1:9000", Calculator, Protobuf, Calc).await?.serve().await;
    Ok(())
}

fn main() {}
