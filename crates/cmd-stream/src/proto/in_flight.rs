//! The server's demultiplexer: which Commands of a connection are running, and whether another one may be read.
//! Knows nothing of sockets, tasks or Formats.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;

use super::frame::Seq;

/// The Commands of one connection that have been read and have not ended.
#[derive(Debug)]
pub struct InFlight {
    sizes: HashMap<Seq, usize>,
    bytes: usize,
    max_commands: usize,
    max_bytes: usize,
}

impl InFlight {
    /// A table that is full at `max_commands`, or at `max_bytes` of Commands as they stood on the wire.
    pub fn new(max_commands: usize, max_bytes: usize) -> Self {
        Self { sizes: HashMap::new(), bytes: 0, max_commands, max_bytes }
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
        if !self.sizes.is_empty() && self.sizes.contains_key(&seq) {
            return Err(SeqRefused::InUse(seq));
        }
        Ok(())
    }

    /// Books a Command that goes on running. It has been [checked](Self::check).
    pub fn insert(&mut self, seq: Seq, size: usize) {
        self.sizes.insert(seq, size);
        self.bytes += size;
    }

    /// Books the end of a Command. The answer is whether there was no place before, so that reading may go on now.
    pub fn remove(&mut self, seq: Seq) -> bool {
        let was_full = self.is_full();
        if let Some(size) = self.sizes.remove(&seq) {
            self.bytes -= size;
        }
        if self.sizes.is_empty() && self.sizes.capacity() > 64 {
            self.sizes = HashMap::new(); // an idle connection keeps no memory
        }
        was_full
    }

    /// Whether no further Command may be read.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.sizes.len() >= self.max_commands || self.bytes >= self.max_bytes
    }

    /// How many Commands run.
    pub fn len(&self) -> usize {
        self.sizes.len()
    }

    /// Whether none runs.
    pub fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }
}

/// A seq that the session does not accept.
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
        assert!(commands.remove(Seq::new(1)), "there was no place before");
        assert!(!commands.remove(Seq::new(2)), "there was a place already");

        let mut bytes = InFlight::new(usize::MAX, 100);
        bytes.insert(Seq::new(1), 99);
        assert!(!bytes.is_full());
        bytes.insert(Seq::new(2), 1);
        assert!(bytes.is_full());
    }
}
