// error: `CommandOf<Calculator>` for type `Add`

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
        commands { 0 => Add -> Sum, 1 => Add as AddAgain }
        replies { 0 => Sum }
        failure close_connection
    }
}

fn main() {}
