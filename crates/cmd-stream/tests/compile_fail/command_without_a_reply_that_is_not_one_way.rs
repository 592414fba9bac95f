// error: `Note` contradicts itself: its `Kind` must be `OneWay` if and only if its `Reply` is `()`

use cmd_stream::protocol::kind::Plain;
use cmd_stream::{Command, protocol};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Note;
#[derive(Serialize, Deserialize)]
struct Number(i64);

impl Command for Note {
    type Reply = ();
    type Kind = Plain;
}

protocol! {
    struct Calculator {
        commands { 0 => Note }
        replies { 0 => Number }
        failure close_connection
    }
}

fn main() {}
