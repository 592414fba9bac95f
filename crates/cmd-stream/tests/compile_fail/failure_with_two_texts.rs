// error at `String`: two fields hold a text: mark one with `#[failure(message)]`
// error at `message`: two fields are marked with `message`: a failure has one text

use cmd_stream::Failure;

#[derive(Debug, Failure)]
struct CalcError {
    account: Box<str>,
    message: String,
}

#[derive(Debug, Failure)]
struct Marked(#[failure(message)] String, #[failure(message)] String);

fn main() {}
