// error: `shared::Add` cannot be executed on the Receiver `Calc`
// error: write `impl Execute<Calc> for shared::Add`

use cmd_stream::{Error, Json, Server};
use shared::Calculator;

struct Calc;

pub async fn server() -> Result<(), Error> {
    Server::bind("127.0.0.1:9000", Calculator, Json, Calc).await?.serve().await;
    Ok(())
}

fn main() {}
