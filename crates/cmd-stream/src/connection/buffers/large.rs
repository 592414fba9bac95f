//! Buffers of more than 128 KiB, mostly those that large values were encoded into. To get the memory anew for each value, page by page from
//! the system, takes a fifth of the time of a value of 1 MiB, and more where processors are far from each other.
//!
//! They are kept as long as a connection has written such a value within the last second, and at most [`MOST`] bytes for the whole process.
//! A thread takes only what it has given back itself: what another processor has used last is as slow to write as new memory. So if all
//! values are encoded on other threads than those that write them, nothing is gained, and [`MOST_OF_ONE`] bytes of each that writes are
//! kept in vain.

use std::mem;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};

static LARGE: Mutex<Large<ThreadId>> = Mutex::new(Large::new());

/// Takes one for about so many bytes, or an empty buffer without room.
pub(super) fn take(bytes: usize) -> Vec<u8> {
    with(|large| large.take(thread::current().id(), bytes))
}

/// Keeps one, or frees it.
pub(super) fn give_back(buffer: Vec<u8>) {
    // To free memory may take long. So it is done when the lock is released.
    let _freed = with(|large| large.give_back(thread::current().id(), buffer));
}

/// A connection that has written a large value lately. While there is one, buffers are kept.
#[derive(Debug)]
pub(crate) struct Keeper(());

impl Keeper {
    pub(crate) fn new() -> Self {
        with(|large| large.keepers += 1);
        Self(())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _freed = with(Large::leave);
    }
}

fn with<T>(then: impl FnOnce(&mut Large<ThreadId>) -> T) -> T {
    then(&mut LARGE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Of the buffer of a large value, at least one part in so many is in use.
pub(crate) const MOST_UNUSED: usize = 4;

/// How many bytes are kept.
const MOST: usize = 16 << 20;

/// Of these, how many that one thread has given back.
const MOST_OF_ONE: usize = MOST / 4;

struct Large<Thread> {
    /// Each with the thread that has given it back, the last one at the end.
    buffers: Vec<(Thread, Vec<u8>)>,
    /// What they take.
    bytes: usize,
    keepers: usize,
}

impl<Thread: Copy + Eq> Large<Thread> {
    const fn new() -> Self {
        Self { buffers: Vec::new(), bytes: 0, keepers: 0 }
    }

    /// The last one of the thread that fits: it may still be in a cache. One that is too small would have to grow, and one that is
    /// much too large would not be moved into the output.
    fn take(&mut self, thread: Thread, bytes: usize) -> Vec<u8> {
        let fits =
            |buffer: &Vec<u8>| (bytes..=bytes.saturating_mul(MOST_UNUSED)).contains(&buffer.capacity());
        match self.buffers.iter().rposition(|(of, buffer)| *of == thread && fits(buffer)) {
            Some(at) => self.remove(at),
            None => Vec::new(),
        }
    }

    /// Returns what is not kept: the buffer, or older ones.
    fn give_back(&mut self, thread: Thread, buffer: Vec<u8>) -> Vec<Vec<u8>> {
        let size = buffer.capacity();
        if self.keepers == 0 || size > MOST_OF_ONE {
            return vec![buffer];
        }
        let mut older = Vec::new();
        while self.of_one(thread) > MOST_OF_ONE - size
            && let Some(at) = self.buffers.iter().position(|(of, _)| *of == thread)
        {
            older.push(self.remove(at));
        }
        while self.bytes > MOST - size {
            older.push(self.remove(0));
        }
        self.bytes += size;
        self.buffers.push((thread, buffer));
        older
    }

    fn of_one(&self, thread: Thread) -> usize {
        self.buffers.iter().filter(|(of, _)| *of == thread).map(|(_, buffer)| buffer.capacity()).sum()
    }

    /// Returns what nobody keeps any more.
    fn leave(&mut self) -> Vec<(Thread, Vec<u8>)> {
        self.keepers -= 1;
        if self.keepers > 0 {
            return Vec::new();
        }
        self.bytes = 0;
        mem::take(&mut self.buffers)
    }

    fn remove(&mut self, at: usize) -> Vec<u8> {
        let (_, buffer) = self.buffers.remove(at);
        self.bytes -= buffer.capacity();
        buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: usize) -> Vec<u8> {
        Vec::with_capacity(bytes)
    }

    fn sizes<'a>(buffers: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<usize> {
        buffers.into_iter().map(Vec::capacity).collect()
    }

    #[test]
    fn buffers_are_kept_while_anybody_keeps_them_and_not_longer() {
        let mut large = Large::<u8>::new();
        assert_eq!(sizes(&large.give_back(0, of(100))), [100], "nobody keeps any");
        large.keepers = 2;
        assert!(large.give_back(0, of(100)).is_empty() && large.give_back(0, of(200)).is_empty());
        assert_eq!(large.leave().len(), 0, "another one keeps them");
        assert_eq!(
            sizes(&[large.take(0, 90), large.take(0, 90), large.take(0, 90)]),
            [200, 100, 0],
            "the last one first"
        );
        assert!(large.give_back(0, of(300)).is_empty());
        assert_eq!((large.leave().len(), large.bytes, large.take(0, 300).capacity()), (1, 0, 0));
        assert_eq!(sizes(&large.give_back(0, of(100))), [100]);
    }

    #[test]
    fn a_thread_takes_its_own_that_fit() {
        let mut large = Large::<u8> { keepers: 1, ..Large::new() };
        for (thread, bytes) in [(1, 100), (2, 200), (1, 300), (2, 400)] {
            assert!(large.give_back(thread, of(bytes)).is_empty());
        }
        assert_eq!(sizes(&[large.take(1, 301), large.take(1, 24), large.take(0, 100)]), [0, 0, 0]);
        assert_eq!(sizes(&[large.take(1, 75), large.take(1, 75), large.take(1, 75)]), [300, 100, 0]);
        assert_eq!(large.bytes, 600);
    }

    #[test]
    fn no_more_is_kept_than_the_limits_and_the_oldest_go_first() {
        let mut large = Large::<u8> { keepers: 1, ..Large::new() };
        assert_eq!(sizes(&large.give_back(0, of(MOST_OF_ONE + 1))), [MOST_OF_ONE + 1]);
        for bytes in [MOST_OF_ONE / 4, MOST_OF_ONE / 2, MOST_OF_ONE / 4] {
            assert!(large.give_back(0, of(bytes)).is_empty());
        }
        let freed = large.give_back(0, of(MOST_OF_ONE / 2));
        assert_eq!(sizes(&freed), [MOST_OF_ONE / 4, MOST_OF_ONE / 2], "of one thread");
        for thread in 1..4 {
            assert!(large.give_back(thread, of(MOST_OF_ONE)).is_empty());
        }
        let freed = large.give_back(4, of(MOST_OF_ONE));
        assert_eq!(sizes(&freed), [MOST_OF_ONE / 4, MOST_OF_ONE / 2], "of all");
        assert_eq!((large.bytes, large.buffers.len()), (MOST, 4));
    }
}
