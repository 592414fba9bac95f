// compiles

use cmd_stream::{Command, Error, Execute, Failed, Protobuf, Proxy, Reply, Sender, Server, protocol};

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
    Server::bind("127.0.0.1:9000", Calculator, Protobuf.max_len(64 << 10), Calc).await?.serve().await;
    Ok(())
}

pub async fn client() -> Result<i64, Error> {
    let sender = Sender::connect("127.0.0.1:9000", Calculator, Protobuf).await?;
    let five = sender.send(Add { a: 2, b: 3 }).await?;
    Ok(five.value)
}

fn main() {}
