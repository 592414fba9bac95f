//! Which member of a group has just answered on this thread.
//!
//! A task that has a Reply often makes its next call at once. If that call went to whichever member has fewer in flight, the
//! callers of two members would mix on all cores: each call would fetch what the core of the other has just written, and
//! what was written in one batch would be written in two. So the call follows the one that was answered, to the same member.
//! It takes its place, and the member has no more in flight than before. From time to time a call looks instead.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static SENDERS: AtomicU64 = AtomicU64::new(0);

/// A number for a new Sender. No other has had it.
pub(super) fn number() -> u64 {
    SENDERS.fetch_add(1, Relaxed) + 1 // 0 is none
}

#[derive(Clone, Copy)]
struct Near {
    /// The number of the Sender, or 0 if no call may follow.
    sender: u64,
    member: u32,
    /// When a call last looked, in the time of [`Table::read_nanos`](crate::client::table::Table::read_nanos).
    looked_at: u64,
}

thread_local! {
    static NEAR: Cell<Near> = const { Cell::new(Near { sender: 0, member: 0, looked_at: 0 }) };
}

/// For so long calls follow, and then one looks.
const FOLLOWS: u64 = 100_000;

/// What a call does that may follow.
pub(super) enum Next {
    Follow(usize),
    /// It looks whether another member has much less to do than this one.
    Look(usize),
}

/// This member has answered.
#[inline(always)] // every call passes here
pub(super) fn answered(sender: u64, member: u32) {
    // An error means that the thread is ending.
    let _ = NEAR.try_with(|near| near.set(Near { sender, member, ..near.get() }));
}

/// What the next call does, if a member has answered on this thread and no call has followed yet. `read_nanos` is asked when
/// the member has last read Replies.
#[inline(always)] // every call passes here
pub(super) fn next(sender: u64, read_nanos: impl FnOnce(u32) -> u64) -> Option<Next> {
    let next = NEAR.try_with(|cell| {
        let near = cell.get();
        if near.sender != sender {
            return None;
        }
        let now = read_nanos(near.member);
        // The times of two members differ by as much as one was made before the other: nothing that matters here. Those of
        // another Sender may differ by more. Then a call looks once too often.
        if now.abs_diff(near.looked_at) < FOLLOWS {
            cell.set(Near { sender: 0, ..near });
            return Some(Next::Follow(near.member as usize));
        }
        cell.set(Near { sender: 0, looked_at: now, ..near });
        Some(Next::Look(near.member as usize))
    });
    next.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    enum Did {
        Follow(usize),
        Look(usize),
        Pick,
    }

    fn call(sender: u64, read_nanos: u64) -> Did {
        match next(sender, |_| read_nanos) {
            Some(Next::Follow(member)) => Did::Follow(member),
            Some(Next::Look(member)) => Did::Look(member),
            None => Did::Pick,
        }
    }

    #[test]
    fn one_call_follows_each_answer_and_looks_after_a_while() {
        let now = 10 * FOLLOWS;
        assert_eq!(call(1, now), Did::Pick);
        answered(1, 3);
        assert_eq!(call(1, now), Did::Look(3));
        assert_eq!(call(1, now), Did::Pick, "one call takes the place of one that was answered");
        answered(1, 4);
        assert_eq!(call(1, now + FOLLOWS - 1), Did::Follow(4));
        assert_eq!(call(1, now + FOLLOWS - 1), Did::Pick);
        answered(1, 4);
        assert_eq!(call(1, now + FOLLOWS), Did::Look(4));
        answered(1, 3);
        assert_eq!(call(1, 0), Did::Look(3), "another Sender may have a later time");
    }

    #[test]
    fn calls_of_another_sender_do_not_follow() {
        answered(1, 0);
        assert_eq!(call(2, 0), Did::Pick);
        assert_eq!(call(1, 0), Did::Follow(0));
    }

    #[test]
    fn calls_on_another_thread_do_not_follow() {
        answered(1, 0);
        let other = std::thread::spawn(|| call(1, 0)).join().unwrap();
        assert_eq!((other, call(1, 0)), (Did::Pick, Did::Follow(0)));
    }
}
