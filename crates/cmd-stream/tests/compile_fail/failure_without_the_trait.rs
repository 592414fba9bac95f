// error: `CalcError` cannot be the failure of a Protocol
// error: write `impl Failure for CalcError`

use cmd_stream::{Command, Error, Reply, protocol};
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

#[derive(Debug, Serialize, Deserialize)]
struct CalcError;

impl std::fmt::Display for CalcError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no")
    }
}

impl std::error::Error for CalcError {}
impl Reply for CalcError {}

protocol! {
    struct Calculator {
        commands { 0 => Add }
        replies { 0 => Sum, 1 => CalcError }
        failure CalcError
    }
}

fn main() {}
