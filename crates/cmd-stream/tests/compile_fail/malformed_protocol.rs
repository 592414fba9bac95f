// error: a Protocol is declared as: `pub struct Name { commands { 0 => Add -> Sum, .. } replies { 0 => Sum, .. } failure .. }`
//! The Replies are missing.

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
    }
}

fn main() {}
