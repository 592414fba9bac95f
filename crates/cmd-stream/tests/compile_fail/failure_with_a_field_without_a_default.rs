// error at `Instant`: `Instant: Default` is not satisfied

use std::time::Instant;

use cmd_stream::Failure;

#[derive(Debug, Failure)]
struct CalcError {
    message: String,
    at: Instant,
}

fn main() {}
