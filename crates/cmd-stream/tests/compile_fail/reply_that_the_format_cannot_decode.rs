// error: the Format `Json` cannot decode `Sum`
// error: derive `serde::Deserialize` on `Sum`

use cmd_stream::{Error, Json, Sender, protocol};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}
#[derive(Serialize)]
struct Sum(i64);

protocol! {
    struct Calculator {
        commands { 0 => Add -> Sum }
        replies { 0 => Sum }
        failure close_connection
    }
}

pub async fn client() -> Result<i64, Error> {
    let sender = Sender::connect("127.0.0.1:9000", Calculator, Json).await?;
    let Sum(five) = sender.send(Add { a: 2, b: 3 }).await?;
    Ok(five)
}

fn main() {}
