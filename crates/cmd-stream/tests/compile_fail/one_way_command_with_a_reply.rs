// error: `Ask` contradicts itself: its `Kind` must be `OneWay` if and only if its `Reply` is `()`

use cmd_stream::protocol::kind::OneWay;
use cmd_stream::{Command, protocol};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Ask;
#[derive(Serialize, Deserialize)]
struct Number(i64);

impl Command for Ask {
    type Reply = Number;
    type Kind = OneWay;
}

protocol! {
    struct Calculator {
        commands { 0 => Ask }
        replies { 0 => Number }
        failure close_connection
    }
}

fn main() {}
