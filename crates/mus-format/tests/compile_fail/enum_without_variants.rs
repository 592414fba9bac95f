// error at `Never`: an enum without variants has no values to encode

use mus_format::Mus;

#[derive(Mus)]
enum Never {}

fn main() {}
