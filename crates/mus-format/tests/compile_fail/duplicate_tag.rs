// error at `dtm`: the tag 2 is already that of the variant `Square`
// error at `Line`: the tag 1 is already that of the variant `Circle`

use mus_format::Mus;

#[derive(Mus)]
enum Shape {
    Circle,
    Square(u32),
    #[mus(dtm = 2)]
    Triangle {
        a: u32,
    },
    #[mus(dtm = 0)]
    Point,
    Line,
}

fn main() {}
