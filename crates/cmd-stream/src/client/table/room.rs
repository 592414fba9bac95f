//! What the calls of one client may take, and those who wait until some of it is free: in the order in which they came,
//! and as many are woken as there is room for.

use std::collections::BTreeMap;
use std::task::Waker;

use tokio::time::Instant;

use crate::proto::minima::Minima;

/// The calls in flight, and the callers who wait for room.
#[derive(Debug)]
pub(super) struct Room {
    most_calls: usize,
    most_bytes: usize,
    most_output: usize,
    /// Commands that the server has, or will have, and has not answered for the last time.
    pub(super) calls: usize,
    pub(super) bytes: usize,
    /// By the number in which they came. The first ones have been woken, and come again.
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
    /// Those with smaller numbers have been woken, and what they were woken for is booked. So as long as somebody waits who
    /// has not been woken, the first of them does not fit in.
    woken_before: u64,
    booked: Booked,
    deadlines: Minima<Instant>,
}

#[derive(Debug)]
struct Waiting {
    takes: Takes,
    /// Until it is woken.
    waker: Option<Waker>,
    deadline: Option<Instant>,
}

/// What those may take who have been woken and have not come yet.
#[derive(Clone, Copy, Debug, Default)]
struct Booked {
    calls: usize,
    bytes: usize,
    output: usize,
}

impl Booked {
    fn add(&mut self, takes: Takes) {
        self.output += takes.bytes;
        if takes.is_call {
            self.calls += 1;
            self.bytes += takes.bytes;
        }
    }

    fn remove(&mut self, takes: Takes) {
        self.output -= takes.bytes;
        if takes.is_call {
            self.calls -= 1;
            self.bytes -= takes.bytes;
        }
    }
}

/// What a Command takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Takes {
    pub(super) bytes: usize,
    /// Whether it is answered. A one-way Command takes up room only in the output.
    pub(super) is_call: bool,
}

impl Room {
    pub(super) fn new(most_calls: usize, most_bytes: usize, most_output: usize) -> Self {
        Self {
            most_calls,
            most_bytes,
            most_output,
            calls: 0,
            bytes: 0,
            waiting: BTreeMap::new(),
            next: 0,
            woken_before: 0,
            booked: Booked::default(),
            deadlines: Minima::default(),
        }
    }

    /// Whether a Command may go now. If not, its caller waits: `turn` is its number, and starts as `None`. `output` is how
    /// many bytes are not yet written. One that waits leaves its waker, and gets back what it has left before.
    #[inline]
    pub(super) fn admits(
        &mut self,
        takes: Takes,
        output: usize,
        turn: &mut Option<u64>,
        deadline: Option<Instant>,
        waker: &mut Option<Waker>,
    ) -> bool {
        if self.waiting.is_empty() && self.fits(takes, output) {
            return true;
        }
        self.admits_in_turn(takes, output, turn, deadline, waker)
    }

    #[cold]
    fn admits_in_turn(
        &mut self,
        takes: Takes,
        output: usize,
        turn: &mut Option<u64>,
        deadline: Option<Instant>,
        waker: &mut Option<Waker>,
    ) -> bool {
        // It may have been taken out, because the connection was lost.
        let number = turn.filter(|number| self.waiting.contains_key(number));
        match number {
            // Its room is booked. It need not look again: others were admitted only to what is not booked.
            Some(number) if number < self.woken_before => {
                if let Some(waiting) = self.waiting.remove(&number) {
                    self.booked.remove(waiting.takes);
                    debug_assert!(waiting.waker.is_none(), "it was woken");
                }
                return true;
            }
            Some(_) => {}
            None => {
                let is_first = self.waiting.range(self.woken_before..).next().is_none();
                if is_first && self.fits(takes, output) {
                    return true;
                }
            }
        }
        let number = number.unwrap_or(self.next);
        self.next = self.next.max(number + 1);
        if let Some(deadline) = deadline
            && self.deadlines.note(number, deadline)
        {
            let first = self.waiting.first_key_value().map_or(number, |(first, _)| *first);
            self.deadlines.leave_behind(first, false);
        }
        let waiting = Waiting { takes, waker: waker.take(), deadline };
        *waker = self.waiting.insert(number, waiting).and_then(|before| before.waker);
        *turn = Some(number);
        false
    }

    #[inline]
    fn fits(&self, takes: Takes, output: usize) -> bool {
        let (calls, bytes) = (self.calls + self.booked.calls, self.bytes + self.booked.bytes);
        // In the output the last one may exceed the limit; among the calls one alone may.
        output + self.booked.output < self.most_output
            && (!takes.is_call
                || calls == 0
                || (calls < self.most_calls && takes.bytes <= self.most_bytes.saturating_sub(bytes)))
    }

    /// A Command has been admitted.
    #[inline]
    pub(super) fn take(&mut self, takes: Takes) {
        if takes.is_call {
            self.calls += 1;
            self.bytes += takes.bytes;
        }
    }

    /// A Command was answered for the last time, or never reaches the server, or went down with its connection.
    #[inline]
    pub(super) fn release(&mut self, bytes: usize) {
        self.calls -= 1;
        self.bytes -= bytes;
    }

    /// Wakes those who fit in now, in their order.
    #[inline]
    pub(super) fn wake(&mut self, output: usize, wakers: &mut Vec<Waker>) {
        if !self.waiting.is_empty() {
            self.wake_waiting(output, wakers);
        }
    }

    #[cold]
    fn wake_waiting(&mut self, output: usize, wakers: &mut Vec<Waker>) {
        while let Some((&number, waiting)) = self.waiting.range(self.woken_before..).next() {
            let takes = waiting.takes;
            if !self.fits(takes, output) {
                return;
            }
            self.booked.add(takes);
            self.woken_before = number + 1;
            if let Some(waiting) = self.waiting.get_mut(&number) {
                wakers.extend(waiting.waker.take());
            }
        }
    }

    /// A caller waits no longer. What it was woken for is for the next one.
    pub(super) fn leave(&mut self, turn: u64, output: usize, wakers: &mut Vec<Waker>) {
        if let Some(waiting) = self.waiting.remove(&turn) {
            if turn < self.woken_before {
                self.booked.remove(waiting.takes);
            }
            wakers.extend(waiting.waker); // to be dropped without the lock
            self.wake(output, wakers);
        }
    }

    /// All who wait are to look again.
    pub(super) fn wake_all(&mut self, wakers: &mut Vec<Waker>) {
        let waiting = std::mem::take(&mut self.waiting);
        wakers.extend(waiting.into_values().filter_map(|waiting| waiting.waker));
        (self.booked, self.deadlines) = (Booked::default(), Minima::default());
    }

    /// The earliest deadline of those who wait.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.deadlines.earliest()
    }

    /// Wakes those whose deadline is over. They leave by themselves.
    pub(super) fn expire(&mut self, now: Instant, wakers: &mut Vec<Waker>) {
        for range in self.deadlines.take_due(now) {
            for (number, waiting) in self.waiting.range_mut(range) {
                match waiting.deadline {
                    Some(deadline) if deadline <= now => {
                        wakers.extend(waiting.waker.take());
                    }
                    Some(deadline) => _ = self.deadlines.note(*number, deadline),
                    None => {}
                }
            }
        }
    }
}
