//! What the tests of the Go library assert of its groups, and of Senders over two clients: `docs/BEHAVIOURS.md`.

use std::time::Duration;

use cmd_stream::group::RoundRobin;
use cmd_stream::hooks::{About, Hooks, Refused};
use cmd_stream::protocol::{CommandOf, Entry};
use testkit::wait::within;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::lab::{Plain, Text, World, echo, text};
use crate::net::builder;
use crate::wire::{echo_frame, text_frame};
use crate::{SECOND, call, two};

/// Tells the member, the seq and the size of each Command that was answered.
struct Tells(mpsc::UnboundedSender<(Option<usize>, Option<i64>, Option<usize>)>);

impl Hooks<Plain> for Tells {
    type Call = ();

    fn before_send<C: CommandOf<Plain>>(&self, _: &mut C, _: &'static Entry) -> Result<(), Refused> {
        Ok(())
    }

    fn on_reply(&self, (): &mut (), _: &<Plain as cmd_stream::protocol::Protocol>::Reply, about: &About<'_>) {
        let _ = self.0.send((about.member(), about.seq(), about.size()));
    }
}

#[tokio::test(start_paused = true)]
async fn two_members_in_turn_take_the_first_and_the_second_command_each_with_seq_1() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let (_net, sender, two) = two!(builder().strategy(RoundRobin::default()).hooks(Tells(tell)), 1024);
    for (member, mut peer) in two.peers.into_iter().enumerate() {
        let call = call!(sender.send(echo("a")));
        let frame = echo_frame(1, "a");
        peer.expect(&frame).await;
        peer.send(&text_frame(1, "a")).await;
        assert_eq!(within(call).await.unwrap().unwrap(), text("a"));
        let size = frame.len() - 1; // without the seq
        assert_eq!(told.recv().await, Some((Some(member), Some(1), Some(size))));
    }
}

async fn two_clients() -> (World, cmd_stream::Sender<Plain, cmd_stream::Json>) {
    let world = World::tcp(cmd_stream::server::Limits::default()).await;
    let sender = builder().endpoints([world.address()]).clients(2).minimum(2).connect();
    let sender = within(sender).await.expect("the server is there");
    (world, sender)
}

#[tokio::test]
async fn a_sender_over_two_clients_sends_one_command_after_the_other_and_is_closed() {
    let (world, sender) = two_clients().await;
    for n in 0..10 {
        assert_eq!(within(sender.send(echo(&n.to_string()))).await.unwrap(), text(&n.to_string()));
    }
    sender.close();
    testkit::wait::until(|| world.counters().open == 0).await;
    assert_eq!(world.counters().accepted, 2);
}

#[tokio::test]
async fn ten_callers_of_a_sender_over_two_clients_are_answered_soon() {
    let (_world, sender) = two_clients().await;
    let began = Instant::now();
    let callers: Vec<_> = (0..10)
        .map(|caller| {
            let sender = sender.clone();
            tokio::spawn(async move {
                for n in 0..5 {
                    let said = format!("{caller} {n}");
                    let Text(answer) = sender.send(echo(&said)).timeout(20 * SECOND).await.unwrap();
                    assert_eq!(answer, said);
                }
            })
        })
        .collect();
    for caller in callers {
        within(caller).await.unwrap();
    }
    assert_eq!(within(sender.drain(Duration::from_secs(5))).await, 0);
    assert!(began.elapsed() < 20 * SECOND);
}
