// error: `shared::Add` cannot be executed on the Receiver `Calc`
// error: write `impl Answer<Calc> for shared::Add`, or `impl Execute<Calc> for shared::Add` if it sends several Replies

use cmd_stream::{Error, Json, Server};
use shared::Calculator;

struct Calc;

pub async fn server() -> Result<(), Error> {
    Server::bind("127.0.0.1:9000", Calculator, Json, Calc).await?.serve().await;
    Ok(())
}

fn main() {}
