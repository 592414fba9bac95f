//! Frames that arrive in pieces.

use crate::{Mirror, Words, client, frame, gate, text};
use cmd_stream::transport::Connect as _;
use cmd_stream::{Mus, Server};
use testkit::ends::{client_and_bytes, serve_in_memory};
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::within;

/// Words of all lengths, about 100 KB.
fn many_words() -> Words {
    Words((0..1000).map(|n| "ж".repeat(n % 101)).collect())
}

#[tokio::test(start_paused = true)]
async fn a_command_arrives_byte_by_byte_while_others_are_answered() {
    let gate = gate();
    let (connector, _handle) = serve_in_memory(Server::builder(Mirror, Mus, gate.clone()));
    let other = within(client(Mus).connect_by(connector.clone())).await.expect("it is served");
    let mut peer = BytePeer::over(within(connector.connect()).await.expect("it is served").0);
    peer.expect(GREETING).await;
    peer.send(&[frame(1, 6, &text("held")), frame(2, 1, &text("quick"))].concat()).await;
    peer.expect(&frame(2, 1, &text("quick"))).await;

    let words = frame(3, 2, &many_words());
    let (half, rest) = words.split_at(words.len() / 2);
    peer.send_bytewise(half).await;
    // In the middle of that frame, an earlier Command is answered, and so is one of another connection.
    gate.0.add_permits(1);
    peer.expect(&frame(1, 1, &text("held"))).await;
    assert_eq!(within(other.send(text("meanwhile"))).await.expect("a reply"), text("meanwhile"));
    peer.send_bytewise(rest).await;
    peer.expect(&frame(3, 2, &many_words())).await;
}

#[tokio::test(start_paused = true)]
async fn a_large_reply_arrives_in_pieces_of_any_size() {
    let large = Words((0..50_000).map(|n| format!("{n:060}")).collect());
    let (client, mut peer) = client_and_bytes(client(Mus), 1 << 16).await;
    for (seq, piece) in [(1, 1 << 14), (3, 4093), (5, 61), (7, 1 << 22)] {
        let script = async {
            peer.expect(&[frame(seq, 2, &Words(vec![])), frame(seq + 1, 1, &text("b"))].concat()).await;
            let replies = [frame(seq, 2, &large), frame(seq + 1, 1, &text("b"))].concat();
            for piece in replies.chunks(piece) {
                peer.send(piece).await;
            }
        };
        let calls = async { tokio::join!(client.send(Words(vec![])), client.send(text("b"))) };
        let ((words, after), ()) = within(async { tokio::join!(calls, script) }).await;
        assert!(words.expect("a reply") == large, "in pieces of {piece} bytes");
        assert_eq!(after.expect("a reply"), text("b"));
    }
    assert_eq!(client.in_flight(), 0);
}
