//! Waiting for room in the output: threads that block, and Replies that are not created before.

use std::sync::atomic::Ordering;

use crate::{Blocking, GATE, InPlace, MADE, Part, client, desk, server};
use cmd_stream::server::{Limits, Scheduling};
use cmd_stream::{Client, Execute, Failed, Json, Proxy, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::ends::{both, json_frame, server_and_bytes};
use testkit::wait::{until, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_blocks_sends_and_sleeps_while_the_output_is_full() {
    let (desk, _handed) = desk();
    let limits = Limits::default().output(2000);
    let (client, _) = both(server(desk).limits(limits), client()).await;
    let mut stream = within(client.stream(Blocking(500))).await.expect("it is sent");
    let mut count = 0;
    while let Some(part) = within(stream.next()).await {
        assert_eq!(part.expect("a part").text.len(), 1000);
        count += 1;
    }
    assert_eq!(count, 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_runs_tasks_may_block_too() {
    let (desk, _handed) = desk();
    let limits = Limits::default().output(2000);
    let (client, _) = both(server(desk).limits(limits), client()).await;
    let mut stream = within(client.stream(InPlace(50))).await.expect("it is sent");
    let mut count = 0;
    while let Some(part) = within(stream.next()).await {
        assert_eq!(part.expect("a part").text.len(), 1000);
        count += 1;
    }
    assert_eq!(count, 50);
}

#[tokio::test]
async fn ready_waits_for_room_so_that_no_reply_is_created_before() {
    let (desk, _handed) = desk();
    // The client reads nothing, so there is room for what the pipe holds and two Replies.
    let limits = Limits::default().output(100_000);
    let (handle, mut client) = server_and_bytes(server(desk).limits(limits)).await;
    for seq in 1..=40 {
        client.send(&json_frame(seq, 3, "60000")).await;
    }
    until(|| handle.counters().started == 40).await;
    // All run, and want to answer at once.
    GATE.add_permits(40);
    until(|| MADE.load(Ordering::Relaxed) >= 2).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let made = MADE.load(Ordering::Relaxed);
    assert!(made < 10, "{made} Replies of 60,000 bytes were made for an output of 100,000 bytes");
    let len = json_frame(9, 0, &format!(r#"{{"text":"{}","last":true}}"#, "x".repeat(60_000))).len();
    for _ in 0..40 {
        client.receive(len).await; // in any order
    }
    assert_eq!(MADE.load(Ordering::Relaxed), 40);
}

/// Whether a Command may block must not depend on where it is polled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_is_polled_in_place_may_block_and_send_over_the_limit() {
    struct Here;
    #[derive(Serialize, Deserialize)]
    struct Block(usize);

    impl Execute<Here> for Block {
        const SCHEDULING: Scheduling = Scheduling::InPlace;

        async fn execute(self, _: &Here, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
            let proxy = proxy.into_owned();
            tokio::task::block_in_place(|| {
                for n in 1..=self.0 {
                    proxy.send_blocking(Part { text: "x".repeat(100), last: n == self.0 })?;
                }
                Ok(())
            })
        }
    }

    protocol! {
        struct Blocks { commands { 0 => Block -> Part } replies { 0 => Part } failure close_connection }
    }

    let server = Server::builder(Blocks, Json, Here).limits(Limits::default().output(200));
    let (client, _) = both(server, Client::builder(Blocks, Json)).await;
    let mut stream = within(client.stream(Block(20))).await.expect("it is sent");
    for n in 1..=20 {
        let part = within(stream.next()).await.expect("more").expect("a part");
        assert_eq!(part.last, n == 20);
    }
}
