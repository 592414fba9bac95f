//! Clients that ask for Replies and read none of them.

use crate::attacker::many;
use crate::scenario::Scaled;
use crate::scene::Scene;
use crate::service::{Fail, Large, Quick, tag};

pub(crate) const CONNECTIONS: Scaled = Scaled { quick: 1, full: 20 };

/// A few kilobytes that ask for 500 MB.
pub(crate) async fn large(scene: &Scene<'_>) -> Result<(), String> {
    ask_and_never_read(scene, many(1..501, tag::LARGE, &Large { bytes: 1_000_000, count: 1 })).await
}

/// The same with failures, which the server makes.
pub(crate) async fn failures(scene: &Scene<'_>) -> Result<(), String> {
    ask_and_never_read(scene, many(1..501, tag::FAIL, &Fail { bytes: 1_000_000 })).await
}

/// As many small Replies as a connection may have Commands in flight.
pub(crate) async fn small(scene: &Scene<'_>) -> Result<(), String> {
    let commands = many(1..60_001, tag::QUICK, &Quick {});
    // Until the server does not read any more.
    ask_and_never_read(scene, commands.repeat(scene.pick(20, 100))).await
}

async fn ask_and_never_read(scene: &Scene<'_>, commands: Vec<u8>) -> Result<(), String> {
    let mut attackers = scene.connect_many(CONNECTIONS.of(scene.size) as usize).await?;
    for attacker in &mut attackers {
        attacker.send_what_is_taken(&commands).await;
    }
    scene.hold().await
}
