// error at `dtm`: `dtm` is not an option of an enum
// error at `rwa`: unknown option `rwa`
// error at `"raw"`: `len` takes `raw`, `varint` or `positive`
// error at `skip`: `skip` conflicts with `raw`
// error at `dtm`: the tag 1 is already that of the variant `Point`
// error at `1.5`: `dtm` takes an integer that fits `i64`

use mus_format::Mus;

#[derive(Mus)]
#[mus(dtm = 1)]
enum Shape {
    Point(#[mus(rwa)] u32),
    #[mus(dtm = 1)]
    Text {
        #[mus(len = "raw")]
        text: String,
        #[mus(raw, skip)]
        color: u32,
    },
    #[mus(dtm = 1.5)]
    Line,
}

fn main() {}
