// error: `Multiply` is not a Command of the Protocol `Calculator`
// error: declare it with a tag of its own
//! With one Command declared the compiler could take it for the only type that may stand there.

use cmd_stream::{Json, Sender, protocol};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add;
#[derive(Serialize, Deserialize)]
struct Multiply {
    a: i64,
}
#[derive(Serialize, Deserialize)]
struct Sum(i64);

protocol! {
    struct Calculator {
        commands { 0 => Add -> Sum }
        replies { 0 => Sum }
        failure close_connection
    }
}

pub async fn client(sender: &Sender<Calculator, Json>) {
    let _ = sender.send(Multiply { a: 1 }).await;
}

fn main() {}
