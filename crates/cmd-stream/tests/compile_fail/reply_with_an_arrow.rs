// error: only a Command takes `-> Reply`: in `replies` an entry is `TAG => Type`

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
        replies { 0 => Sum -> Add }
        failure close_connection
    }
}

fn main() {}
