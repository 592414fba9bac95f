// error at `mus = "raw"`: expected options in parentheses: `#[mus(..)]`
// error at `elem`: `elem` takes options in parentheses
// error at `len`: expected a comma between options

use mus_format::Mus;

#[derive(Mus)]
struct Point {
    #[mus = "raw"]
    x: u32,
    #[mus(elem)]
    y: Vec<u32>,
    #[mus(max_len = 3 len = raw)]
    z: String,
}

fn main() {}
