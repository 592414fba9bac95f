// error: `CommandOf<Calculator>` for type `Add`

use cmd_stream::{Command, Reply, protocol};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}
#[derive(Serialize, Deserialize)]
struct Sum(i64);

struct Calc;

impl Reply for Sum {}
impl Command for Add {
    type Reply = Sum;
}

protocol! {
    struct Calculator {
        commands { 0 => Add, 1 => Add as AddAgain }
        replies { 0 => Sum }
    }
}

fn main() {}
