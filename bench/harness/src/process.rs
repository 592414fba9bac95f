//! What the system knows of a process: its CPU time, its memory, its open files.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Files that a process has open beside its connections, at most.
const OTHER_FILES: u64 = 100;

/// What `/proc` counts CPU time in. It is the same on all architectures that Linux runs on.
const TICK: Duration = Duration::from_millis(10);

/// Whose CPU time is counted: this process's, and that of a server in another one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    server: Option<u32>,
}

impl Meter {
    /// Counts this process, and the server's if it is another one.
    pub fn new(server: Option<u32>) -> Self {
        Self { server }
    }

    /// User and system time of all threads since the start. `None` if the system does not tell.
    pub fn read(self) -> Option<Duration> {
        let own = clock_gettime(ClockId::ProcessCPUTime);
        let own = Duration::new(u64::try_from(own.tv_sec).ok()?, u32::try_from(own.tv_nsec).ok()?);
        match self.server {
            None => Some(own),
            Some(id) => Some(own + cpu_time(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)?),
        }
    }

    /// The process that has the server.
    pub fn server(self) -> u32 {
        self.server.unwrap_or_else(std::process::id)
    }
}

/// The times in a line of `/proc/ID/stat`: the twelfth and thirteenth field after the name, which is in parentheses.
fn cpu_time(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(|field| field.parse::<u32>().ok());
    Some(TICK * (ticks.next()?? + ticks.next()??))
}

/// The resident memory of a process, in bytes. Linux only.
pub fn resident(id: u32) -> Result<u64, String> {
    let path = format!("/proc/{id}/status");
    let status = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    Ok(kib.ok_or_else(|| format!("{path} has no VmRSS"))? << 10)
}

/// Lets this process, and those that it starts, have so many connections.
pub fn allow_connections(connections: u64) -> Result<(), String> {
    let files = connections + OTHER_FILES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= files) {
        return Ok(());
    }
    // Beyond the maximum only a privileged process may go.
    let raised = Rlimit { current: Some(files), maximum: maximum.map(|maximum| maximum.max(files)) };
    setrlimit(Resource::Nofile, raised)
        .map_err(|error| format!("{files} open files are needed, and {maximum:?} allowed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_a_name_of_any_form() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 9 9 20 0 1 0";
        assert_eq!(cpu_time(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu_time("7 (a) S 1"), None);
    }

    #[test]
    fn work_takes_cpu_time_of_its_process() {
        let before = Meter::new(None).read().unwrap();
        let started = std::time::Instant::now();
        while started.elapsed() < Duration::from_millis(30) {
            std::hint::spin_loop();
        }
        // Whatever else the machine does, a thread that runs uses CPU time; it may not run all the time.
        assert!(Meter::new(None).read().unwrap() > before);
        let both = Meter::new(Some(std::process::id())).read().unwrap();
        assert!(both > before);
        assert_eq!(Meter::new(Some(u32::MAX)).read(), None);
    }

    #[test]
    fn memory_is_that_of_the_process() {
        assert!(resident(std::process::id()).unwrap() > 100 << 10);
        assert!(resident(u32::MAX).is_err());
    }
}
