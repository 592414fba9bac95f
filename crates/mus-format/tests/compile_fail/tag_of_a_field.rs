// error at `dtm`: `dtm` cannot stand on a field: it stands on a struct or a variant

use mus_format::Mus;

#[derive(Mus)]
struct Point {
    #[mus(dtm = 1)]
    x: u32,
}

fn main() {}
