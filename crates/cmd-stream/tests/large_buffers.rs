//! What large values are encoded into is used again while such values are sent, and given back to the system soon after.
#![cfg(feature = "mus")]

#[path = "common/largest.rs"]
mod largest;

use std::time::Duration;

use cmd_stream::transport::memory;
use cmd_stream::{Answer, Client, Context, Failed, Mus, Server, protocol};
use testkit::wait::within;
use tokio::runtime::Builder;

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
    // What another value has left in a buffer would be seen.
    let body = || (0..bytes).map(|at| (at ^ bytes) as u8);
    let page = client.send(Page { body: body().collect() }).timeout(Duration::from_secs(60)).await;
    assert!(page.expect("it is answered").body.into_iter().eq(body()), "{bytes} bytes");
}

/// A client, and what ends its server.
async fn connected() -> (Client<Pages, Mus>, impl AsyncFnOnce()) {
    let (connector, listener) = memory::pair();
    let server = Server::builder(Pages, Mus, Echo).listen(listener).expect("it has no limits of its own");
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());
    let client =
        within(Client::builder(Pages, Mus).connect_by(connector)).await.expect("the server is there");
    let close = async move || {
        handle.close();
        within(serving).await.expect("it does not panic");
    };
    (client, close)
}

// One test, as all tests of a file share the allocator.
#[test]
fn buffers_of_large_values_are_used_again_and_given_back() {
    let one = Builder::new_current_thread().enable_all().start_paused(true).build();
    one.expect("a runtime").block_on(on_one_thread());
    let several = Builder::new_multi_thread().worker_threads(4).enable_all().build();
    several.expect("a runtime").block_on(on_several_threads());
}

async fn on_one_thread() {
    const ROUNDS: usize = 20;
    let (client, close) = connected().await;
    let before = large_pieces();
    for (bytes, values) in [(1 << 20, 3), (200 << 10, 3), (120 << 10, 0)] {
        echo(&client, bytes).await;
        echo(&client, bytes).await;
        let asked_for = large_allocations();
        for _ in 0..ROUNDS {
            echo(&client, bytes).await;
        }
        // Each time the one that is sent, and those that the server and the client decode. They belong to whoever receives them.
        assert_eq!(large_allocations() - asked_for, values * ROUNDS, "{bytes} bytes");
        assert!(large_pieces() > before, "they are kept for the next one");
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(large_pieces(), before, "nobody has needed them for some seconds");
    }

    // Small values in between make no difference: one of each needs no more than the large one.
    for bytes in [10, 1 << 20].repeat(3) {
        echo(&client, bytes).await;
    }
    let asked_for = large_allocations();
    for bytes in [1 << 20, 10].repeat(ROUNDS) {
        echo(&client, bytes).await;
    }
    assert_eq!(large_allocations() - asked_for, 3 * ROUNDS, "with small values in between");

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
    close().await;
    tokio::task::yield_now().await;
    assert_eq!(large_pieces(), before, "the connection has ended");
}

async fn on_several_threads() {
    let before = large_pieces();
    let (client, close) = connected().await;
    let tasks: Vec<_> = (0..8)
        .map(|first| {
            let client = client.clone();
            tokio::spawn(async move {
                let sizes = [1 << 20, 20 << 10, 200 << 10, 10, 70 << 10, 130 << 10, 300 << 10, 17 << 10];
                for bytes in sizes.into_iter().cycle().skip(first).take(40) {
                    echo(&client, bytes).await;
                }
            })
        })
        .collect();
    for task in tasks {
        within(task).await.expect("each value comes back as it was");
    }
    drop(client);
    close().await;
    testkit::wait::until(|| large_pieces() == before).await;
}
