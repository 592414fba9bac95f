// error: an entry of a Protocol is `TAG => Type`
//! The tag is missing.

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
        commands { Add }
        replies { 0 => Sum }
        failure close_connection
    }
}

fn main() {}
