// error: state what happens when a Command fails: `failure CalcError` answers it with that Reply, `failure close_connection` closes its connection, as the Go library does

use cmd_stream::protocol;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}
#[derive(Serialize, Deserialize)]
struct Sum(i64);

protocol! {
    struct Calculator {
        commands { 0 => Add -> Sum }
        replies { 0 => Sum }
    }
}

fn main() {}
