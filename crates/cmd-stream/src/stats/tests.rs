use std::thread;

use super::*;
use crate::proto::Tag;
use crate::protocol::Entry;

const ENTRIES: &[Entry] = &[Entry::new(Tag::new(0), "One"), Entry::new(Tag::new(1), "Two")];
const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn what_is_booked_is_found_under_its_command() {
    let tally = Tally::new(ENTRIES, None);
    tally.started(1, 3);
    assert_eq!(tally.starts(1).1, 3);
    tally.ended(1, Outcome::Replied, 2);
    tally.ended(1, Outcome::Panicked, 1);
    tally.took(1, 5 * MILLISECOND, 3);
    let (one, two) = (tally.take(0), tally.take(1));
    assert_eq!((one.started, one.in_flight(), one.latency.count()), (0, 0, 0));
    assert_eq!((two.started, two.in_flight(), two.latency.count()), (4, 1, 3));
    assert_eq!(
        (two.ended(Outcome::Replied), two.ended(Outcome::Panicked), two.ended(Outcome::Failed)),
        (2, 1, 0)
    );
    assert_eq!(two.latency.sum(), 15 * MILLISECOND);
    assert_eq!(tally.all_started(), 4);
}

#[test]
fn threads_add_up() {
    let tally = Tally::new(ENTRIES, None);
    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    tally.started(0, 1);
                    tally.received(3);
                    tally.sent(2);
                    tally.replied(1);
                    tally.ended(0, Outcome::Replied, 1);
                    tally.took(0, MILLISECOND, 1);
                }
            });
        }
    });
    let taken = tally.take(0);
    assert_eq!((taken.started, taken.in_flight()), (40_000, 0));
    assert_eq!((taken.latency.count(), taken.latency.sum()), (40_000, 40_000 * MILLISECOND));
    assert_eq!((tally.bytes_received(), tally.bytes_sent(), tally.replies()), (120_000, 80_000, 40_000));
}

/// Commands start on one thread and end on another. What has ended has started, whenever one looks.
#[test]
fn a_copy_never_has_more_ends_than_starts() {
    let tally = Tally::new(ENTRIES, None);
    let (sends, ends) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        let tally = &tally;
        scope.spawn(move || {
            for _ in 0..20_000 {
                tally.started(0, 1);
                sends.send(()).expect("the other one is there");
            }
        });
        let ending = scope.spawn(move || ends.iter().for_each(|()| tally.ended(0, Outcome::Replied, 1)));
        let mut before = 0;
        while !ending.is_finished() {
            let taken = tally.take(0);
            let ended = taken.ended(Outcome::Replied);
            assert_eq!(taken.started, ended + taken.in_flight());
            assert!(ended >= before && taken.started <= 20_000, "{taken:?} after {before}");
            before = ended;
        }
    });
    assert_eq!((tally.take(0).started, tally.take(0).in_flight()), (20_000, 0));
}

#[test]
fn a_histogram_tells_quantiles_means_and_counts() {
    let tally = Tally::new(ENTRIES, None);
    for millis in 1..=1000 {
        tally.took(0, millis * MILLISECOND, 1);
    }
    let latency = tally.take(0).latency;
    for (share, millis) in [(0.5, 500), (0.99, 990), (1.0, 1000), (0.0, 1), (7.0, 1000)] {
        let (found, exact) = (latency.quantile(share).expect("there are some"), millis * MILLISECOND);
        assert!(found >= exact && found <= exact * 9 / 8 + MILLISECOND, "{share}: {found:?}");
    }
    assert_eq!(latency.mean(), Some(Duration::from_micros(500_500)));
    // 524.288 ms is a power of two in microseconds.
    assert_eq!(latency.count_below(Duration::from_micros(1 << 19)), 524);
    assert_eq!(latency.count_below(Duration::ZERO), 0);
    assert_eq!(latency.count_below(Duration::MAX), 1000);
}

#[test]
fn nothing_is_known_of_an_empty_histogram() {
    let nothing = Histogram::default();
    assert_eq!((nothing.count(), nothing.mean(), nothing.quantile(0.5)), (0, None, None));
    assert_eq!(nothing.count_below(Duration::MAX), 0);
}

#[test]
fn a_histogram_since_an_earlier_one_has_the_difference() {
    let tally = Tally::new(ENTRIES, None);
    let empty = tally.take(0).latency;
    tally.took(0, MILLISECOND, 2);
    let first = tally.take(0).latency;
    tally.took(0, 100 * MILLISECOND, 1);
    let second = tally.take(0).latency;
    assert_eq!(first.since(&empty), first);
    let since = second.since(&first);
    assert_eq!((since.count(), since.sum()), (1, 100 * MILLISECOND));
    assert!(since.quantile(0.0).is_some_and(|time| time >= 100 * MILLISECOND));
    assert_eq!(second.since(&second).count(), 0);
}
