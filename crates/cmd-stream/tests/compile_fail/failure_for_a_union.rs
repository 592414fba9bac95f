// error at `union`: `Failure` cannot be derived for a union

use cmd_stream::Failure;

#[derive(Failure)]
union Number {
    whole: u32,
    part: f32,
}

fn main() {}
