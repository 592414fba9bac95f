//! The frame limit, although nothing on the wire tells the length of a MUS frame.

use crate::{WAYS, Words, client, client_refuses, error_of, frame, frame_of, server, server_refuses, text};
use cmd_stream::transport::Connect as _;
use cmd_stream::{ErrorKind, Mus};
use mus_format::to_vec;
use testkit::ends::{both, serve_in_memory};
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::within;

const LIMIT: usize = 1000;

/// Frames of a Command with seq 2 of this many bytes: one text, and many.
fn frames_of(bytes: usize) -> [Vec<u8>; 2] {
    let one = frame(2, 1, &text(&"x".repeat(bytes - 4)));
    let many = frame(2, 2, &Words(vec![String::new(); bytes - 4]));
    assert_eq!((one.len(), many.len()), (bytes, bytes));
    [one, many]
}

#[tokio::test(start_paused = true)]
async fn a_frame_at_the_limit_is_read_and_one_over_it_is_refused_at_its_length() {
    let limits = || server::Limits::default().frame(LIMIT);
    for whole in frames_of(LIMIT) {
        let (connector, _handle) = serve_in_memory(server(Mus).limits(limits()));
        for way in WAYS {
            let mut peer = BytePeer::over(within(connector.connect()).await.expect("it is served").0);
            peer.expect(GREETING).await;
            way.send(&mut peer, &whole).await;
            peer.expect(&whole).await;
        }
    }
    for whole in frames_of(LIMIT + 1) {
        for way in WAYS {
            // Seq, tag, and the two bytes of a length or count. The rest is not sent.
            let error = server_refuses(server(Mus).limits(limits()), way, &whole[..4]).await;
            assert_eq!(error.kind(), ErrorKind::Limit, "{error:#}");
            assert!(format!("{error:#}").contains("over the limit of 1000"), "{error:#}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_client_keeps_to_its_limit_in_both_directions() {
    let limits = client::Limits::default().frame(LIMIT);
    let (client, _handle) = both(server(Mus), client(Mus).limits(limits.clone())).await;
    for (len, fits) in [(LIMIT - 4, true), (LIMIT - 3, false)] {
        let sent = client.send(text(&"x".repeat(len))).await;
        assert_eq!(sent.is_ok(), fits, "{len}: {sent:?}");
        if !fits {
            let error = error_of(sent);
            assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Limit, false), "{error:#}");
        }
    }
    for way in WAYS {
        let reply = frame_of(1, 1, &to_vec(&(LIMIT as u64 - 3)).expect("a number"));
        let error = client_refuses(self::client(Mus).limits(limits.clone()), way, &reply).await;
        assert_eq!(error.kind(), ErrorKind::Limit, "{error:#}");
    }
}
