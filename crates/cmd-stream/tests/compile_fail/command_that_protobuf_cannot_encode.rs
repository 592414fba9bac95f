// error: the Format `Protobuf` cannot encode `Add`
// error: for `Protobuf`, derive `prost::Message` on `Add`

use cmd_stream::{Error, Protobuf, Sender, protocol};
use serde::Serialize;

#[derive(Serialize)]
struct Add {
    a: i64,
    b: i64,
}
#[derive(prost::Message)]
struct Sum {
    #[prost(int64, tag = "1")]
    value: i64,
}

protocol! {
    struct Calculator {
        commands { 0 => Add -> Sum }
        replies { 0 => Sum }
        failure close_connection
    }
}

pub async fn client() -> Result<i64, Error> {
    let sender = Sender::connect("127.0.0.1:9000", Calculator, Protobuf).await?;
    let five = sender.send(Add { a: 2, b: 3 }).await?;
    Ok(five.value)
}

fn main() {}
