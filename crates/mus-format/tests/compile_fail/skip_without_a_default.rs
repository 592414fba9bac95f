// error at `Connection`: `Connection: Default` is not satisfied

use mus_format::Mus;

struct Connection;

#[derive(Mus)]
struct Session {
    user: String,
    #[mus(skip)]
    connection: Connection,
}

fn main() {}
