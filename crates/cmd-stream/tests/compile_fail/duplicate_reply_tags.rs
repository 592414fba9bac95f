// error: `Sub` and `Mul` have the same tag, 12

use cmd_stream::protocol;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Ask;
#[derive(Serialize, Deserialize)]
struct Sum;
#[derive(Serialize, Deserialize)]
struct Sub;
#[derive(Serialize, Deserialize)]
struct Mul;

protocol! {
    struct Calculator {
        commands { 12 => Ask -> Sum }
        replies { 12 => Sub, 3 => Sum, 12 => Mul }
        failure close_connection
    }
}

fn main() {}
