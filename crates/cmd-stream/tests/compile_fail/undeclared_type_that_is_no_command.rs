// error: `Multiply` is not a Command of the Protocol `Calculator`
//! It does not even implement `Command`.

use cmd_stream::{Json, Sender};
use shared::Calculator;

struct Multiply;

pub async fn client(sender: &Sender<Calculator, Json>) {
    let _ = sender.send(Multiply).await;
}

fn main() {}
