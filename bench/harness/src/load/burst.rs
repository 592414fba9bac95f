//! All calls at once.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::{Echo, Measured, PATIENCE, PerCommand, Round, Tally, round_trip};
use crate::alloc::{Allocated, start_counting, stop_counting};

/// What a burst took.
pub struct Burst {
    /// Until all calls were answered.
    pub elapsed: Duration,
    /// How long each call took, from its own start.
    pub tally: Tally,
}

/// Makes all calls at once, each in a task of its own, spread over the clients.
pub async fn burst<C: Echo>(clients: &[C], round: &Round, calls: usize) -> Result<Burst, String> {
    let values = round.values;
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for call in 0..calls {
        let (client, value) = (clients[call % clients.len()].clone(), &values[call % values.len()]);
        tasks.spawn(async move {
            let started = Instant::now();
            round_trip(&client, value).await.map(|()| started.elapsed())
        });
    }
    let mut tally = Tally::new(1);
    let all = async {
        while let Some(done) = tasks.join_next().await {
            tally.verified += 1;
            let took = done.map_err(|error| error.to_string())??;
            tally.count_as(took);
        }
        Ok::<_, String>(())
    };
    match tokio::time::timeout(PATIENCE * 6, all).await {
        Ok(all) => all.map(|()| Burst { elapsed: started.elapsed(), tally }),
        Err(_) => Err(format!("{} of {calls} calls were answered in a minute", tally.verified)),
    }
}

/// A tenth of the calls to warm up, then the calls. A tenth again shows what they allocate, as counting takes time.
pub async fn warm_burst<C: Echo>(clients: &[C], round: &Round, calls: usize) -> Result<Measured, String> {
    let tenth = calls.div_ceil(10);
    burst(clients, round, tenth).await?;
    let before = round.meter.read();
    let Burst { elapsed, tally } = burst(clients, round, calls).await?;
    let cpu = round.meter.read().zip(before).map(|(after, before)| after.saturating_sub(before));
    start_counting();
    let counted = burst(clients, round, tenth).await;
    let Allocated { count, bytes } = stop_counting();
    counted?;
    // A burst makes tasks. If nothing was counted, the program does not have the allocator that counts.
    let per = |number: u64| number as f64 / tenth as f64;
    let allocated = (count > 0).then(|| PerCommand { allocations: per(count), bytes: per(bytes) });
    Ok(Measured { elapsed, cpu, tally, missed: 0, allocated })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::tests::{Mirror, round};
    use crate::participant::runtime;

    #[test]
    fn every_call_of_a_burst_is_compared_and_timed() {
        let burst = |clients: &[Mirror], calls| runtime().unwrap().block_on(burst(clients, &round(), calls));
        let done = burst(&[Mirror { lies: false }, Mirror { lies: false }], 1001).unwrap();
        assert_eq!((done.tally.commands, done.tally.latency.len()), (1001, 1001));
        let Err(error) = burst(&[Mirror { lies: false }, Mirror { lies: true }], 2) else {
            panic!("a wrong reply went unnoticed")
        };
        assert!(error.contains("came back"), "{error}");
    }
}
