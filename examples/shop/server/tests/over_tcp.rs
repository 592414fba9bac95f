//! The customer's visit, over TCP.

use shop_client::{connect, visit};
use shop_server::{Store, opening_stock, shop};
use testkit::wait::within;

#[tokio::test]
async fn a_customer_visits_the_shop() {
    let server = shop(Store::new(opening_stock())).bind("127.0.0.1:0").await;
    let server = server.expect("a free port");
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());

    let shop = within(connect(handle.local_addr()))
        .await
        .expect("it listens");
    let mut said = Vec::new();
    within(visit(&shop, |line| said.push(line)))
        .await
        .expect("the shop is as it should be");
    assert_eq!(
        said,
        [
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
        ]
    );

    handle.shutdown();
    within(serving).await.expect("it does not panic");
}
