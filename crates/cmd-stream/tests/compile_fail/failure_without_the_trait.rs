// error: `CalcError` cannot be the failure of a Protocol
// error: write `impl Failure for CalcError`

use cmd_stream::protocol;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}
#[derive(Serialize, Deserialize)]
struct Sum(i64);

#[derive(Debug, Serialize, Deserialize)]
struct CalcError;

impl std::fmt::Display for CalcError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no")
    }
}

impl std::error::Error for CalcError {}

protocol! {
    struct Calculator {
        commands { 0 => Add -> Sum }
        replies { 0 => Sum, 1 => CalcError }
        failure CalcError
    }
}

fn main() {}
