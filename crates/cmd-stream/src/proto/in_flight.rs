//! The server's demultiplexer: which Commands of a connection are running, and whether another one may be read.
//! Knows nothing of sockets, tasks or Formats.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;

use super::frame::Seq;

/// The Commands of one connection that have been read and have not ended.
#[derive(Debug)]
pub struct InFlight {
    commands: HashMap<Seq, Running>,
    bytes: usize,
    max_commands: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Running {
    size: usize,
    /// How many hold it: the task that runs it, and whoever it was handed over to.
    holders: u32,
}

impl InFlight {
    /// Creates a table that is full at `max_commands` Commands, or at `max_bytes` of their size on the wire.
    pub fn new(max_commands: usize, max_bytes: usize) -> Self {
        Self { commands: HashMap::new(), bytes: 0, max_commands, max_bytes }
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
        // Most connections have nothing in flight when a Command arrives: then nothing is hashed.
        if !self.commands.is_empty() && self.commands.contains_key(&seq) {
            return Err(SeqRefused::InUse(seq));
        }
        Ok(())
    }

    /// Books a Command that goes on running, or another holder of it. It was [checked](Self::check) when it arrived.
    /// Returns whether it is new here.
    pub fn insert(&mut self, seq: Seq, size: usize) -> bool {
        let running = self.commands.entry(seq).or_insert(Running { size, holders: 0 });
        running.holders += 1;
        let is_new = running.holders == 1;
        if is_new {
            self.bytes += size;
        }
        is_new
    }

    /// Books that one holder of a Command has finished with it.
    pub fn remove(&mut self, seq: Seq) -> Removed {
        // Asked before: only whoever makes the first room need wake the one that reads.
        let was_full = self.is_full();
        let Some(running) = self.commands.get_mut(&seq) else {
            return Removed { has_ended: false, was_full };
        };
        running.holders -= 1;
        let has_ended = running.holders == 0;
        if has_ended {
            self.bytes -= running.size;
            self.commands.remove(&seq);
        }
        if self.commands.is_empty() && self.commands.capacity() > 64 {
            self.commands = HashMap::new(); // an idle connection keeps no memory
        }
        Removed { has_ended, was_full }
    }

    /// Whether no further Command may be read.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.commands.len() >= self.max_commands || self.bytes >= self.max_bytes
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
        in_flight.insert(Seq::new(7), 100);
        assert_eq!(in_flight.check(Seq::new(7)), Err(SeqRefused::InUse(Seq::new(7))));
        in_flight.remove(Seq::new(7));
        assert_eq!(in_flight.check(Seq::new(7)), Ok(()));
        assert_eq!(in_flight.check(Seq::new(-7)), Err(SeqRefused::Negative(Seq::new(-7))));
    }

    #[test]
    fn it_is_full_at_its_limit_of_commands_and_at_its_limit_of_bytes() {
        let mut commands = InFlight::new(2, usize::MAX);
        commands.insert(Seq::new(1), 1);
        assert!(!commands.is_full());
        commands.insert(Seq::new(2), 1);
        assert!(commands.is_full());
        assert!(commands.remove(Seq::new(1)).was_full, "there was no place before");
        assert!(!commands.remove(Seq::new(2)).was_full, "there was a place already");

        let mut bytes = InFlight::new(usize::MAX, 100);
        bytes.insert(Seq::new(1), 99);
        assert!(!bytes.is_full());
        bytes.insert(Seq::new(2), 1);
        assert!(bytes.is_full());
    }

    #[test]
    fn a_command_with_two_holders_counts_once_until_both_are_done() {
        let mut in_flight = InFlight::new(10, 100);
        assert!(in_flight.insert(Seq::new(1), 60));
        assert!(!in_flight.insert(Seq::new(1), 60));
        assert!(!in_flight.is_full(), "its bytes count once");
        assert!(!in_flight.remove(Seq::new(1)).has_ended);
        assert_eq!((in_flight.len(), in_flight.check(Seq::new(1))), (1, Err(SeqRefused::InUse(Seq::new(1)))));
        assert!(in_flight.remove(Seq::new(1)).has_ended);
        assert!(in_flight.is_empty());
        assert!(!in_flight.remove(Seq::new(1)).has_ended, "it is unknown");
    }
}
