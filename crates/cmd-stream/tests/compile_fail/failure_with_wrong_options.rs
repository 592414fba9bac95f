// error at `dispaly`: unknown option `dispaly`: a struct takes `display = false` and `crate = path`
// error at `"no"`: `display` takes `true` or `false`: `display = false`
// error at `mesage`: unknown option `mesage`: a field takes `message`
// error at `display`: `display` is not an option of a field: use it on the struct
// error at `failure`: expected options in parentheses: `#[failure(..)]`

use cmd_stream::Failure;

#[derive(Debug, Failure)]
#[failure(dispaly = false, display = "no")]
struct CalcError {
    #[failure(mesage)]
    message: String,
    #[failure(display = false)]
    code: u32,
    #[failure]
    line: u32,
}

fn main() {}
