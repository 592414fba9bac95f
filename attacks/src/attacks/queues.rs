//! Connections that keep the server busy.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::attacker::many;
use crate::scene::Scene;
use crate::service::{Compute, tag};

/// As many as the defaults let a connection have in flight, nearly.
pub(crate) const COMMANDS: u64 = 60_000;

/// A connection with far more work than its share, which goes on sending.
pub(crate) async fn long(scene: &Scene<'_>) -> Result<(), String> {
    let mut attacker = scene.connect().await?;
    let all = COMMANDS * scene.pick(1, 4);
    let commands = many(1..all + 1, tag::COMPUTE, &Compute { microseconds: 100 });
    let flood = async {
        attacker.send(&commands).await;
        attacker.read_to_end().await;
    };
    tokio::select! {
        () = flood => Err("the attacker was cut off".to_owned()),
        held = scene.hold() => held,
    }
}

/// Two connections that send nothing but pings, and read what they are answered.
pub(crate) async fn pings(scene: &Scene<'_>) -> Result<(), String> {
    let attackers = scene.connect_many(2).await?;
    let floods = attackers.into_iter().map(|attacker| {
        let cost = scene.cost.clone();
        let (mut reading, mut writing) = attacker.into_io().into_split();
        let write = async move {
            let pings = [0; 1 << 14];
            while let Ok(n) = writing.write(&pings).await {
                cost.add_bytes(n);
            }
        };
        let read = async move {
            let mut pongs = vec![0; 1 << 16];
            while reading.read(&mut pongs).await.is_ok_and(|n| n > 0) {}
        };
        tokio::spawn(async move { tokio::join!(write, read) })
    });
    let floods: Vec<_> = floods.collect();
    let held = scene.hold().await;
    let cut = floods.iter().filter(|flood| flood.is_finished()).count();
    for flood in floods {
        flood.abort();
        let _ = flood.await; // it was aborted
    }
    held?;
    if cut == 0 { Ok(()) } else { Err("an attacker was cut off".to_owned()) }
}
