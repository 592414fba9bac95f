// error: `Sum` is not a Reply of the Protocol `Calculator`
// error: declare it with a tag of its own

use cmd_stream::protocol;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}
#[derive(Serialize, Deserialize)]
struct Sum(i64);

#[derive(Serialize, Deserialize)]
struct Other;

protocol! {
    struct Calculator {
        commands { 0 => Add -> Sum }
        replies { 0 => Other }
        failure close_connection
    }
}

fn main() {}
