//! One server, shut down while its connections are always busy.

use std::time::Duration;

use cmd_stream::server::{Cut, Limits, Served};
use cmd_stream::{Json, Sender};
use testkit::wait::within;
use tokio::time::Instant;

use crate::load::{Load, TIMEOUT, compare};
use crate::site::{Pace, Record, Running, Stop, Works};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_never_idle_answers_all_it_has_accepted_and_is_gone_before_its_drain_is_over() {
    for pace in [Pace::Mixed, Pace::Each(Duration::from_millis(20))] {
        let record = Record::default();
        let drain = Duration::from_secs(2);
        let limits = Limits::default().drain(drain);
        let mut first = Running::start(Works, "127.0.0.1:0", 0, &record, pace, limits.clone()).await;
        let mut second = Running::start(Works, "127.0.0.1:0", 1, &record, pace, limits).await;
        let sender = Sender::builder(Works, Json)
            .endpoints([first.address.clone(), second.address.clone()])
            .minimum(2)
            .timeout(TIMEOUT)
            .connect();
        let sender = within(sender).await.expect("they are there");
        let load = Load::start(&sender, 64);
        load.answers(500).await;

        let began = Instant::now();
        assert_eq!(first.stop(Stop::Gracefully).await, Served::Shutdown(Cut::default()), "{pace:?}");
        assert!(began.elapsed() < drain, "{:?}", began.elapsed());
        load.answers(100).await;
        let summary = compare(&load.stop().await, &record, 3);
        println!("{pace:?}, after {:?}: {summary:?}", began.elapsed());
        assert_eq!(summary.failed_and_ran, 0, "executed, and the reply was lost: {summary:?}");
        sender.close();
        second.stop(Stop::Gracefully).await;
    }
}
