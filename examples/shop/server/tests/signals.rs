//! The program itself: a signal in the middle of a stream, what becomes of it, and what the log says.
#![cfg(unix)]

use cmd_stream::CallError;
use shop_api::{FindProduct, Reason, Stock, WatchStock};
use shop_client::connect;
use testkit::process::Process;
use testkit::wait::within;

#[tokio::test]
async fn a_signal_in_mid_stream_ends_the_stream_and_then_the_server_with_0() {
    for signal in ["TERM", "INT"] {
        let args = ["--listen", "127.0.0.1:0"];
        let (server, address) =
            Process::start_server(env!("CARGO_BIN_EXE_shop-server"), &args).await;
        let shop = within(connect(&address)).await.expect("it listens");
        let mut stock = shop
            .stream(WatchStock("pot-001".into()))
            .await
            .expect("it is sent");
        let first = within(stock.next())
            .await
            .expect("it goes on")
            .expect("it is watched");
        assert_eq!(first, Stock::Level(3));

        server.signal(signal);
        let last = within(stock.next()).await.expect("the server says so");
        assert_eq!(last.expect("the connection is not lost"), Stock::Closing);
        assert!(within(stock.next()).await.is_none());
        // This client keeps its connection, and the server does not wait for that.
        server
            .expect_success(&["closed: every Command has ended"])
            .await;
    }
}

#[tokio::test]
async fn a_client_cannot_forge_a_line_of_the_log() {
    let args = ["--listen", "127.0.0.1:0"];
    let (server, address) = Process::start_server(env!("CARGO_BIN_EXE_shop-server"), &args).await;
    let shop = within(connect(&address)).await.expect("it listens");
    let found = within(shop.send(FindProduct("x\nINFO forged".into()))).await;
    match found {
        Err(CallError::Failed(refusal)) => assert_eq!(refusal.reason, Reason::NoSuchProduct),
        other => panic!("{other:?}"),
    }
    server.signal("TERM");
    let ended = server.end().await;
    let log: Vec<_> = ended.complaints.lines().collect();
    let [failed] = log
        .iter()
        .filter(|line| line.contains("forged"))
        .collect::<Vec<_>>()[..]
    else {
        panic!("{log:#?}");
    };
    assert!(
        failed.contains("command=\"FindProduct\"")
            && failed.ends_with(r#"failed="there is no x\nINFO forged""#),
        "{log:#?}"
    );
}

#[tokio::test]
async fn an_unknown_command_line_is_answered_with_the_usage() {
    for args in [&[][..], &["--listen"], &["127.0.0.1:0"]] {
        let ended = Process::start(env!("CARGO_BIN_EXE_shop-server"), args)
            .end()
            .await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert_eq!(
            ended.complaints, "usage: shop-server --listen ADDRESS\n",
            "{ended:?}"
        );
    }
}
