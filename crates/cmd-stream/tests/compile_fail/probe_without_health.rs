// error: `Health` is not a Command of the Protocol `Calculator`
// error: declare it with a tag of its own

use std::time::Duration;

use cmd_stream::{Json, Sender, protocol};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add;
#[derive(Serialize, Deserialize)]
struct Sub;
#[derive(Serialize, Deserialize)]
struct Sum(i64);

protocol! {
    struct Calculator {
        commands { 0 => Add -> Sum, 1 => Sub -> Sum }
        replies { 0 => Sum }
        failure close_connection
    }
}

pub fn probed() {
    let _ = Sender::builder(Calculator, Json).probe(Duration::from_secs(5));
}

fn main() {}
