// error at `Text`: `Text: From<String>` is not satisfied
// error at `Text`: `Text` doesn't implement `std::fmt::Display`

use cmd_stream::Failure;

#[derive(Debug)]
struct Text(Vec<u8>);

#[derive(Debug, Failure)]
struct CalcError {
    #[failure(message)]
    message: Text,
}

fn main() {}
