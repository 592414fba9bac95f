// error at `Sum`: this is listed as idempotent, but is not the name of a Command of this Protocol
//! Only Commands are idempotent, and under the names of their entries.

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
        replies { 0 => Sum }
        idempotent { Add, Sum }
        failure close_connection
    }
}

fn main() {}
