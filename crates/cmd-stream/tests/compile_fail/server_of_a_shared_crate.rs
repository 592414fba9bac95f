// compiles
//! The server's crate says how the Commands of the shared crate act on its Receiver.

use cmd_stream::{Answer, Context, Error, Execute, Failed, Json, Proxy, Server};
use shared::{Add, Calculator, Sum, Traced};

struct Calc;

impl Answer<Calc> for Add {
    async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Sum, Failed> {
        Ok(Sum(self.a + self.b))
    }
}

impl Execute<Calc> for Traced<Add> {
    async fn execute(self, calc: &Calc, proxy: Proxy<'_, Sum>) -> Result<(), Failed> {
        self.command.execute(calc, proxy).await
    }
}

pub async fn server() -> Result<(), Error> {
    Server::bind("127.0.0.1:9000", Calculator, Json, Calc).await?.serve().await;
    Ok(())
}

fn main() {}
