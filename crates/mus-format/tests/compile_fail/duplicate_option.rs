// error at `max_len`: `max_len` stands here twice

use mus_format::Mus;

#[derive(Mus)]
struct Point {
    #[mus(max_len = 3, len = raw, max_len = 4)]
    name: String,
}

fn main() {}
