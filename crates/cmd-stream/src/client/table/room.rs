//! What the calls of one client may take, and those who wait until some of it is free: in the order in which they came,
//! and as many are woken as there is room for.

use std::task::Waker;

use tokio::time::Instant;

use crate::proto::frame::Seq;
use crate::proto::minima::Minima;
use crate::proto::pending::Pending;

/// The calls in flight, and the callers who wait for room.
#[derive(Debug)]
pub(super) struct Room {
    most_calls: usize,
    most_bytes: usize,
    most_output: usize,
    /// Commands that the server has, or will have, and has not answered for the last time.
    pub(super) calls: usize,
    pub(super) bytes: usize,
    /// The number of the next caller that waits. None is given twice: those who were sent away remember theirs.
    next: Seq,
    /// While there is anybody. Most clients never have one, and an idle one keeps no memory.
    queue: Option<Box<Waiters>>,
}

/// Callers who wait, by the number in which they came. The first ones have been woken, and come again.
#[derive(Debug)]
struct Waiters {
    waiting: Pending<Waiting>,
    /// Those with smaller numbers have been woken, and what they were woken for is booked. So as long as somebody waits who
    /// has not been woken, the first of them does not fit in.
    woken_before: Seq,
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
        Self { most_calls, most_bytes, most_output, calls: 0, bytes: 0, next: Seq::FIRST, queue: None }
    }

    /// Whether a Command may go now. If not, its caller waits: `turn` is its number, and starts as `None`. `output` is how
    /// many bytes are not yet written. One that waits leaves its waker, and gets back what it has left before.
    #[inline]
    pub(super) fn admits(
        &mut self,
        takes: Takes,
        output: usize,
        turn: &mut Option<Seq>,
        deadline: Option<Instant>,
        waker: &mut Option<Waker>,
    ) -> bool {
        if self.queue.is_none() && self.fits(takes, output, Booked::default()) {
            return true;
        }
        self.admits_in_turn(takes, output, turn, deadline, waker)
    }

    #[cold]
    fn admits_in_turn(
        &mut self,
        takes: Takes,
        output: usize,
        turn: &mut Option<Seq>,
        deadline: Option<Instant>,
        waker: &mut Option<Waker>,
    ) -> bool {
        let mut queue = self.queue.take().unwrap_or_else(|| Box::new(Waiters::from(self.next)));
        // It may have been taken out, because the connection was lost.
        let known = turn.filter(|number| queue.waiting.get_mut(*number).is_some());
        let admitted = match known {
            // Its room is booked. It need not look again: others were admitted only to what is not booked.
            Some(number) if number < queue.woken_before => {
                queue.take_out(number);
                true
            }
            Some(number) => {
                if let Some(waiting) = queue.waiting.get_mut(number) {
                    let renewed = Waiting { takes, waker: waker.take(), deadline };
                    *waker = std::mem::replace(waiting, renewed).waker;
                }
                false
            }
            None if queue.first().is_none() && self.fits(takes, output, queue.booked) => true,
            None => {
                *turn = Some(queue.waiting.insert(Waiting { takes, waker: waker.take(), deadline }));
                self.next = queue.waiting.next_seq();
                false
            }
        };
        if let (Some(number), Some(deadline), false) = (*turn, deadline, admitted) {
            queue.note(number, deadline);
        }
        self.keep(queue);
        admitted
    }

    /// Keeps the queue as long as there is somebody in it.
    fn keep(&mut self, queue: Box<Waiters>) {
        self.queue = (!queue.waiting.is_empty()).then_some(queue);
    }

    #[inline]
    fn fits(&self, takes: Takes, output: usize, booked: Booked) -> bool {
        let (calls, bytes) = (self.calls + booked.calls, self.bytes + booked.bytes);
        // In the output the last one may exceed the limit; among the calls one alone may.
        output + booked.output < self.most_output
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
        if self.queue.is_some() {
            self.wake_waiting(output, wakers);
        }
    }

    #[cold]
    fn wake_waiting(&mut self, output: usize, wakers: &mut Vec<Waker>) {
        let Some(mut queue) = self.queue.take() else { return };
        while let Some(takes) = queue.first().map(|first| first.takes)
            && self.fits(takes, output, queue.booked)
        {
            wakers.extend(queue.first().and_then(|first| first.waker.take()));
            queue.booked.add(takes);
            queue.woken_before = queue.woken_before.next();
        }
        self.queue = Some(queue);
    }

    /// A caller waits no longer. What it was woken for is for the next one.
    pub(super) fn leave(&mut self, turn: Seq, output: usize, wakers: &mut Vec<Waker>) {
        let Some(mut queue) = self.queue.take() else { return };
        if let Some(waiting) = queue.take_out(turn) {
            wakers.extend(waiting.waker); // to be dropped without the lock
        }
        self.keep(queue);
        self.wake(output, wakers);
    }

    /// All who wait are to look again.
    pub(super) fn wake_all(&mut self, wakers: &mut Vec<Waker>) {
        let Some(mut queue) = self.queue.take() else { return };
        wakers.extend(queue.waiting.iter_mut().filter_map(|(_, waiting)| waiting.waker.take()));
    }

    /// The earliest deadline of those who wait.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.queue.as_ref().and_then(|queue| queue.deadlines.earliest())
    }

    /// Wakes those whose deadline is over. They leave by themselves.
    pub(super) fn expire(&mut self, now: Instant, wakers: &mut Vec<Waker>) {
        let Some(queue) = &mut self.queue else { return };
        for range in queue.deadlines.take_due(now) {
            let range = range.start.cast_signed()..range.end.cast_signed();
            for (number, waiting) in queue.waiting.range_mut(range) {
                match waiting.deadline {
                    Some(deadline) if deadline <= now => {
                        wakers.extend(waiting.waker.take());
                    }
                    Some(deadline) => _ = queue.deadlines.note(number.get().cast_unsigned(), deadline),
                    None => {}
                }
            }
        }
    }
}

impl Waiters {
    /// Nobody yet. The first one gets this number.
    fn from(first: Seq) -> Self {
        Self {
            waiting: Pending::starting_at(first),
            woken_before: first,
            booked: Booked::default(),
            deadlines: Minima::default(),
        }
    }

    /// The first one that has not been woken, who has the number `woken_before` then.
    fn first(&mut self) -> Option<&mut Waiting> {
        // Over those who have left before they were woken, each of them once.
        while self.woken_before < self.waiting.next_seq() && self.waiting.get_mut(self.woken_before).is_none()
        {
            self.woken_before = self.woken_before.next();
        }
        self.waiting.get_mut(self.woken_before)
    }

    /// Takes one out, and what is booked for it.
    fn take_out(&mut self, number: Seq) -> Option<Waiting> {
        let waiting = self.waiting.remove(number)?;
        if number < self.woken_before {
            self.booked.remove(waiting.takes);
        }
        Some(waiting)
    }

    fn note(&mut self, number: Seq, deadline: Instant) {
        if self.deadlines.note(number.get().cast_unsigned(), deadline) {
            let (first, stragglers) = self.waiting.first();
            self.deadlines.leave_behind(first.get().cast_unsigned(), stragglers);
        }
    }
}
