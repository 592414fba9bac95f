//! The program itself, with a server over TCP.

use shop_server::{Store, opening_stock, shop};
use testkit::process::Process;
use testkit::wait::within;
use tokio::net::TcpSocket;

const PROGRAM: &str = env!("CARGO_BIN_EXE_shop-client");

#[tokio::test]
async fn a_customer_visits_the_shop_as_often_as_they_like() {
    let server = shop(Store::new(opening_stock())).bind("127.0.0.1:0").await;
    let server = server.expect("a free port");
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());

    let address = handle.local_addr().to_string();
    for order in ["order 1: 6990 cents", "order 2: 6990 cents"] {
        let expected = [
            "pot-001: tea pot, 3495 cents",
            "tea-001: green tea, 850 cents",
            "tea-002: black tea, 790 cents",
            "the tea pot has been looked at, 3 are there",
            "refused: sign in first",
            "refused: only 3 are left",
            "in the cart: 6990 cents",
            "refused: this is for the staff",
            order,
            "the shelf: Level(3), then Level(1)",
            "restocked: 3 are there",
        ];
        Process::start(PROGRAM, &["--connect", &address])
            .expect_success(&expected)
            .await;
    }

    handle.shutdown();
    within(serving).await.expect("it does not panic");
}

#[tokio::test]
async fn an_error_is_printed_for_people() {
    // Bound, so that nobody else gets the port, and not listening.
    let nobody = TcpSocket::new_v4().expect("a socket");
    let any_port = "127.0.0.1:0".parse().expect("an address");
    nobody.bind(any_port).expect("a free port");
    let address = nobody.local_addr().expect("it is bound").to_string();

    let ended = Process::start(PROGRAM, &["--connect", &address])
        .end()
        .await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let expected = format!("cannot connect to {address}: ");
    assert!(ended.complaints.starts_with(&expected), "{ended:?}");
}

#[tokio::test]
async fn an_unknown_command_line_is_answered_with_the_usage() {
    for args in [&[][..], &["--connect"], &["127.0.0.1:0"]] {
        let ended = Process::start(PROGRAM, args).end().await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert_eq!(
            ended.complaints, "usage: shop-client --connect ADDRESS\n",
            "{ended:?}"
        );
    }
}
