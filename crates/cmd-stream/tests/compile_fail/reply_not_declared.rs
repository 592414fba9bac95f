// error: `Sum` is not a Reply of the Protocol `Calculator`
// error: declare it with a tag of its own

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
struct Other;
impl Reply for Other {}

protocol! {
    struct Calculator {
        commands { 0 => Add }
        replies { 0 => Other }
    }
}

fn main() {}
