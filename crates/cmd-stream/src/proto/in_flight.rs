//! The server's demultiplexer: which Commands of a connection are running, and whether another one may be read.
//! Knows nothing of sockets, tasks or Formats.

use std::error::Error as StdError;
use std::fmt;
use std::task::Waker;

use super::frame::Seq;

mod slots;

use slots::Slots;

/// The Commands of one connection that have been read and have not ended.
#[derive(Debug)]
pub struct InFlight {
    commands: Slots<Running>,
    bytes: usize,
    charge: usize,
    max_commands: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Running {
    size: usize,
    /// What it takes in memory.
    charge: usize,
    /// Wakes the task that runs it, once that has waited for something.
    task: Option<Waker>,
    /// It was told to go, as its connection has ended.
    is_dropped: bool,
    /// How many hold it: the task that runs it, and whoever it was handed over to.
    holders: u32,
}

impl InFlight {
    /// Creates a table that is full at `max_commands` Commands, or at `max_bytes` of their size on the wire.
    pub fn new(max_commands: usize, max_bytes: usize) -> Self {
        Self { commands: Slots::default(), bytes: 0, charge: 0, max_commands, max_bytes }
    }

    /// Whether a Command with this seq may begin.
    ///
    /// # Errors
    ///
    /// [`SeqRefused`] if the seq is negative or already in flight. The frame layer accepts both.
    #[inline]
    pub fn check(&self, seq: Seq) -> Result<(), SeqRefused> {
        if seq.get() < 0 {
            return Err(SeqRefused::Negative(seq));
        }
        if self.commands.contains(seq) {
            return Err(SeqRefused::InUse(seq));
        }
        Ok(())
    }

    /// Books a Command that goes on running, or another holder of it, with its size on the wire and in memory. It was
    /// [checked](Self::check) when it arrived. Returns whether it is new here.
    pub fn insert(&mut self, seq: Seq, size: usize, charge: usize) -> bool {
        if let Some(running) = self.commands.get_mut(seq) {
            running.holders += 1;
            return false;
        }
        self.commands.insert(seq, Running { size, charge, task: None, is_dropped: false, holders: 1 });
        self.bytes += size;
        self.charge += charge;
        true
    }

    /// Books that one holder of a Command has finished with it: its task, or somebody else.
    pub fn remove(&mut self, seq: Seq, is_task: bool) -> Removed {
        // Asked before: only whoever makes the first room need wake the one that reads.
        let was_full = self.is_full();
        let Some(running) = self.commands.get_mut(seq) else {
            return Removed { has_ended: false, was_full, charge: 0, was_dropped: false };
        };
        running.holders -= 1;
        let has_ended = running.holders == 0;
        let (mut charge, was_dropped) = (0, has_ended && running.is_dropped);
        if has_ended {
            charge = running.charge;
            self.bytes -= running.size;
            self.charge -= charge;
            self.commands.remove(seq);
        } else if is_task {
            running.task = None; // the task that has ended would not be freed
        }
        Removed { has_ended, was_full, charge, was_dropped }
    }

    /// Whether no further Command may be read.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.commands.len() >= self.max_commands || self.bytes >= self.max_bytes
    }

    /// What they take in memory.
    #[inline]
    pub fn charge(&self) -> usize {
        self.charge
    }

    /// Keeps what wakes the task of a Command.
    pub fn set_task(&mut self, seq: Seq, task: Waker) {
        if let Some(running) = self.commands.get_mut(seq) {
            running.task = Some(task);
        }
    }

    /// Whether a Command was told to go.
    pub fn is_dropped(&mut self, seq: Seq) -> bool {
        self.commands.get_mut(seq).is_some_and(|running| running.is_dropped)
    }

    /// Tells those to go that came first, until they have at least so much memory, and are so many. Only those that have
    /// tasks are told, and only if nobody else holds them. Returns what wakes them, how much memory they have, and whether others are left.
    pub fn drop_first(&mut self, charge: usize, commands: usize) -> (Vec<Waker>, usize, bool) {
        let with_task =
            self.commands.iter().filter(|(_, running)| running.task.is_some() && running.holders == 1);
        let mut seqs: Vec<_> = with_task.map(|(seq, _)| seq).collect();
        seqs.sort_unstable();
        let (mut tasks, mut dropped) = (Vec::new(), 0);
        for seq in seqs {
            if dropped >= charge && tasks.len() >= commands {
                break;
            }
            if let Some(running) = self.commands.get_mut(seq)
                && let Some(task) = running.task.take()
            {
                running.is_dropped = true;
                dropped += running.charge;
                tasks.push(task);
            }
        }
        let has_more = self.commands.iter().any(|(_, running)| !running.is_dropped);
        (tasks, dropped, has_more)
    }

    /// How many Commands run.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether no Command runs.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }
}

/// What became of a Command when one of its holders had finished with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Removed {
    /// Nobody else holds it.
    pub has_ended: bool,
    /// The table was full before, so reading may resume now.
    pub was_full: bool,
    /// What it took in memory, if it has ended.
    pub charge: usize,
    /// It has ended, and was told to.
    pub was_dropped: bool,
}

/// A seq that is not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SeqRefused {
    /// Below zero.
    Negative(Seq),
    /// Of a Command that has not ended.
    InUse(Seq),
}

impl fmt::Display for SeqRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Negative(seq) => write!(f, "negative seq {seq}"),
            Self::InUse(seq) => write!(f, "seq {seq} is in use by a command in flight"),
        }
    }
}

impl StdError for SeqRefused {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seq_in_flight_is_refused_until_its_command_ends() {
        let mut in_flight = InFlight::new(10, 1000);
        in_flight.insert(Seq::new(7), 100, 0);
        assert_eq!(in_flight.check(Seq::new(7)), Err(SeqRefused::InUse(Seq::new(7))));
        in_flight.remove(Seq::new(7), true);
        assert_eq!(in_flight.check(Seq::new(7)), Ok(()));
        assert_eq!(in_flight.check(Seq::new(-7)), Err(SeqRefused::Negative(Seq::new(-7))));
    }

    #[test]
    fn it_is_full_at_its_limit_of_commands_and_at_its_limit_of_bytes() {
        let mut commands = InFlight::new(2, usize::MAX);
        commands.insert(Seq::new(1), 1, 0);
        assert!(!commands.is_full());
        commands.insert(Seq::new(2), 1, 0);
        assert!(commands.is_full());
        assert!(commands.remove(Seq::new(1), true).was_full, "there was no place before");
        assert!(!commands.remove(Seq::new(2), true).was_full, "there was a place already");

        let mut bytes = InFlight::new(usize::MAX, 100);
        bytes.insert(Seq::new(1), 99, 0);
        assert!(!bytes.is_full());
        bytes.insert(Seq::new(2), 1, 0);
        assert!(bytes.is_full());
    }

    #[test]
    fn those_that_came_first_go_first_if_they_have_tasks() {
        let mut in_flight = InFlight::new(10, 1000);
        for n in [5, 3, 1, 4, 2] {
            in_flight.insert(Seq::new(n), 1, 10);
            if n != 2 {
                in_flight.set_task(Seq::new(n), Waker::noop().clone());
            }
        }
        assert_eq!(in_flight.charge(), 50);
        let (tasks, dropped, has_more) = in_flight.drop_first(11, 1);
        assert_eq!((tasks.len(), dropped, has_more), (2, 20, true));
        let told = |in_flight: &mut InFlight| {
            (1..=5).filter(|n| in_flight.is_dropped(Seq::new(*n))).collect::<Vec<_>>()
        };
        assert_eq!(told(&mut in_flight), [1, 3]);
        let removed = in_flight.remove(Seq::new(1), true);
        assert_eq!((removed.charge, removed.was_dropped, in_flight.charge()), (10, true, 40));
        let (tasks, dropped, has_more) = in_flight.drop_first(0, 9);
        assert_eq!((tasks.len(), dropped, has_more), (2, 20, true), "each is told once");
        assert_eq!(told(&mut in_flight), [3, 4, 5]);
    }

    #[test]
    fn one_that_was_handed_over_does_not_go() {
        let mut in_flight = InFlight::new(10, 1000);
        in_flight.insert(Seq::new(1), 1, 10);
        in_flight.set_task(Seq::new(1), Waker::noop().clone());
        in_flight.insert(Seq::new(1), 1, 10);
        let (tasks, dropped, has_more) = in_flight.drop_first(1, 1);
        assert_eq!((tasks.len(), dropped, has_more), (0, 0, true));
        assert!(!in_flight.is_dropped(Seq::new(1)));
        // Once it has been given back, its task can be told.
        in_flight.remove(Seq::new(1), false);
        assert_eq!(in_flight.drop_first(1, 1).0.len(), 1);
    }

    #[test]
    fn a_task_that_has_ended_is_not_told_to_go() {
        let mut in_flight = InFlight::new(10, 1000);
        in_flight.insert(Seq::new(1), 1, 10);
        in_flight.set_task(Seq::new(1), Waker::noop().clone());
        in_flight.insert(Seq::new(1), 1, 10);
        in_flight.remove(Seq::new(1), true);
        assert!(in_flight.drop_first(1, 1).0.is_empty());
    }

    #[test]
    fn a_command_with_two_holders_counts_once_until_both_are_done() {
        let mut in_flight = InFlight::new(10, 100);
        assert!(in_flight.insert(Seq::new(1), 60, 0));
        assert!(!in_flight.insert(Seq::new(1), 60, 0));
        assert!(!in_flight.is_full(), "its bytes count once");
        assert!(!in_flight.remove(Seq::new(1), true).has_ended);
        assert_eq!((in_flight.len(), in_flight.check(Seq::new(1))), (1, Err(SeqRefused::InUse(Seq::new(1)))));
        assert!(in_flight.remove(Seq::new(1), false).has_ended);
        assert!(in_flight.is_empty());
        assert!(!in_flight.remove(Seq::new(1), true).has_ended, "it is unknown");
    }
}
