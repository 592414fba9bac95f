//! Errors and panics while the failure Reply is created or encoded.

use std::fmt;

use crate::{BIG, EncodeFails, EncodePanics, Lab, Probe, Report, Step, Touchy, WAYS, other, send};
use cmd_stream::protocol::FailedReason;
use cmd_stream::{Client, ErrorKind, Failed, Failure, Json, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::ends::both;
use testkit::wait::within;
use tokio::sync::mpsc;

#[derive(Debug, Serialize, Deserialize)]
struct Hopeless(Touchy);

impl fmt::Display for Hopeless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hopeless")
    }
}

impl std::error::Error for Hopeless {}

impl Failure for Hopeless {
    fn from_failed(failed: &Failed) -> Self {
        match failed.reason() {
            FailedReason::NoLastReply => Self(Touchy(EncodeFails(BIG))),
            FailedReason::Panic => Self(Touchy(EncodePanics(BIG))),
            _ => panic!("there is no failure for that"),
        }
    }
}

protocol! {
    struct Doomed {
        commands { 0 => Probe<false> as Spawned, 1 => Probe<true> as InPlace }
        replies { 0 => Report, 1 => Hopeless }
        failure Hopeless
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_cannot_be_made_or_encoded_closes_the_connection() {
    let cases: [(&[Step], ErrorKind, &str); 3] = [
        (&[], ErrorKind::Encode, "the reply cannot be encoded: it does not want to be encoded"),
        (&[Step::Panic], ErrorKind::Panic, "panic in encoding a reply: it panics when it is encoded"),
        (
            &[Step::Error],
            ErrorKind::Panic,
            "panic in making the failure of a command: there is no failure for that",
        ),
    ];
    for in_place in WAYS {
        for (steps, kind, reason) in cases {
            let (lost, mut losses) = mpsc::unbounded_channel();
            let server =
                Server::builder(Doomed, Json, Lab::default()).on_connection_lost(move |connection| {
                    let _ = lost.send(connection.reason.clone());
                });
            let (client, _server) = both(server, Client::builder(Doomed, Json)).await;
            let error = other(send(&client, in_place, steps).await.expect_err("it fails"));
            assert_eq!(error.kind(), ErrorKind::Closed);
            let lost = within(losses.recv()).await.expect("a loss");
            assert_eq!((lost.kind(), format!("{lost:#}").as_str()), (kind, reason));
        }
    }
}
