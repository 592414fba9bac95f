//! The program itself, with a server over TCP.

use shop_server::{Store, opening_stock, shop};
use testkit::process::Process;
use testkit::wait::within;

const PROGRAM: &str = env!("CARGO_BIN_EXE_shop-client");

#[tokio::test]
async fn a_customer_visits_the_shop() {
    let server = shop(Store::new(opening_stock())).bind("127.0.0.1:0").await;
    let server = server.expect("a free port");
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());

    let address = handle.local_addr().to_string();
    let expected = [
        "pot-001: tea pot, 3495 cents",
        "tea-001: green tea, 850 cents",
        "tea-002: black tea, 790 cents",
        "the tea pot has been looked at, 3 are there",
        "refused: sign in first",
        "refused: only 3 are left",
        "in the cart: 6990 cents",
        "refused: this is for the staff",
        "order 1: 6990 cents",
        "the shelf: Level(3), then Level(1)",
    ];
    Process::start(PROGRAM, &["--connect", &address])
        .expect_success(&expected)
        .await;

    handle.shutdown();
    within(serving).await.expect("it does not panic");
}

#[tokio::test]
async fn an_unknown_command_line_is_answered_with_the_usage() {
    for args in [&[][..], &["--connect"], &["127.0.0.1:0"]] {
        let ended = Process::start(PROGRAM, args).end().await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(
            ended
                .complaints
                .contains("usage: shop-client --connect ADDRESS"),
            "{ended:?}"
        );
    }
}
