//! What large values are encoded into is used again while such values are sent, and given back to the system soon after.
#![cfg(feature = "mus")]

#[path = "common/largest.rs"]
mod largest;

use std::time::Duration;

use cmd_stream::transport::memory;
use cmd_stream::{Answer, Client, Context, Failed, Mus, Server, protocol};
use testkit::wait::within;

use self::largest::{large_allocations, large_pieces};

#[derive(mus_format::Mus)]
struct Page {
    body: Vec<u8>,
}

struct Echo;

impl Answer<Echo> for Page {
    async fn answer(self, _: &Echo, _: &Context<'_>) -> Result<Self, Failed> {
        Ok(self)
    }
}

protocol! {
    struct Pages {
        commands { 1 => Page -> Page }
        replies { 1 => Page }
        failure close_connection
    }
}

async fn echo(client: &Client<Pages, Mus>, bytes: usize) {
    let page = client.send(Page { body: vec![1; bytes] }).timeout(Duration::from_secs(60)).await;
    assert_eq!(page.expect("it is answered").body.len(), bytes);
}

// One test, as all tests of a file share the allocator.
#[tokio::test(start_paused = true)]
async fn buffers_of_large_values_are_used_again_and_given_back() {
    const ROUNDS: usize = 20;
    let connect = async || {
        let (connector, listener) = memory::pair();
        let server = Server::builder(Pages, Mus, Echo).listen(listener).expect("it has no limits of its own");
        let handle = server.handle();
        let serving = tokio::spawn(server.serve());
        let client =
            within(Client::builder(Pages, Mus).connect_by(connector)).await.expect("the server is there");
        (client, handle, serving)
    };
    let (client, handle, serving) = connect().await;
    let before = large_pieces();
    for bytes in [1 << 20, 200 << 10] {
        echo(&client, bytes).await;
        echo(&client, bytes).await;
        let asked_for = large_allocations();
        for _ in 0..ROUNDS {
            echo(&client, bytes).await;
        }
        // The one that is sent, and those that the server and the client decode. They belong to whoever receives them.
        assert_eq!(large_allocations() - asked_for, 3 * ROUNDS, "{bytes} bytes");
        assert!(large_pieces() > before, "they are kept for the next one");
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(large_pieces(), before, "nobody has needed them for some seconds");
    }

    // Small values do not keep them. They do for the read buffers, for some tens of reads.
    echo(&client, 1 << 20).await;
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        echo(&client, 10).await;
    }
    assert_eq!(large_pieces(), before, "small values do without");

    // Nor does a connection that has ended.
    echo(&client, 1 << 20).await;
    assert!(large_pieces() > before);
    drop(client);
    handle.close();
    within(serving).await.expect("it does not panic");
    tokio::task::yield_now().await;
    assert_eq!(large_pieces(), before, "the connection has ended");
}
