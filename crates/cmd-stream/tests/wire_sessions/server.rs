//! Plays the recorded clients to our server.

use std::time::Duration;

use crate::bodies::{Codec, with_codec};
use crate::{Session, Side, error_of, expect_frame, kind_of, sessions};
use cmd_stream::Server;
use cmd_stream::server::Limits;
use cmd_stream::transport::{Connect as _, memory};
use testkit::peer::BytePeer;
use testkit::sample::Service;
use testkit::wait::within;
use tokio::sync::mpsc;

#[tokio::test(start_paused = true)]
async fn our_server_answers_each_recorded_client_as_the_recorded_server_did() {
    for session in sessions().iter().filter(|session| !session.raw_server) {
        play(session).await;
    }
}

/// Plays a session to our server, in the Format that the session is in.
pub(crate) async fn play(session: &Session) {
    with_codec!(session.codec, C => play_to_server::<C>(session).await);
}

async fn play_to_server<C: Codec>(session: &Session) {
    let name = &session.name;
    let (connector, listener) = memory::pair();
    let (reason, mut reasons) = mpsc::unbounded_channel();
    let idle = session.server_options.cmd_receive_duration_ms.map(Duration::from_millis);
    let server = Server::builder(C::Protocol::default(), C::FORMAT, Service)
        .server_info(session.server_info())
        .limits(Limits::default().idle(idle))
        .on_connection_lost(move |lost| drop(reason.send(lost.reason.clone())))
        .listen(listener)
        .expect("it listens");
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());

    for connection in &session.connections {
        let mut peer = BytePeer::over(connector.connect().await.expect("it accepts").0);
        for (from, frame) in connection.steps() {
            match from {
                Side::Client => peer.send_hex(&frame.hex).await,
                Side::Server => expect_frame::<C>(&mut peer, &frame, name).await,
            }
        }
        let expected = session.outcome.server_conn_error.as_deref().expect("the real server's end");
        match &*connection.closed_by {
            "client" => peer.finish().await,
            // It was cut between the two, and the server saw its client leave.
            "server" if expected == "EOF" => peer.finish().await,
            "server" => {}
            other => panic!("{name}: closed by what no test knows: {other}"),
        }
        peer.expect_end().await;
        let reason = within(reasons.recv()).await.expect("the callback is called");
        assert_eq!(kind_of(&reason), error_of(expected), "{name}: {reason:#} for {expected}");
    }
    handle.close();
    within(serving).await.expect("serve does not panic");
    assert!(reasons.recv().await.is_none(), "{name}: one call of the callback for each connection");
}
