//! How many connections are still read after their handshake has failed. In a process of its own, as the limit is one of
//! the process.

use std::time::Duration;

use cmd_stream::transport::tls::{Identity, Listener, ServerTls};
use cmd_stream::transport::{Accept, Connect, Establish, memory};
use testkit::certs::Authority;
use tokio::io::{AsyncWriteExt, DuplexStream};

const LIMIT: usize = 128;

/// The beginning of a record with a hello that cannot be read.
const BAD_HELLO: &[u8] = &[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0];

/// Connects, and has the handshake fail.
async fn fail(connector: &memory::Connector, listener: &mut Listener<memory::Listener>) -> DuplexStream {
    let (mut client, _) = connector.connect().await.expect("it listens");
    client.write_all(BAD_HELLO).await.expect("it is open");
    let error = listener.accept().await.expect("a connection").establish().await.expect_err("not TLS");
    assert!(format!("{error}").contains("TLS with the client failed"), "{error}");
    client
}

/// Whether the server still reads. A memory connection refuses bytes as soon as the other end is dropped.
async fn is_read(client: &mut DuplexStream) -> bool {
    client.write_all(&[0]).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn failed_connections_are_read_up_to_the_limit_and_for_one_second() {
    let issued = Authority::new("ca").server(&["localhost"]);
    let tls =
        ServerTls::builder(Identity::pem(&issued.chain, &issued.key)).build().expect("it was made here");
    let (connector, listener) = memory::pair();
    let mut listener = Listener::new(listener, tls);

    let mut failed = Vec::new();
    for n in 1..=LIMIT {
        failed.push(fail(&connector, &mut listener).await);
        assert!(is_read(&mut failed[n - 1]).await, "number {n}");
    }
    assert!(!is_read(&mut fail(&connector, &mut listener).await).await, "one too many");

    // One that ends makes room for another.
    drop(failed.pop());
    tokio::time::sleep(Duration::from_millis(1)).await; // the clock is paused: it moves when all tasks wait
    failed.push(fail(&connector, &mut listener).await);
    tokio::time::sleep(Duration::from_millis(990)).await;
    for client in &mut failed {
        assert!(is_read(client).await);
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    for client in &mut failed {
        assert!(!is_read(client).await);
    }
    assert!(is_read(&mut fail(&connector, &mut listener).await).await);
}
