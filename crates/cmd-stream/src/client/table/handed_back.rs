//! Commands that were not sent and that somebody else may send. A client that is a member of a Group hands them back to
//! their callers when there is no connection: the encoded frame without its seq, so that nothing is encoded twice.

use std::task::Waker;

use super::{Error, QueueState, Seq, State, Table, Waiter};
use crate::connection::outbox::Scratch;
use crate::error::drop_contained;

/// A Command that was not sent, and why.
pub(super) struct HandedBack {
    pub(super) error: Error,
    frame: Vec<u8>,
}

impl<R> Table<R> {
    /// Takes back a Command that was not sent, after the call has failed, and the call out of the table. `None` if it may have
    /// been sent.
    pub(crate) fn take_back(&self, seq: Seq) -> Option<Scratch> {
        let mut state = self.lock();
        let frame = match state.pending.get_mut(seq)? {
            Waiter::HandedBack(back) => std::mem::take(&mut back.frame),
            Waiter::Stream(queue) => queue.handed_back.take()?,
            _ => return None,
        };
        let waiter = state.pending.remove(seq);
        drop(state);
        drop_contained(waiter); // without the lock: the error may be the user's
        Some(Scratch::of(frame))
    }
}

impl<R> State<R> {
    /// Fails the callers whose Commands are not written, and gives each its own. Returns how many there are.
    pub(super) fn hand_back(&mut self, reason: &Error, wakers: &mut Vec<Waker>) -> usize {
        let unwritten = self.written_before.get()..self.pending.next_seq().get();
        let mut frames: Vec<(Seq, usize)> = Vec::new();
        for (seq, waiter) in self.pending.range_mut(unwritten) {
            // Every entry with a length that is not written stands in the outbox, and the other way round.
            match waiter {
                Waiter::Reply { len, .. } | Waiter::Posted { len, .. } | Waiter::Abandoned { len, .. } => {
                    frames.push((seq, *len as usize));
                }
                Waiter::Stream(queue) if queue.is_in_flight() => frames.push((seq, queue.len as usize)),
                Waiter::Stream(_) | Waiter::Arrived { .. } | Waiter::Failed(_) | Waiter::HandedBack(_) => {}
            }
        }
        frames.sort_unstable_by_key(|(seq, _)| *seq); // those that were moved out of the ring come in no order
        let mut failed = 0;
        for (seq, len) in frames {
            let (frame, error) = (self.outbox.take_front(seq.wire_len(), len), reason.clone());
            let Some(waiter) = self.pending.get_mut(seq) else { continue };
            if let Waiter::Abandoned { is_call, .. } = waiter {
                if *is_call {
                    self.room.release(len);
                }
                self.abandoned -= 1;
                self.pending.remove(seq);
                continue;
            }
            failed += 1;
            if let Waiter::Stream(queue) = waiter {
                queue.state = QueueState::Failed(error);
                queue.handed_back = Some(frame);
                wakers.extend(queue.waker.take());
                self.room.release(len);
                continue;
            }
            let back = Waiter::HandedBack(Box::new(HandedBack { error, frame }));
            match std::mem::replace(waiter, back) {
                Waiter::Reply { waker, .. } => {
                    wakers.push(waker);
                    self.room.release(len);
                }
                Waiter::Posted { waker, .. } => wakers.push(waker),
                _ => {}
            }
        }
        // Nothing stands in the output any more.
        self.posted.clear();
        self.abandoned_bytes = 0;
        failed
    }
}
