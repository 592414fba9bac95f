// error: a Protocol is declared as: `pub struct Name { commands { 0 => Add, .. } replies { 0 => Sum, .. } }`
//! The Replies are missing.

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
        commands { 0 => Add }
    }
}

fn main() {}
