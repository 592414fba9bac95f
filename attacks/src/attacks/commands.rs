//! Commands that do not end, on connections that do.

use std::time::Duration;

use crate::attacker::{Attacker, Cost, many, mus, prefixed};
use crate::bounds::{Load, MIB};
use crate::scenario::Scaled;
use crate::scene::{Scene, Size};
use crate::service::{Large, Linger, Stay, tag};
use crate::setting::Setting;

/// Commands per connection.
const EACH: u64 = 60_000;

pub(crate) const OUTLIVING: Scaled = Scaled { quick: EACH, full: 11 * EACH };

/// Sends Commands, leaves, comes back and sends more. The Commands go on.
pub(crate) async fn outliving(scene: &Scene<'_>) -> Result<(), String> {
    let flood = async {
        let milliseconds = scene.pick(3000, 30_000);
        let connections = OUTLIVING.of(scene.size) / EACH;
        for n in 1..=connections {
            let commands = many(1..EACH + 1, tag::LINGER, &Linger { milliseconds });
            let mut attacker = scene.connect().await?;
            attacker.send(&commands).await;
            let so_far = n * EACH;
            scene.until(SOON, "they have begun", |look| look.get("started") >= so_far).await?;
            attacker.reset();
        }
        Ok(())
    };
    let (flooded, held) = tokio::join!(flood, scene.hold());
    flooded.and(held)
}

/// On the wire.
pub(crate) const HOARDED: Scaled = Scaled { quick: MIB, full: 16 * MIB };

pub(crate) fn hoard_settings(size: Size) -> Vec<Setting> {
    // It leaves behind a full receive window, where the server does not see it: then this time ends the connection.
    vec![Setting::InFlightBytes(HOARDED.of(size) as usize), Setting::Paused(Duration::from_secs(5))]
}

/// Commands whose values take 32 times their bytes, as many as the server lets be in flight.
pub(crate) async fn hoard(scene: &Scene<'_>) -> Result<(), String> {
    let mut attacker = scene.connect().await?;
    let row = [1 << 3 | 2, 0];
    for seq in 1..1000 {
        let frame = prefixed(seq, tag::HOARD, &row.repeat(HOARD_BYTES / row.len()));
        if attacker.send_what_is_taken(&frame).await < frame.len() {
            break;
        }
    }
    scene.hold().await
}

/// The size of each of these Commands.
const HOARD_BYTES: usize = 256 << 10;

const CONNECTIONS: Scaled = Scaled { quick: 40, full: 300 };
/// How often each connection comes back.
const AGAIN: Scaled = Scaled { quick: 2, full: 6 };
const FRAME: u64 = MIB / 4;
const REPLY: u64 = MIB / 4;
const MEMORY: u64 = 64 * MIB;
/// Fewer than the attackers send.
const COMMANDS: Scaled = Scaled { quick: 5000, full: 20_000 };

pub(crate) fn everything_settings(size: Size) -> Vec<Setting> {
    vec![
        Setting::Frame(FRAME as usize),
        Setting::Memory(MEMORY as usize),
        Setting::Commands(COMMANDS.of(size) as usize),
    ]
}

/// What the server is under, for the bound.
pub(crate) fn everything_load(size: Size) -> Load {
    Load { connections: CONNECTIONS.of(size), memory: MEMORY, frame: FRAME, reply: REPLY }
}

/// The small Commands of a connection, within its limit.
const SMALL: u64 = 200;

/// All at once, from many connections, which come back when they have left.
pub(crate) async fn everything(scene: &Scene<'_>) -> Result<(), String> {
    let milliseconds = scene.pick(3000, 20_000);
    let small = many(1..SMALL + 1, tag::LINGER, &Linger { milliseconds });
    let large = many(1001..1101, tag::LARGE, &Large { bytes: REPLY - 100, count: 1 });
    let mut half = mus(5000, tag::STAY, &Stay { data: "x".repeat(FRAME as usize - 100) });
    half.pop();
    // One third of the connections each, as what is not read any more takes nothing else.
    let kinds: Vec<_> = [
        [small.clone(), half.clone()].concat(),
        [small.clone(), large.clone()].concat(),
        [large, small, half].concat(),
    ]
    .into_iter()
    .map(std::sync::Arc::<[u8]>::from)
    .collect();
    let floods = (0..CONNECTIONS.of(scene.size)).map(|n| {
        let bytes = kinds[n as usize % kinds.len()].clone();
        let (address, cost, times) = (scene.victim.address.clone(), scene.cost.clone(), AGAIN.of(scene.size));
        tokio::spawn(async move { come_again(&address, &cost, &bytes, times).await })
    });
    let floods: Vec<_> = floods.collect();
    scene.hold().await?;
    for flood in floods {
        flood.await.map_err(|error| error.to_string())??;
    }
    scene.hold().await
}

async fn come_again(address: &str, cost: &Cost, bytes: &[u8], times: u64) -> Result<(), String> {
    for _ in 0..times {
        let mut attacker = Attacker::connect(address, cost).await?;
        attacker.send_what_is_taken(bytes).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        attacker.reset();
    }
    Ok(())
}

/// How long the server may take to begin what it was sent.
const SOON: Duration = Duration::from_secs(20);
