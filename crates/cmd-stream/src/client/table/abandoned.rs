//! Calls that nobody waits for any more. If the Command is not written yet, it is taken out of the output. If it is, the
//! server has it, and a mark stays in the table until it is answered.

use std::task::Waker;

use tokio::time::Instant;

use super::{Error, Seq, State, Waiter};

impl<R> State<R> {
    /// Takes a caller out of the table, and leaves a mark of its Command as long as the server has it, or would get it.
    pub(super) fn abandon(&mut self, seq: Seq, wakers: &mut Vec<Waker>) -> Option<Waiter<R>> {
        let is_written = seq < self.written_before;
        let mark = match self.pending.get_mut(seq)? {
            Waiter::Reply { len, .. } => Some((*len, true)),
            Waiter::Stream(queue) => {
                let mark = queue.is_in_flight().then_some((queue.len, true));
                // A full stream that nobody will read must not keep the connection from being read.
                if queue.is_pausing() {
                    wakers.extend(self.resume());
                }
                mark
            }
            // Once it is written nothing comes any more.
            Waiter::Posted { len, .. } => (!is_written).then_some((*len, false)),
            Waiter::Arrived { .. } | Waiter::Failed(_) | Waiter::HandedBack(_) => None,
            Waiter::Abandoned { .. } => return None,
        };
        let Some((len, is_call)) = mark else { return self.pending.remove(seq) };
        let waiter = std::mem::replace(self.pending.get_mut(seq)?, Waiter::Abandoned { len, is_call });
        self.abandoned += 1;
        if self.retiring.is_asked_for() {
            wakers.extend(self.task.take()); // it may have been the last one that was waited for
        }
        if !is_written {
            self.abandoned_bytes += len as usize;
            // Not for each of them, which would take too long, but before they take most of the room.
            if self.abandoned_bytes * 2 >= self.outbox.queued() {
                self.drop_frames(None, wakers);
                self.room.wake(self.outbox.len(), wakers);
            }
        }
        Some(waiter)
    }

    /// Takes Commands out of the outbox for which nobody waits any more: those that are abandoned, and those that are
    /// `overdue` at that instant, whose callers fail with that error, and are
    /// woken. Returns how many these are.
    #[cold]
    pub(super) fn drop_frames(&mut self, overdue: Option<(Instant, &Error)>, wakers: &mut Vec<Waker>) -> u64 {
        let unwritten = self.written_before.get()..self.pending.next_seq().get();
        let (mut frames, mut timed_out) = (Vec::new(), 0);
        for (seq, waiter) in self.pending.range_mut(unwritten) {
            // Every entry with a length that is not written stands in the outbox, and the other way round.
            let (len, is_call) = match waiter {
                Waiter::Reply { len, .. } => (*len, true),
                Waiter::Stream(queue) if queue.is_in_flight() => (queue.len, true),
                Waiter::Posted { len, .. } => (*len, false),
                Waiter::Abandoned { len, is_call } => (*len, *is_call),
                Waiter::Stream(_) | Waiter::Arrived { .. } | Waiter::Failed(_) | Waiter::HandedBack(_) => {
                    continue;
                }
            };
            let is_abandoned = matches!(waiter, Waiter::Abandoned { .. });
            let overdue =
                overdue.filter(|(now, _)| waiter.deadline().is_some_and(|deadline| deadline <= *now));
            if let Some((_, error)) = overdue {
                wakers.extend(waiter.take_waker());
                waiter.fail(error.clone());
                timed_out += 1;
            }
            let stays = !is_abandoned && overdue.is_none();
            if !stays && is_call {
                self.room.release(len as usize);
            }
            frames.push((seq, len as usize, stays, is_abandoned));
        }
        frames.sort_unstable_by_key(|(seq, ..)| *seq); // those that were moved out of the ring come in no order
        self.outbox.retain(frames.iter().map(|(_, len, stays, _)| (*len, *stays)));
        for (seq, .., is_abandoned) in &frames {
            if *is_abandoned {
                self.pending.remove(*seq);
                self.abandoned -= 1;
            }
        }
        self.abandoned_bytes = 0;
        // A one-way Command that is not written any more is not waited for. Both are in the order of the seqs.
        let mut gone = frames.iter().filter(|(_, _, stays, _)| !stays).map(|(seq, ..)| *seq).peekable();
        self.posted.retain(|seq| {
            while gone.next_if(|gone| gone < seq).is_some() {}
            gone.peek() != Some(seq)
        });
        timed_out
    }
}
