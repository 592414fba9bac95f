//! Failures after the last Reply.

use crate::{Bare, Fine, GOOD, GOOD_REPORT, Lab, Probe, Step, Typed, WAYS, send};
use cmd_stream::protocol::{ClientProtocol, CommandOf};
use cmd_stream::server::ServerProtocol;
use cmd_stream::{Client, Json, Server};
use testkit::ends::{both, json_frame, server_and_bytes};
use testkit::wait::until;

#[tokio::test(start_paused = true)]
async fn a_failure_after_the_last_reply_is_only_counted() {
    async fn check<P>(protocol: P)
    where
        P: ServerProtocol<Json, Lab> + ClientProtocol<Json>,
        Probe<false>: CommandOf<P>,
        Probe<true>: CommandOf<P>,
    {
        let (client, server) =
            both(Server::builder(protocol, Json, Lab::default()), Client::builder(protocol, Json)).await;
        for in_place in WAYS {
            for last in [Step::Error, Step::Panic, Step::Typed] {
                let reply = send(&client, in_place, &[Step::Last(Fine), last]).await;
                assert_eq!(reply.expect("it had been sent"), GOOD_REPORT);
            }
        }
        send(&client, false, GOOD).await.expect("the connection goes on");
        until(|| server.counters().failed_after_last_reply == 6).await;
        assert_eq!(server.counters().failed, 0);
    }
    check(Typed).await;
    check(Bare).await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_after_the_last_one_is_refused() {
    let lab = Lab::default();
    let (server, mut peer) = server_and_bytes(Server::builder(Bare, Json, lab.clone())).await;
    let steps = r#"{"note":["",0],"steps":[{"Last":"Fine"},{"Refused":"Fine"}]}"#;
    peer.send(&[json_frame(1, 0, steps), json_frame(2, 1, steps)].concat()).await;
    let reply = |seq| json_frame(seq, 0, r#"{"note":["",0],"last":true}"#);
    let mut replies = [peer.receive(reply(1).len()).await, peer.receive(reply(2).len()).await];
    replies.sort();
    assert_eq!(replies, [reply(1), reply(2)]);
    until(|| lab.refusals().len() == 2).await;
    assert_eq!(lab.refusals(), ["a reply after the last one"; 2]);
    peer.send(&[0]).await;
    peer.expect(&[0]).await;
    assert_eq!(server.counters().replies, 2);
}
