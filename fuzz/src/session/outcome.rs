//! Compares what the server did with what it must do.

use std::collections::HashMap;

use cmd_stream::proto::frame::Seq;
use cmd_stream::server::{Counters, LostConnection, Served};
use cmd_stream::{Error, ErrorKind, Origin};

use super::super::input::Piece;
use super::super::sample::{End, Item, Side, Stream};
use super::expected::Expected;
use super::plan::{Leave, Plan};
use super::service::Fed;

/// What the server did.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) received: Vec<u8>,
    pub(super) lost: Vec<Lost>,
    pub(super) counters: Counters,
    pub(super) served: Served,
}

/// A connection that the server has lost.
#[derive(Debug)]
pub(super) struct Lost {
    id: u64,
    reason: Error,
    commands_left: usize,
}

impl From<&LostConnection<'_>> for Lost {
    fn from(lost: &LostConnection<'_>) -> Self {
        let LostConnection { connection, reason, commands_left, .. } = lost;
        Self { id: connection.id(), reason: reason.clone(), commands_left: *commands_left }
    }
}

impl Outcome {
    /// Checks that it is what was expected.
    pub(super) fn assert<S: Fed>(&self, plan: &Plan, expected: &Expected<S>) {
        let Self { lost, counters, served, received } = self;
        let [other, client] = &lost[..] else { panic!("{lost:?}") };
        let (client, other) = if client.id == 1 { (client, other) } else { (other, client) };
        let reason = |lost: &Lost| (lost.reason.kind(), lost.reason.origin());
        assert_eq!((other.id, reason(other)), (2, (ErrorKind::Closed, Origin::Remote)));
        assert_eq!(
            (client.id, counters.accepted, counters.panicked, counters.failed_after_last_reply),
            (1, 2, 0, 0)
        );

        let left = match plan.leave {
            _ if expected.reason.is_some() => expected.reason,
            Leave::Finish if expected.ends_in_frame => Some((ErrorKind::UnexpectedEof, Origin::Remote)),
            Leave::Silence if expected.ends_in_frame => Some((ErrorKind::Timeout, Origin::Remote)),
            Leave::Finish => Some((ErrorKind::Closed, Origin::Remote)),
            Leave::Silence | Leave::Shutdown => Some((ErrorKind::Closed, Origin::Local)),
            Leave::Vanish => None,
        };
        if plan.leave == Leave::Vanish {
            // How far the server got before it noticed does not matter.
            let noticed =
                matches!(reason(client).0, ErrorKind::Closed | ErrorKind::UnexpectedEof | ErrorKind::Io);
            assert!(noticed || Some(reason(client)) == left, "{client:?}");
            assert!(counters.started <= expected.commands && counters.pings <= 1 + expected.pings);
            assert!(counters.invalid <= expected.invalid && counters.over_frame_limit <= expected.over_limit);
            return;
        }
        assert_eq!(Some(reason(client)), left, "{client:?}");
        assert_eq!(
            (counters.started, counters.pings),
            (expected.commands, 1 + expected.pings),
            "another client pings once"
        );
        assert_eq!((counters.invalid, counters.over_frame_limit), (expected.invalid, expected.over_limit));
        assert_eq!(counters.receive_timeouts, u64::from(reason(client).0 == ErrorKind::Timeout));
        if plan.leave == Leave::Shutdown && expected.reason.is_none() {
            // The server waits for the rest of an incomplete frame until half of the time to drain is over, and then for
            // nothing but its own Replies.
            let Served::Shutdown(cut) = served else { panic!("{served:?}") };
            assert_eq!((cut.connections, cut.commands), (0, 0));
        } else {
            assert!(matches!(served, Served::Closed(_)), "{served:?}");
        }

        let received = decoded::<S::Reply>(received);
        let (late, at_once): (Vec<_>, Vec<_>) =
            received.into_iter().partition(|item| matches!(item, Item::Value(_, reply) if S::is_late(reply)));
        // What is written, and when, is known except in two cases: with little room for output, and if a connection is
        // ended while its last Replies wait for a client that reads late.
        let ended_early = expected.reason.is_some();
        if plan.output.is_none() && !(plan.reads_late && ended_early) {
            assert_eq!(client.commands_left, expected.in_flight.len());
            assert_eq!((counters.failed, counters.replies), (expected.failed, expected.replies()));
            assert_eq!(at_once, expected.at_once);
            assert_eq!(sorted(late), sorted(expected.late.clone()));
            return;
        }
        assert!(counters.failed >= expected.failed);
        let (mut of_each, mut expected_of_each) = (by_seq(at_once), by_seq(expected.at_once.clone()));
        if ended_early {
            for (seq, expected) in &mut expected_of_each {
                let received = of_each.entry(*seq).or_default();
                assert!(*seq != Seq::PING || received.len() == expected.len(), "a ping is answered at once");
                expected.truncate(received.len());
            }
        }
        assert_eq!(of_each, expected_of_each);
        let mut may_be = expected.late.clone();
        may_be.extend(expected.in_flight.iter().cloned());
        for item in &late {
            let found = may_be.iter().position(|other| other == item);
            may_be.swap_remove(found.unwrap_or_else(|| panic!("{item:?} was not to be answered")));
        }
        assert!(ended_early || may_be.is_empty(), "not answered: {may_be:?}");
    }
}

/// Decodes the frames that the server sent.
fn decoded<R: Side>(received: &[u8]) -> Vec<Item<R>> {
    let frames = received.strip_prefix(b"\x07default").expect("the server speaks first");
    let mut items = Vec::new();
    let end = Stream::<R>::new(R::FORMAT, usize::MAX, frames)
        .read_all(&[Piece::whole(frames.len())], |item| items.push(item));
    assert_eq!(end, End::Clean);
    items
}

/// Sorts items into an order that does not depend on time.
fn sorted<R: Side>(mut items: Vec<Item<R>>) -> Vec<Item<R>> {
    items.sort_by_cached_key(|item| format!("{item:?}"));
    items
}

/// Groups the Replies by Command, and pongs.
fn by_seq<R: Side>(items: Vec<Item<R>>) -> HashMap<Seq, Vec<Item<R>>> {
    let mut of_each = HashMap::<_, Vec<_>>::new();
    for item in items {
        let seq = if let Item::Value(seq, _) = &item { *seq } else { Seq::PING };
        of_each.entry(seq).or_default().push(item);
    }
    of_each
}
