//! The open loop: Commands at a fixed rate, whether or not others are answered, as from users who do not know of each other.
//!
//! A latency is the time from when the Command was *to be* sent. When a participant stalls, the Commands that were to be sent
//! meanwhile have waited, too. (In a closed loop nobody sends them, and the stall counts once.)

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::{Echo, Measured, PATIENCE, Round, Tally, round_trip};

/// The clock of tokio is too coarse for a rate of more than a thousand per second. This is what a thread can sleep.
const FINEST: Duration = Duration::from_micros(50);

/// When each Command is to be sent.
#[derive(Clone, Copy)]
struct Schedule {
    begin: Instant,
    per_s: f64,
}

impl Schedule {
    fn at(self, number: u64) -> Instant {
        self.begin + Duration::from_secs_f64(number as f64 / self.per_s)
    }

    /// The number of Commands whose time has come.
    fn due(self, now: Instant) -> u64 {
        (now.saturating_duration_since(self.begin).as_secs_f64() * self.per_s).ceil() as u64
    }
}

/// What all calls share.
struct Shared {
    tally: Mutex<Tally>,
    started: AtomicU64,
    ended: AtomicU64,
    failed: Mutex<Option<String>>,
    /// The dispatcher, or whoever waits for the last call.
    bell: Notify,
}

impl Shared {
    fn in_flight(&self) -> u64 {
        self.started.load(Relaxed) - self.ended.load(Relaxed)
    }

    fn failure(&self) -> Result<(), String> {
        self.failed.lock().expect(UNPOISONED).clone().map_or(Ok(()), Err)
    }
}

const UNPOISONED: &str = "nobody panics while it is locked";

/// Sends `offered_per_s` Commands per second, over the clients in turns. While `most_in_flight` are in flight, those whose time
/// comes are missed; and so are those that could not be sent before the end because this machine had no time for it.
pub async fn open_loop<C: Echo>(
    clients: &[C],
    round: &Round,
    offered_per_s: f64,
    most_in_flight: u32,
) -> Result<Measured, String> {
    let schedule = Schedule { begin: Instant::now(), per_s: offered_per_s };
    // The Commands of the warm-up, then those that count.
    let opens = (round.warmup.as_secs_f64() * offered_per_s) as u64;
    let end = opens + ((round.duration.as_secs_f64() * offered_per_s) as u64).max(1);
    let shared = Arc::new(Shared {
        tally: Mutex::new(Tally::new(1)),
        started: AtomicU64::new(0),
        ended: AtomicU64::new(0),
        failed: Mutex::new(None),
        bell: Notify::new(),
    });
    let clock = Clock::start(schedule, end, Arc::clone(&shared));
    let (mut opened, mut missed) = (None, 0);
    let mut next = 0;
    while next < end && schedule.begin.elapsed() < round.warmup + round.duration {
        shared.bell.notified().await;
        let due = schedule.due(Instant::now()).min(end);
        for number in next..due {
            if number >= opens && opened.is_none() {
                opened = Some((schedule.at(opens), round.meter.read()));
            }
            if shared.in_flight() >= u64::from(most_in_flight) {
                missed += u64::from(number >= opens);
                continue;
            }
            shared.started.fetch_add(1, Relaxed);
            let client = clients[number as usize % clients.len()].clone();
            let value = &round.values[number as usize % round.values.len()];
            let counts = (number >= opens).then(|| schedule.at(number));
            tokio::spawn(call(client, value, counts, Arc::clone(&shared)));
        }
        next = due;
        shared.failure()?;
    }
    missed += end - next.max(opens);
    drop(clock);
    answered(&shared).await?;
    let (opened, before) = opened.ok_or("the open loop had no time for a single command")?;
    let cpu = round.meter.read().zip(before).map(|(after, before)| after.saturating_sub(before));
    let tally = std::mem::replace(&mut *shared.tally.lock().expect(UNPOISONED), Tally::new(1));
    // Longer than asked for if replies came late: the rate is what the participant did, and not what was offered.
    Ok(Measured { elapsed: opened.elapsed().max(round.duration), cpu, tally, missed, allocated: None })
}

/// Waits until all calls have ended.
async fn answered(shared: &Shared) -> Result<(), String> {
    let all = async {
        while shared.in_flight() > 0 {
            shared.bell.notified().await;
        }
    };
    let ended = tokio::time::timeout(PATIENCE * 3, all).await;
    shared.failure()?;
    ended.map_err(|_| {
        format!("{} replies are missing {} s after the end", shared.in_flight(), PATIENCE.as_secs() * 3)
    })
}

async fn call(
    client: impl Echo,
    value: &'static crate::workload::Value,
    intended: Option<Instant>,
    shared: Arc<Shared>,
) {
    let done = round_trip(&client, value).await;
    match (done, intended) {
        (Err(error), _) => {
            shared.failed.lock().expect(UNPOISONED).get_or_insert(error);
        }
        (Ok(()), None) => shared.tally.lock().expect(UNPOISONED).verified += 1,
        (Ok(()), Some(intended)) => {
            let took = intended.elapsed();
            let mut tally = shared.tally.lock().expect(UNPOISONED);
            tally.verified += 1;
            tally.count_as(took);
        }
    }
    shared.ended.fetch_add(1, Relaxed);
    if shared.in_flight() == 0 {
        shared.bell.notify_one();
    }
}

/// A thread that rings when the next Command is due. It ends when this is dropped, or with the last Command.
struct Clock(Arc<AtomicBool>);

impl Clock {
    fn start(schedule: Schedule, end: u64, shared: Arc<Shared>) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stopped);
        thread::spawn(move || {
            while !seen.load(Relaxed) {
                let now = Instant::now();
                let due = schedule.due(now);
                shared.bell.notify_one();
                if due >= end {
                    break;
                }
                let wait = schedule.at(due).saturating_duration_since(now);
                thread::sleep(wait.clamp(FINEST, Duration::from_millis(10)));
            }
        });
        Self(stopped)
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::closed_loop;
    use crate::load::tests::round;
    use crate::participant::runtime;
    use crate::workload::Value;

    /// Answers at once, but for a stall: what is sent then is answered when it is over.
    #[derive(Clone)]
    struct Stalls {
        from: Instant,
        to: Instant,
        lies: bool,
    }

    impl Stalls {
        fn of(length: Duration) -> Self {
            let from = Instant::now() + Duration::from_millis(100);
            Self { from, to: from + length, lies: false }
        }
    }

    impl Echo for Stalls {
        async fn echo(&self, value: &'static Value) -> Result<Value, String> {
            let now = Instant::now();
            if self.from <= now && now < self.to {
                tokio::time::sleep_until(self.to.into()).await;
            }
            tokio::task::yield_now().await; // as every socket makes its tasks wait: else the timers have no thread
            Ok(Value { bool: value.bool ^ self.lies, ..value.clone() })
        }
    }

    const LONG: Duration = Duration::from_millis(500);

    fn run(client: Stalls, per_s: f64, most: u32) -> Result<Measured, String> {
        let round = Round { duration: LONG, ..round() };
        runtime().unwrap().block_on(open_loop(&[client], &round, per_s, most))
    }

    #[test]
    fn stall_of_100_ms_shows_in_the_percentiles_of_the_open_loop_and_not_of_the_closed_one() {
        let stall = Duration::from_millis(100);
        let open = run(Stalls::of(stall), 1000.0, 1000).unwrap();
        assert_eq!(open.tally.commands + open.missed, 500);
        // A fifth of the time was stalled: of the intended commands, one in twenty had to wait for at least 75 ms.
        let p99 = Duration::from_nanos(open.tally.latency.value_at_quantile(0.99));
        assert!(p99 >= Duration::from_millis(75), "{p99:?}");

        let round = Round { duration: LONG, in_flight: 1, ..round() };
        let closed = runtime().unwrap().block_on(closed_loop(&[Stalls::of(stall)], &round)).unwrap();
        let p99 = Duration::from_nanos(closed.tally.latency.value_at_quantile(0.99));
        assert!(p99 < Duration::from_millis(75), "{p99:?}");
    }

    #[test]
    fn commands_past_the_limit_are_missed_and_counted() {
        let open = run(Stalls::of(Duration::from_millis(200)), 1000.0, 50).unwrap();
        assert_eq!(open.tally.commands + open.missed, 500);
        // Some 200 were due in the stall, and 50 of them could be sent.
        assert!(open.missed >= 100, "{}", open.missed);
    }

    #[test]
    fn time_after_the_end_until_all_are_answered_counts() {
        let open = run(Stalls::of(Duration::from_millis(900)), 1000.0, 1000).unwrap();
        assert!(open.elapsed >= Duration::from_millis(900), "{:?}", open.elapsed);
        assert_eq!(open.tally.commands + open.missed, 500);
    }

    #[test]
    fn wrong_reply_fails_the_round() {
        let Err(error) = run(Stalls { lies: true, ..Stalls::of(Duration::ZERO) }, 1000.0, 50) else {
            panic!("a wrong reply went unnoticed")
        };
        assert!(error.contains("came back"), "{error}");
    }
}
