// error: `Multiply` is not a Command of the Protocol `Calculator`
// error: declare it with a tag of its own
//! As for `send`.

use cmd_stream::{Command, Json, Reply, Sender, protocol};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add;
#[derive(Serialize, Deserialize, Default)]
struct Multiply;
#[derive(Serialize, Deserialize)]
struct Sum(i64);

impl Reply for Sum {}
impl Command for Add {
    type Reply = Sum;
}
impl Command for Multiply {
    type Reply = Sum;
}

protocol! {
    struct Calculator {
        commands { 0 => Add }
        replies { 0 => Sum }
    }
}

pub async fn client(sender: &Sender<Calculator, Json>) {
    let _ = sender.stream(Multiply::default()).await;
}

fn main() {}
