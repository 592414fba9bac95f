//! Runs one scenario: a fresh server, an honest client without the attack and beside it, and what was seen of both.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use crate::attacker::Cost;
use crate::honest::{Calls, Honest};
use crate::scenario::{Bounds, Scenario};
use crate::scene::{Scene, Size};
use crate::victim::{Look, Processor, Resources, Victim};

/// What was seen of a scenario.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) cost_bytes: u64,
    pub(crate) cost_connections: u64,
    /// Over what the process had when it was idle.
    pub(crate) memory: u64,
    pub(crate) tasks: u64,
    pub(crate) commands: u64,
    pub(crate) descriptors: u64,
    pub(crate) without: Duration,
    pub(crate) beside: Duration,
    /// The longest call beside it.
    longest: Duration,
    /// By what the machine, with all else that it did, made everything last longer.
    pub(crate) stretch: f64,
    /// How long the attack went on.
    pub(crate) lasted: Duration,
    /// How long it took the server to be idle again.
    pub(crate) recovery: Duration,
    /// The bounds that were broken, in words.
    pub(crate) broken: Vec<String>,
}

/// Runs a scenario. If only the times of the honest client are over their bounds, it runs twice more, and the median counts.
///
/// # Errors
///
/// If it cannot be run at all.
pub(crate) fn run(scenario: &Scenario, size: Size) -> Result<Seen, String> {
    let bounds = (scenario.bounds)(size);
    let mut runs = vec![once(scenario, size, bounds)?];
    if runs[0].broken.is_empty() && !runs[0].is_in_time(&bounds) {
        runs.push(once(scenario, size, bounds)?);
        runs.push(once(scenario, size, bounds)?);
    }
    let broken: Vec<_> = runs.iter().flat_map(|seen| seen.broken.clone()).collect();
    runs.sort_by(|one, other| {
        (one.beside.as_secs_f64() / one.stretch).total_cmp(&(other.beside.as_secs_f64() / other.stretch))
    });
    let mut median = runs.swap_remove(runs.len() / 2);
    median.broken = broken;
    if !median.is_in_time(&bounds) {
        median.broken.push(format!(
            "the honest client's p99 beside it is {:.1?}, its longest call took {:.1?}; they may take {:.1?} and {:.1?}",
            median.beside,
            median.longest,
            bounds.p99.mul_f64(median.stretch),
            bounds.longest.mul_f64(median.stretch),
        ));
    }
    Ok(median)
}

fn once(scenario: &Scenario, size: Size, bounds: Bounds) -> Result<Seen, String> {
    let victim = Victim::start(scenario.format, &(scenario.settings)(size))?;
    let honest = Honest::start(scenario.format, &victim.address);
    // The first calls bring the server's buffers and threads to their size.
    thread::sleep(Duration::from_millis(100));
    let without = calls_for(&honest, Duration::from_millis(size.pick(400, 1500)));
    let idle = Held { look: victim.look()?, resources: victim.resources()? };
    let scene = Scene { victim: &victim, format: scenario.format, size, cost: Cost::default() };
    let watch = Watch::default();
    let (attacked, (lasted, stretch), beside) = thread::scope(|scope| {
        scope.spawn(|| watch.look_until_over(&victim));
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (began, before) = (Instant::now(), victim.processor());
        let attacked = runtime.block_on((scenario.attack)(&scene));
        let lasted = (began.elapsed(), Processor::stretch(before, victim.processor()));
        let beside = honest.take();
        drop(runtime); // with all that is left of the attackers
        watch.over.store(true, Relaxed);
        (attacked, lasted, beside)
    });
    let began = Instant::now();
    let idle_again = wait_until_idle(&victim, &idle, bounds.recovery);
    let recovery = began.elapsed();
    let after = honest.take();
    let most = watch.most.into_inner().unwrap_or_else(PoisonError::into_inner);
    let peak = victim.resources().map_or(0, |resources| resources.peak);
    let mut seen = Seen {
        cost_bytes: scene.cost.bytes(),
        cost_connections: scene.cost.connections(),
        memory: peak.saturating_sub(idle.resources.memory),
        tasks: most.tasks,
        commands: most.commands,
        descriptors: most.descriptors,
        without: without.p99(),
        beside: beside.p99(),
        longest: beside.longest(),
        stretch,
        lasted,
        recovery,
        broken: [attacked.err(), idle_again.err(), watch.killed.into_inner().unwrap_or_default()]
            .into_iter()
            .flatten()
            .collect(),
    };
    seen.check(&bounds, [("without the attack", without), ("beside it", beside), ("after it", after)]);
    Ok(seen)
}

fn calls_for(honest: &Honest, time: Duration) -> Calls {
    honest.take();
    thread::sleep(time);
    honest.take()
}

/// What a server holds at a moment.
struct Held {
    look: Look,
    resources: Resources,
}

/// The server must give back all that an attack has made it hold, while the honest client stays.
fn wait_until_idle(victim: &Victim, idle: &Held, patience: Duration) -> Result<(), String> {
    let began = Instant::now();
    loop {
        let (look, resources) = (victim.look()?, victim.resources()?);
        // A call of the honest client may be in flight, and the runtime may have a task for something of its own.
        let is_idle = look.get("open") <= idle.look.get("open").max(1)
            && look.get("waiting") == 0
            && look.get("commands") <= idle.look.get("commands") + 1
            && look.get("tasks") <= idle.look.get("tasks") + 1
            && resources.descriptors <= idle.resources.descriptors;
        if is_idle {
            return Ok(());
        }
        if began.elapsed() > patience {
            return Err(format!("it is not idle after {patience:?}: {look:?}, {resources:?}"));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Looks at the server while it is attacked.
#[derive(Default)]
struct Watch {
    over: AtomicBool,
    most: Mutex<Most>,
    killed: Mutex<Option<String>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Most {
    tasks: u64,
    commands: u64,
    descriptors: u64,
}

impl Watch {
    fn look_until_over(&self, victim: &Victim) {
        while !self.over.load(Relaxed) {
            let Ok((look, resources)) = victim.look().and_then(|look| Ok((look, victim.resources()?))) else {
                return; // it has ended, which the attack and the honest client notice
            };
            let mut most = self.most.lock().unwrap_or_else(PoisonError::into_inner);
            most.tasks = most.tasks.max(look.get("tasks"));
            most.commands = most.commands.max(look.get("commands"));
            most.descriptors = most.descriptors.max(resources.descriptors);
            drop(most);
            if resources.memory > TOO_MUCH {
                victim.kill();
                let killed = format!("it was killed, as it had {} MiB", resources.memory >> 20);
                *self.killed.lock().unwrap_or_else(PoisonError::into_inner) = Some(killed);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// More memory than any attack may take: the machine is needed.
const TOO_MUCH: u64 = 6 << 30;

impl Seen {
    /// What the server's threads waited for a processor is not the server's doing.
    fn is_in_time(&self, bounds: &Bounds) -> bool {
        self.beside <= bounds.p99.mul_f64(self.stretch)
            && self.longest <= bounds.longest.mul_f64(self.stretch)
    }

    fn check(&mut self, bounds: &Bounds, calls: [(&str, Calls); 3]) {
        if self.memory > bounds.memory {
            let [memory, most] = [self.memory, bounds.memory].map(|bytes| bytes as f64 / (1 << 20) as f64);
            self.broken.push(format!("it took {memory:.1} MiB of memory, and may take {most:.1}"));
        }
        for (when, calls) in calls {
            if let Some((error, count)) = &calls.failed {
                self.broken
                    .push(format!("{count} of the honest calls {when} failed, the first with: {error}"));
            }
            if calls.count() == 0 && when != "after it" {
                self.broken.push(format!("no honest call was answered {when}"));
            }
        }
    }
}
