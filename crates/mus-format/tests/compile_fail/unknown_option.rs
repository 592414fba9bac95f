// error at `rwa`: unknown option `rwa`: a field takes `raw`, `varint`
// error at `tag`: unknown option `tag`: a struct takes `raw`, `dtm`, `validate`, `bound`, `crate`

use mus_format::Mus;

#[derive(Mus)]
#[mus(tag = 3)]
struct Point {
    #[mus(rwa)]
    x: u32,
}

fn main() {}
