//! Which server had which Command: the last few connections, and the first seq that can have been written on each.

use std::collections::VecDeque;

use super::{Peer, Seq, Table};

#[derive(Debug, Default)]
pub(super) struct Peers(VecDeque<(Seq, Peer)>);

/// So many connections are remembered.
const MOST: usize = 4;

impl Peers {
    /// There is a connection, on which Commands from this seq on are written.
    pub(super) fn add(&mut self, first: Seq, peer: Peer) {
        self.0.truncate(MOST - 1);
        self.0.reserve_exact(1); // most clients have one connection for as long as they live
        self.0.push_front((first, peer));
    }

    fn of(&self, seq: Seq) -> Option<&Peer> {
        self.0.iter().find(|(first, _)| *first <= seq).map(|(_, peer)| peer)
    }
}

impl<R> Table<R> {
    /// The server that has, or had, the Command with this seq. For one that is not written, the one it would go to, or the last
    /// one. `None` if there were too many since.
    pub(crate) fn peer_of(&self, seq: Seq) -> Option<Peer> {
        self.lock().peers.of(seq).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_belongs_to_the_last_connection_that_can_have_had_it() {
        let mut peers = Peers::default();
        assert_eq!(peers.of(Seq::FIRST), None);
        for (first, name) in [(1, "a"), (5, "b"), (5, "c"), (9, "d")] {
            peers.add(Seq::new(first), Peer::other(name));
        }
        let of = |peers: &Peers, seq| peers.of(Seq::new(seq)).map(Peer::to_string);
        assert_eq!([1, 4, 5, 8, 9].map(|seq| of(&peers, seq).unwrap()), ["a", "a", "c", "c", "d"]);
        peers.add(Seq::new(20), Peer::other("e"));
        assert_eq!((of(&peers, 4), of(&peers, 5)), (None, Some("c".into())));
    }
}
