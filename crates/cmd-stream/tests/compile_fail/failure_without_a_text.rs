// error at `CalcError`: no field of `CalcError` holds a text
// error at `Unit`: no field of `Unit` holds a text

use cmd_stream::Failure;

#[derive(Debug, Failure)]
struct CalcError {
    code: u32,
}

#[derive(Debug, Failure)]
struct Unit;

fn main() {}
