//! Servers that attack their clients. The process that is attacked has the client beside the server that the honest client
//! calls.

use std::time::Duration;

use testkit::peer::GREETING;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::attacker::mus;
use crate::scene::Scene;
use crate::service::{Part, tag};

/// A server that does not read. Its client gives up calls that wait to be sent.
pub(crate) async fn given_up(scene: &Scene<'_>) -> Result<(), String> {
    let calls = scene.pick(10_000, 200_000);
    let (listener, address) = listen().await?;
    scene.victim.ask(&format!("give-up {address} {calls}"))?;
    let _socket = accept_and_greet(scene, &listener).await?;
    let given_up = scene
        .until(Duration::from_secs(120), "the calls were given up", |look| look.get("given_up") >= calls);
    let (given_up, held) = tokio::join!(given_up, scene.hold());
    scene.victim.ask("leave")?;
    given_up.and(held)
}

/// A server that answers a stream faster than anybody reads it: with 1,024 Replies of 1 MiB, and more.
pub(crate) async fn unread_stream(scene: &Scene<'_>) -> Result<(), String> {
    let replies = scene.pick(200, 1024);
    let (listener, address) = listen().await?;
    scene.victim.ask(&format!("leave-unread {address}"))?;
    let mut socket = accept_and_greet(scene, &listener).await?;
    let mut command = [0; 64];
    let read =
        socket.read(&mut command).await.map_err(|error| format!("the client asks nothing: {error}"))?;
    let seq = u64::from(command[0]);
    if read == 0 || seq >= 0x80 {
        return Err(format!("the client asks otherwise than expected: {:?}", &command[..read]));
    }
    let reply = mus(seq, tag::PART, &Part { data: "x".repeat((1 << 20) - 100), last: false });
    let flood = async {
        for n in 0..replies {
            socket.write_all(&reply).await.map_err(|error| format!("Reply {n} cannot be sent: {error}"))?;
            scene.cost.add_bytes(reply.len());
        }
        Ok(())
    };
    let (flooded, held) = tokio::join!(flood, scene.hold());
    scene.victim.ask("leave")?;
    flooded.and(held)
}

async fn listen() -> Result<(TcpListener, String), String> {
    let listening = TcpListener::bind("127.0.0.1:0").await.and_then(|listener| {
        let address = listener.local_addr()?.to_string();
        Ok((listener, address))
    });
    listening.map_err(|error| format!("cannot listen: {error}"))
}

async fn accept_and_greet(scene: &Scene<'_>, listener: &TcpListener) -> Result<TcpStream, String> {
    let greeted = async {
        let (mut socket, _) = listener.accept().await?;
        socket.write_all(GREETING).await?;
        Ok(socket)
    };
    scene.cost.add_connection();
    greeted.await.map_err(|error: std::io::Error| format!("no client came: {error}"))
}
