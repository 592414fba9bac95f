//! Connections as such: many of them, silent ones, and those that end when nobody looks.

use std::time::Duration;

use crate::attacker::{Attacker, many};
use crate::scenario::Scaled;
use crate::scene::{Scene, Size};
use crate::service::{Stay, tag};
use crate::setting::Setting;

/// Connects and resets, as fast as it can. Half of the connections are reset before the greeting.
pub(crate) async fn resets(scene: &Scene<'_>) -> Result<(), String> {
    let flood = async {
        for n in 0..scene.pick(10_000, 100_000) {
            let attacker = match n % 2 {
                0 => Attacker::connect_only(&scene.victim.address, &scene.cost).await?,
                _ => scene.connect().await?,
            };
            attacker.reset();
        }
        Ok(())
    };
    let (flooded, held) = tokio::join!(flood, scene.hold());
    flooded.and(held)
}

pub(crate) const PLACES: Scaled = Scaled { quick: 500, full: 10_000 };

pub(crate) fn silent_settings(size: Size) -> Vec<Setting> {
    vec![Setting::Connections(PLACES.of(size) as usize)]
}

/// More connections than there are places, and none says anything.
pub(crate) async fn silent(scene: &Scene<'_>) -> Result<(), String> {
    let places = PLACES.of(scene.size) as usize;
    // The honest client has a place.
    let _silent = scene.connect_many(places - 1).await?;
    let mut more = Vec::new();
    for _ in 0..100 {
        more.push(Attacker::connect_only(&scene.victim.address, &scene.cost).await?);
    }
    scene.hold().await
}

pub(crate) const PAUSED: Scaled = Scaled { quick: 100, full: 2000 };

pub(crate) fn paused_settings(_: Size) -> Vec<Setting> {
    vec![Setting::InFlight(4), Setting::HalfClosed(HALF_CLOSED)]
}

const HALF_CLOSED: Duration = Duration::from_secs(1);

/// Its limit of Commands keeps each connection from being read. Then all clients leave by a reset.
pub(crate) async fn leave_by_reset(scene: &Scene<'_>) -> Result<(), String> {
    for attacker in paused(scene).await? {
        attacker.reset();
    }
    // They are looked at once per second.
    all_have_left(scene, Duration::from_secs(2)).await
}

/// The same by a FIN, and their sockets stay.
pub(crate) async fn leave_by_fin(scene: &Scene<'_>) -> Result<(), String> {
    let mut attackers = paused(scene).await?;
    for attacker in &mut attackers {
        attacker.finish().await;
    }
    all_have_left(scene, Duration::from_secs(2) + HALF_CLOSED).await
}

async fn paused(scene: &Scene<'_>) -> Result<Vec<Attacker>, String> {
    let mut attackers = scene.connect_many(PAUSED.of(scene.size) as usize).await?;
    let commands = many(1..7, tag::STAY, &Stay { data: String::new() });
    for attacker in &mut attackers {
        attacker.send(&commands).await;
    }
    let all = PAUSED.of(scene.size);
    scene.until(SOON, "none is read", |look| look.get("in_flight_pauses") >= all).await?;
    scene.hold().await?;
    Ok(attackers)
}

/// Only the honest client is left.
async fn all_have_left(scene: &Scene<'_>, patience: Duration) -> Result<(), String> {
    // What the machine may take for it beside all else.
    let patience = patience + Duration::from_secs(1);
    scene.until(patience, "the places are free", |look| look.get("open") <= 1).await
}

/// How long the server may take to read and to count.
const SOON: Duration = Duration::from_secs(10);
