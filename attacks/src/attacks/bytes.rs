//! Bytes that are no Commands, or not yet.

use std::time::Duration;

use crate::attacker::{Attacker, head, mus, number, prefixed};
use crate::scenario::Scaled;
use crate::scene::{Scene, Size};
use crate::service::{Stay, tag};
use crate::setting::{Format, Setting};

pub(crate) const SLOW: Scaled = Scaled { quick: 200, full: 5000 };

pub(crate) fn slow_settings(size: Size) -> Vec<Setting> {
    vec![Setting::FrameTime(Duration::from_millis(size.pick(1000, 4000)))]
}

/// Each connection sends a byte of a Command now and then. The server cuts it when its time for a Command is over.
pub(crate) async fn slowloris(scene: &Scene<'_>) -> Result<(), String> {
    let mut attackers = scene.connect_many(SLOW.of(scene.size) as usize).await?;
    let frame = mus(1, tag::STAY, &Stay { data: "x".repeat(1000) });
    let slow = async {
        for byte in &frame[..scene.pick(10, 16)] {
            for attacker in &mut attackers {
                attacker.send(&[*byte]).await;
            }
            tokio::time::sleep(Duration::from_millis(scene.pick(100, 300))).await;
        }
    };
    let ((), held) = tokio::join!(slow, scene.hold());
    held?;
    for attacker in &mut attackers {
        attacker.expect_close().await?;
    }
    let all = SLOW.of(scene.size);
    scene.until(SOON, "all were cut", |look| look.get("receive_timeouts") == all).await
}

pub(crate) const HALVES: Scaled = Scaled { quick: 10, full: 100 };

/// Each connection sends the largest Command, but for its last byte.
pub(crate) async fn half_frames(scene: &Scene<'_>) -> Result<(), String> {
    let mut attackers = scene.connect_many(HALVES.of(scene.size) as usize).await?;
    let frame = mus(1, tag::STAY, &Stay { data: "x".repeat((4 << 20) - 100) });
    for attacker in &mut attackers {
        attacker.send(&frame[..frame.len() - 1]).await;
    }
    scene.hold().await
}

/// Pseudo-random bytes, of which some begin as a Command does, and what other protocols begin with.
pub(crate) async fn garbage(scene: &Scene<'_>) -> Result<(), String> {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let flood = async {
        for n in 0..scene.pick(500, 20_000) {
            let mut bytes = match n % 4 {
                0 => head(1, tag::STAY),
                1 => head(random.next(), random.next() | 8),
                2 => b"GET / HTTP/1.1\r\nHost: ".to_vec(),
                _ => Vec::new(),
            };
            let of_random = (0..64).flat_map(|_| random.next().to_le_bytes());
            // Any bytes may be a Command. Without its tag, none of them is one that the server has to wait for.
            bytes.extend(of_random.filter(|byte| u64::from(*byte) != tag::LINGER));
            let mut attacker = scene.connect().await?;
            attacker.send(&bytes).await;
            attacker.finish().await;
            attacker.expect_close().await?;
        }
        Ok(())
    };
    let (flooded, held) = tokio::join!(flood, scene.hold());
    flooded.and(held)
}

/// A length of 2^62 wherever one may stand. Each connection is closed at once.
pub(crate) async fn lengths(scene: &Scene<'_>) -> Result<(), String> {
    let tags: &[u64] = match scene.format {
        // The only one that has a length, of a text. That of a list is a number of elements, which may have no bytes.
        Format::Mus => &[tag::STAY],
        // All have one.
        Format::Json | Format::Protobuf => {
            &[tag::QUICK, tag::LARGE, tag::STAY, tag::LINGER, tag::COMPUTE, tag::FAIL, tag::NEST]
        }
    };
    let many = scene.pick(100, 4000);
    let flood = async {
        for n in 0..many {
            let bytes = [head(1, tags[n % tags.len()]), number(1 << 62)].concat();
            refused(scene, &bytes).await?;
        }
        Ok(())
    };
    let (flooded, held) = tokio::join!(flood, scene.hold());
    flooded.and(held)
}

pub(crate) const COUNTS: Scaled = Scaled { quick: 20, full: 1000 };

/// Lists of 2^62 elements, of which some arrive. What is held is what those take.
pub(crate) async fn counts(scene: &Scene<'_>) -> Result<(), String> {
    let mut attackers = scene.connect_many(COUNTS.of(scene.size) as usize).await?;
    let frame = [head(1, tag::NEST), number(1 << 62), vec![0; 1000]].concat();
    for attacker in &mut attackers {
        attacker.send(&frame).await;
    }
    scene.hold().await
}

/// A second Command with the seq of one that runs. Each connection is closed at once.
pub(crate) async fn seq_reuse(scene: &Scene<'_>) -> Result<(), String> {
    let many = scene.pick(200, 10_000);
    let stay = mus(7, tag::STAY, &Stay { data: String::new() });
    let flood = async {
        for _ in 0..many {
            refused(scene, &stay.repeat(2)).await?;
        }
        Ok(())
    };
    let (flooded, held) = tokio::join!(flood, scene.hold());
    flooded.and::<()>(held)?;
    scene.until(SOON, "all were told apart", |look| look.get("invalid") == many).await
}

pub(crate) async fn nesting_mus(scene: &Scene<'_>) -> Result<(), String> {
    // Lists with one element each, and in the end an empty one.
    let body = [vec![1; 1_000_000], vec![0]].concat();
    nesting(scene, [head(1, tag::NEST), body].concat()).await
}

pub(crate) async fn nesting_json(scene: &Scene<'_>) -> Result<(), String> {
    let (open, close) = (r#"{"inner":["#, "]}");
    nesting(scene, prefixed(1, tag::NEST, (open.repeat(300_000) + &close.repeat(300_000)).as_bytes())).await
}

pub(crate) async fn nesting_protobuf(scene: &Scene<'_>) -> Result<(), String> {
    // From the inside: each message is the only field of the next one. Backwards, as a length stands before its value.
    let mut backwards = Vec::new();
    for _ in 0..400_000 {
        let length = number(backwards.len() as u64);
        backwards.extend(length.into_iter().rev());
        backwards.push(1 << 3 | 2); // field 1, with a length
    }
    backwards.reverse();
    nesting(scene, prefixed(1, tag::NEST, &backwards)).await
}

/// A value that contains itself too often to be decoded by calls within calls. Each connection is closed.
async fn nesting(scene: &Scene<'_>, frame: Vec<u8>) -> Result<(), String> {
    let flood = async {
        for _ in 0..scene.pick(3, 50) {
            refused(scene, &frame).await?;
        }
        Ok(())
    };
    let (flooded, held) = tokio::join!(flood, scene.hold());
    flooded.and(held)
}

/// A connection that sends this is closed.
async fn refused(scene: &Scene<'_>, bytes: &[u8]) -> Result<(), String> {
    let mut attacker: Attacker = scene.connect().await?;
    attacker.send(bytes).await;
    attacker.expect_close().await
}

/// How long the server may take to count what it has done.
const SOON: Duration = Duration::from_secs(5);

/// Numbers without a pattern that matters, the same in each run: xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
