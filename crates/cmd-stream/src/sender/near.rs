//! Which member of a group has just answered on this thread.
//!
//! A task that has a Reply often makes its next call at once. If that call went to whichever member has fewer in flight, the
//! callers of two members would mix on all cores: each call would fetch what the core of the other has just written, and
//! what was written in one batch would be written in two. So the call follows the one that was answered, to the same member.
//! It takes its place, and the member has no more in flight than before. From time to time a call looks instead.

use std::cell::Cell;

#[derive(Clone, Copy)]
struct Near {
    /// The address of the [`Core`](super::core::Core), or 0 if no call may follow. It is only compared. Another one may later have
    /// the same, and fewer members.
    core: usize,
    member: u32,
    /// When a call last looked, in the time of [`Table::read_nanos`](crate::client::table::Table::read_nanos).
    looked_at: u64,
}

thread_local! {
    static NEAR: Cell<Near> = const { Cell::new(Near { core: 0, member: 0, looked_at: 0 }) };
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
pub(super) fn answered(core: usize, member: u32) {
    // An error means that the thread is ending.
    let _ = NEAR.try_with(|near| near.set(Near { core, member, ..near.get() }));
}

/// What the next call does, if a member has answered on this thread and no call has followed yet. `read_nanos` is asked when
/// the member has last read Replies; there may be no such member.
#[inline(always)] // every call passes here
pub(super) fn next(core: usize, read_nanos: impl FnOnce(u32) -> Option<u64>) -> Option<Next> {
    let next = NEAR.try_with(|cell| {
        let near = cell.get();
        if near.core != core {
            return None;
        }
        let now = read_nanos(near.member)?;
        // The times of two members differ by as much as one was made before the other: nothing that matters here. Those of
        // another Sender may differ by more. Then a call looks once too often.
        if now.abs_diff(near.looked_at) < FOLLOWS {
            cell.set(Near { core: 0, ..near });
            return Some(Next::Follow(near.member as usize));
        }
        cell.set(Near { core: 0, looked_at: now, ..near });
        Some(Next::Look(near.member as usize))
    });
    next.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBERS: u32 = 8;

    #[derive(Debug, PartialEq, Eq)]
    enum Did {
        Follow(usize),
        Look(usize),
        Pick,
    }

    fn call(core: usize, read_nanos: u64) -> Did {
        match next(core, |member| (member < MEMBERS).then_some(read_nanos)) {
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

    /// It panicked. A Sender may come to be where one was that is gone.
    #[test]
    fn a_member_that_is_not_there_is_not_followed() {
        answered(1, MEMBERS);
        assert_eq!(call(1, 0), Did::Pick);
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
