// error at `'a`: `Failure` cannot be derived for a type with the lifetime `'a`

use cmd_stream::Failure;

#[derive(Debug, Failure)]
struct CalcError<'a> {
    message: String,
    command: &'a str,
}

fn main() {}
