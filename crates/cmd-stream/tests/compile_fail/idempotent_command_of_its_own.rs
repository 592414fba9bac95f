// error at `Add`: this Command implements `Command` itself: say there that it is `IDEMPOTENT`, and not in the Protocol
//! What a Command says of itself is not said again, and differently, in the Protocol.

use cmd_stream::protocol::kind::Plain;
use cmd_stream::{Command, protocol};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}
#[derive(Serialize, Deserialize)]
struct Sum(i64);

impl Command for Add {
    type Reply = Sum;
    type Kind = Plain;
}

protocol! {
    struct Calculator {
        commands { 0 => Add }
        replies { 0 => Sum }
        idempotent { Add }
        failure close_connection
    }
}

fn main() {}
