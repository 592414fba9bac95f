// error at `Sub`: `Sub` is not a Command
// error: state its Reply in its Protocol, `TAG => Sub -> Reply`, or write `impl Command for Sub`

use cmd_stream::protocol;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}
#[derive(Serialize, Deserialize)]
struct Sum(i64);

#[derive(Serialize, Deserialize)]
struct Sub;

protocol! {
    struct Calculator {
        commands { 0 => Add -> Sum, 1 => Sub }
        replies { 0 => Sum }
        failure close_connection
    }
}

fn main() {}
