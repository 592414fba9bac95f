// error at `dtm`: `dtm` is not an option of a field: use it on a struct or a variant

use mus_format::Mus;

#[derive(Mus)]
struct Point {
    #[mus(dtm = 1)]
    x: u32,
}

fn main() {}
