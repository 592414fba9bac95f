// error at `max_len`: duplicate option `max_len`

use mus_format::Mus;

#[derive(Mus)]
struct Point {
    #[mus(max_len = 3, len = raw, max_len = 4)]
    name: String,
}

fn main() {}
