// error at `enum`: `Failure` cannot be derived for an enum

use cmd_stream::Failure;

#[derive(Debug, Failure)]
enum CalcError {
    Overflow(String),
}

fn main() {}
