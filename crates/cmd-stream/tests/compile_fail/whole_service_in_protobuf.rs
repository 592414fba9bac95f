// compiles

use cmd_stream::{Answer, Context, Error, Failed, Protobuf, Sender, Server, protocol};

#[derive(prost::Message)]
struct Add {
    #[prost(int64, tag = "1")]
    a: i64,
    #[prost(int64, tag = "2")]
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
    Server::bind("127.0.0.1:9000", Calculator, Protobuf.max_len(64 << 10), Calc).await?.serve().await;
    Ok(())
}

pub async fn client() -> Result<i64, Error> {
    let sender = Sender::connect("127.0.0.1:9000", Calculator, Protobuf).await?;
    let five = sender.send(Add { a: 2, b: 3 }).await?;
    Ok(five.value)
}

fn main() {}
