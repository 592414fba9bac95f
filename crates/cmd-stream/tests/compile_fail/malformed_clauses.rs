// error: after `replies` a Protocol takes any number of `enum Said { Variant(Reply), .. }` (or `use enum`), once `idempotent { Command, .. }` if it has such, then `failure CalcError` or `failure close_connection`, and nothing else
//! The failure is not a plain name.

use cmd_stream::protocol;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}
#[derive(Serialize, Deserialize)]
struct Sum(i64);

mod calc {
    #[derive(Debug, serde::Serialize, serde::Deserialize, cmd_stream::Failure)]
    pub struct CalcError(String);
}

protocol! {
    struct Calculator {
        commands { 0 => Add -> Sum }
        replies { 0 => Sum, 1 => calc::CalcError as CalcError }
        failure calc::CalcError
    }
}

fn main() {}
