// error: the Format `Json` cannot decode `Add`
// error: derive `serde::Deserialize` on `Add`

use cmd_stream::{Answer, Context, Error, Failed, Json, Server, protocol};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
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

pub async fn server() -> Result<(), Error> {
    Server::bind("127.0.0.1:9000", Calculator, Json, Calc).await?.serve().await;
    Ok(())
}

fn main() {}
