// error at `"ten"`: `max_len` takes a constant of type `usize`
// error at `-1`: `max_len` takes a constant of type `usize`

use mus_format::Mus;

#[derive(Mus)]
struct Name {
    #[mus(max_len = "ten")]
    first: String,
    #[mus(max_len = -1)]
    last: String,
}

fn main() {}
