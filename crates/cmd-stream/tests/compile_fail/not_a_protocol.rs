// error: `String` is not a Protocol

use cmd_stream::{Json, Sender};

pub async fn client() {
    let _ = Sender::connect("127.0.0.1:9000", String::new(), Json).await;
}

fn main() {}
