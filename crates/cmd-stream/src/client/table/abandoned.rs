//! Calls that nobody waits for any more. If the Command is not written yet, it is taken out of the output. If it is, the
//! server has it, and a mark stays in the table until it is answered.

use std::task::Waker;

use super::{Seq, State, Waiter};

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
            Waiter::Arrived(_) | Waiter::Failed(_) => None,
            Waiter::Abandoned { .. } => return None,
        };
        let Some((len, is_call)) = mark else { return self.pending.remove(seq) };
        let waiter = std::mem::replace(self.pending.get_mut(seq)?, Waiter::Abandoned { len, is_call });
        self.abandoned += 1;
        if !is_written {
            self.abandoned_bytes += len as usize;
            // Not for each of them, which would take too long, but before they take most of the room.
            if self.abandoned_bytes * 2 >= self.outbox.queued() {
                self.drop_abandoned_frames();
                self.room.wake(self.outbox.len(), wakers);
            }
        }
        Some(waiter)
    }

    /// Takes Commands out of the outbox for which nobody waits any more.
    #[cold]
    pub(super) fn drop_abandoned_frames(&mut self) {
        let unwritten = self.written_before.get()..self.pending.next_seq().get();
        let mut frames: Vec<(Seq, usize, bool)> = Vec::new();
        for (seq, waiter) in self.pending.range_mut(unwritten) {
            // Every entry that is not written stands in the outbox, and the other way round.
            let (len, stays) = match waiter {
                Waiter::Reply { len, .. } | Waiter::Posted { len, .. } => (*len, true),
                Waiter::Stream(queue) => (queue.len, true),
                Waiter::Abandoned { len, is_call } => {
                    if *is_call {
                        self.room.release(*len as usize);
                    }
                    self.abandoned -= 1;
                    (*len, false)
                }
                Waiter::Arrived(_) | Waiter::Failed(_) => continue,
            };
            frames.push((seq, len as usize, stays));
        }
        frames.sort_unstable_by_key(|(seq, ..)| *seq); // those that were moved out of the ring come in no order
        self.outbox.retain(frames.iter().map(|(_, len, stays)| (*len, *stays)));
        for (seq, _, stays) in frames {
            if !stays {
                self.pending.remove(seq);
            }
        }
        self.abandoned_bytes = 0;
    }
}
