// error: two types of a Protocol have the same tag

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

#[derive(Serialize, Deserialize)]
struct Sub;
impl Command for Sub {
    type Reply = Sum;
}

protocol! {
    struct Calculator {
        commands { 0 => Add, 0 => Sub }
        replies { 0 => Sum }
    }
}

fn main() {}
