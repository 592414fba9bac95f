// error: `Rc<u8>` cannot be sent between threads safely
// error: `Instant: Default` is not satisfied
//! A generic failure is one only for arguments that its fields allow.

use std::rc::Rc;
use std::time::Instant;

use cmd_stream::Failure;

#[derive(Debug, Failure)]
struct CalcError<T> {
    message: String,
    detail: T,
}

fn is_failure<T: Failure>() {}

fn main() {
    is_failure::<CalcError<u8>>();
    is_failure::<CalcError<Rc<u8>>>();
    is_failure::<CalcError<Instant>>();
}
