// error: `Multiply` is not a Command of the Protocol `Calculator`
// error: declare it with a tag of its own
//! As for `send`.

use cmd_stream::{Json, Sender, protocol};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add;
#[derive(Serialize, Deserialize, Default)]
struct Multiply;
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
    let _ = sender.stream(Multiply::default()).await;
}

fn main() {}
